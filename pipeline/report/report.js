"use strict";
// The map: what a point is, by mouse and by keyboard; groups to hide; the picks of the controls.
// Texts come as data and go in as text, never as markup.
(() => {
  const points = JSON.parse(document.getElementById("data").textContent).points;
  const map = document.getElementById("map");
  if (!map) return;
  const tip = document.getElementById("tip");
  const circles = [...map.querySelectorAll("circle")];
  const byKey = new Map(circles.map((circle) => [Number(circle.dataset.k), circle]));
  let at = null;

  function line(name, text) {
    const element = document.createElement(name);
    element.textContent = text;
    return element;
  }

  function show(key) {
    const circle = byKey.get(key);
    const point = points[key];
    if (at !== null) byKey.get(at).classList.remove("at");
    at = key;
    circle.classList.add("at");
    tip.replaceChildren(line("b", point.title || point.id), line("div", point.id));
    tip.append(line("div", `${point.at}; topic: ${point.words}`));
    tip.append(line("div", `${point.split ? "picked for " + point.split : "not picked"}; quality ${point.quality}, votes ${point.votes}`));
    if (point.near) tip.append(line("div", `nearest picked row (cosine ${point.cosine}): ${point.near}`));
    if (point.sets.length) tip.append(line("div", `also picked by: ${point.sets.join(", ")}`));
    tip.hidden = false;
    const box = map.getBoundingClientRect();
    const spot = circle.getBoundingClientRect();
    const left = spot.left - box.left + 14;
    tip.style.left = `${Math.min(left, Math.max(0, box.width - tip.offsetWidth - 8))}px`;
    tip.style.top = `${spot.top - box.top + 14}px`;
  }

  function hide() {
    tip.hidden = true;
    if (at !== null) byKey.get(at).classList.remove("at");
  }

  map.addEventListener("pointerover", (event) => {
    if (event.target.tagName === "circle") show(Number(event.target.dataset.k));
  });
  map.addEventListener("pointerleave", hide);
  map.addEventListener("blur", hide);

  // Arrow keys walk over the coloured points, topic by topic.
  map.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape") hide();
    if (!step) return;
    event.preventDefault();
    const seen = circles.filter((c) => c.classList.contains("picked") && !c.classList.contains("off"));
    const order = seen.map((c) => Number(c.dataset.k)).sort((a, b) => a - b);
    if (!order.length) return;
    const here = at === null ? (step > 0 ? -1 : 0) : order.indexOf(at);
    show(order[(here + step + order.length) % order.length]);
  });

  for (const box of document.querySelectorAll("input[data-colour]")) {
    box.addEventListener("change", () => {
      const colour = box.dataset.colour;
      const named = colour === "pool" ? "pool" : `c${colour}`;
      for (const circle of circles) if (circle.classList.contains(named)) circle.classList.toggle("off", !box.checked);
    });
  }

  document.getElementById("set").addEventListener("change", (event) => {
    const set = event.target.value;
    map.classList.toggle("compare", Boolean(set));
    for (const [key, circle] of byKey) circle.classList.toggle("in-set", Boolean(set) && points[key].sets.includes(set));
  });
})();
