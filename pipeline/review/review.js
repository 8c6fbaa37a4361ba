"use strict";
// The review page. Texts of rows go in as text; only what the server has rendered and cleaned goes
// in as markup (html of a turn). The token is in the address after #, which is sent nowhere.
(() => {
  const $ = (id) => document.getElementById(id);
  const token = location.hash.slice(1) || sessionStorage.getItem("token") || "";
  sessionStorage.setItem("token", token);
  history.replaceState(null, "", "/");

  let rows = [];
  let shown = [];
  let current = null; // id
  let detail = null;
  let raw = false;
  let saving = null; // the decision on its way: a promise of whether it was saved
  let waiting = false;
  let asked = 0;

  function make(name, text, properties) {
    const element = document.createElement(name);
    if (text !== undefined) element.textContent = text;
    return Object.assign(element, properties);
  }

  function complain(text) {
    $("message").textContent = text;
    $("message").hidden = !text;
  }

  async function ask(path, body) {
    const options = { headers: { "x-thousand-token": token } };
    if (body) {
      options.method = "POST";
      options.headers["content-type"] = "application/json";
      options.body = JSON.stringify(body);
    }
    let answer;
    try {
      answer = await fetch(path, options);
    } catch {
      complain(`${body ? "Not saved: the" : "The"} server does not answer. Start thousand review again and open the address that it prints.`);
      throw new Error("no answer");
    }
    const value = await answer.json().catch(() => ({ error: `The server failed (${answer.status}).` }));
    if (!answer.ok) {
      complain(value.error);
      throw new Error(value.error);
    }
    complain("");
    return value;
  }

  // The list

  function fits(row) {
    const words = $("search").value.toLowerCase();
    const state = $("state").value;
    const low = $("low").value, high = $("high").value;
    if (words && !`${row.title} ${row.id} ${row.domain}`.toLowerCase().includes(words)) return false;
    if ($("group").value && row.group !== $("group").value) return false;
    if ($("cluster").value && String(row.cluster) !== $("cluster").value) return false;
    if (low !== "" && !(row.quality >= Number(low) && row.quality !== null)) return false;
    if (high !== "" && !(row.quality <= Number(high) && row.quality !== null)) return false;
    if (state === "open") return !row.mine;
    if (state === "flagged" || state === "changed") return row[state];
    return !state || row.mine === state;
  }

  function list() {
    shown = rows.filter(fits);
    $("count").textContent = `${shown.length} of ${rows.length} rows`;
    $("rows").replaceChildren(...shown.map((row) => {
      const button = make("button", row.title, { type: "button" });
      const score = row.quality === null ? "" : ` · ${row.quality.toFixed(2)}`;
      button.append(make("small", `${row.group} · ${row.domain}${score}`));
      if (row.mine) button.classList.add(row.mine);
      if (row.flagged) button.classList.add("flagged");
      if (row.changed) button.classList.add("changed");
      button.dataset.id = row.id;
      button.setAttribute("aria-current", String(row.id === current));
      button.addEventListener("click", () => afterSaving(() => open(row.id)));
      const item = make("li");
      item.append(button);
      return item;
    }));
    const judged = rows.filter((row) => row.mine).length;
    $("progress").textContent = `${judged} of ${rows.length} judged`;
  }

  function mark() {
    for (const button of $("rows").querySelectorAll("button")) {
      const here = button.dataset.id === current;
      button.setAttribute("aria-current", String(here));
      if (here) button.scrollIntoView({ block: "nearest" });
    }
  }

  function agree(pairs) {
    $("agreement").textContent = pairs.map((pair) =>
      `${pair.first} and ${pair.second}: ${pair.same} of ${pair.rows} alike, kappa ${pair.kappa === null ? "not defined" : pair.kappa.toFixed(2)}`).join("; ");
  }

  function fill(select, values) {
    for (const [value, text] of values) select.append(make("option", text, { value }));
  }

  // One row

  async function open(id) {
    current = id;
    mark();
    close();
    if (!id) {
      detail = null;
      $("row").hidden = true;
      $("empty").hidden = false;
      return;
    }
    const mine = ++asked;
    try {
      const value = await ask(`/api/row?id=${encodeURIComponent(id)}`);
      if (mine === asked) show(value);
    } catch {
      if (mine !== asked) return;
      current = detail && detail.id; // which is still on the page
      mark();
    }
  }

  function show(value) {
    detail = value;
    current = value.id;
    $("row").hidden = false;
    $("empty").hidden = true;
    $("place").textContent = `${shown.findIndex((row) => row.id === value.id) + 1} of ${shown.length} · ${value.split} · ${value.group} · ${value.domain}`;
    $("title").textContent = value.title;
    $("id").textContent = value.id;
    const said = { accept: "accepted", reject: "rejected", edit: "edited" }[value.mine];
    const line = $("state-line");
    line.replaceChildren();
    if (said) line.append(make("b", said), ` ${value.reason}`);
    if (value.flagged) line.append(" ", make("b", "flagged"), ` ${value.flag}`);
    if (value.changed) line.append(" ", make("b", "changed since it was judged"));
    turns();
    $("changes").hidden = !value.changes.length;
    $("changes").querySelector("div").replaceChildren(...value.changes.map((change) => {
      const box = make("div", undefined, { className: "diff" });
      box.append(make("span", change.field));
      for (const [kind, text] of change.lines) box.append(make({ "-": "del", "+": "ins" }[kind] || "span", kind === "…" ? "…" : text));
      return box;
    }));
    const parts = $("parts");
    parts.replaceChildren();
    const scores = Object.entries(value.parts);
    if (value.quality !== null) scores.unshift(["quality", value.quality]);
    for (const [name, score] of scores) {
      const meter = make("meter", undefined, { min: 0, max: 1, value: score });
      meter.setAttribute("aria-label", `${name} ${score.toFixed(2)}`);
      const cell = make("dd");
      cell.append(meter);
      parts.append(make("dt", name), cell, make("dd", score.toFixed(2)));
    }
    const facts = $("facts");
    facts.replaceChildren(make("dt", "topic"), make("dd", `${value.cluster}: ${value.words}`));
    for (const [name, text] of Object.entries(value.facts)) facts.append(make("dt", name), make("dd", text));
    $("others").hidden = !value.others.length;
    $("others").querySelector("ul").replaceChildren(...value.others.map((item) => make("li", `${item.reviewer}: ${item.verdict} ${item.reason}`)));
    $("neighbours").replaceChildren(...value.neighbours.map((item) => {
      const box = make("details");
      box.append(make("summary", `${item.cosine.toFixed(2)} ${item.picked ? "picked" : "not picked"}: ${item.title}`));
      box.append(make("div", item.id, { className: "id quiet" }), make("p", item.text));
      return box;
    }));
    if (!value.neighbours.length) $("neighbours").append(make("p", "Not known: the run of this release is gone."));
    $("main").scrollTop = 0;
  }

  function turns() {
    $("turns").replaceChildren(...detail.turns.map((turn) => {
      const box = make("div", undefined, { className: `turn ${turn.role === "user" || turn.role === "system" ? turn.role : "assistant"}` });
      box.append(make("b", turn.role));
      if (raw) {
        box.append(make("pre", turn.text, { className: "raw" }));
      } else {
        const body = make("div");
        body.innerHTML = turn.html; // rendered with HTML off, then cleaned by nh3
        box.append(body);
      }
      return box;
    }));
  }

  // Decisions

  // While a decision is on its way, one command waits for it, and is dropped if nothing was saved.
  // Those after it are dropped: they could be letters of a text.
  async function afterSaving(command) {
    if (saving) {
      if (waiting) return;
      waiting = true;
      const saved = await saving;
      waiting = false;
      if (!saved) return;
    }
    command();
  }

  function decide(verdict, more, goOn) {
    if (detail && !saving) saving = send(verdict, more, goOn).finally(() => { saving = null; });
  }

  async function send(verdict, more, goOn) {
    const field = document.activeElement;
    field?.blur(); // so that keys are heard while the answer is on its way
    const at = shown.findIndex((row) => row.id === detail.id);
    const next = shown[at + 1];
    try {
      const value = await ask("/api/decide", { id: detail.id, digest: detail.digest, verdict, ...more });
      const row = rows.find((item) => item.id === value.id);
      for (const key of ["mine", "reason", "flagged", "flag", "changed"]) row[key] = value[key];
      agree(value.agreement);
      close();
      list();
      if (goOn && next) await open(next.id);
      else show(value);
      mark();
      return true;
    } catch {
      field?.focus(); // the message is on the page; nothing was changed
      return false;
    }
  }

  let pending = null;
  function askReason(verdict, label) {
    pending = verdict;
    $("reason-label").textContent = label;
    $("reason").value = "";
    $("reason").required = verdict === "reject";
    $("reason-form").hidden = false;
    $("reason").focus();
  }

  function close() {
    $("reason-form").hidden = true;
    $("editor").hidden = true;
    $("turns").hidden = false;
    if (document.activeElement && document.activeElement !== document.body) document.activeElement.blur();
  }

  function edit() {
    $("edit-prompt").value = detail.prompt;
    $("edit-response").value = detail.response || "";
    $("edit-response").disabled = detail.response === null;
    $("edit-reason").value = "";
    $("turns").hidden = true;
    $("editor").hidden = false;
    (detail.response === null ? $("edit-prompt") : $("edit-response")).focus();
  }

  const acts = {
    accept: () => decide("accept", {}, true),
    reject: () => askReason("reject", "Why should it leave?"),
    edit,
    flag: () => (detail.flagged ? decide("unflag", {}, false) : askReason("flag", "Note (optional)")),
    clear: () => decide("clear", {}, false),
  };

  // A command is for the row that is on the page when it is given, and never for the one after it.
  function act(name) {
    const id = detail?.id;
    afterSaving(() => { if (id && detail?.id === id && current === id) acts[name](); });
  }

  $("reason-form").addEventListener("submit", (event) => {
    event.preventDefault();
    decide(pending, { reason: $("reason").value }, pending === "reject");
  });
  $("editor").addEventListener("submit", (event) => {
    event.preventDefault();
    const more = { prompt: $("edit-prompt").value, reason: $("edit-reason").value };
    if (detail.response !== null) more.response = $("edit-response").value;
    decide("edit", more, false);
  });
  $("editor").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) $("editor").requestSubmit();
  });
  for (const button of document.querySelectorAll("[data-do]")) button.addEventListener("click", () => act(button.dataset.do));
  for (const button of document.querySelectorAll("[data-cancel]")) button.addEventListener("click", close);
  $("help-button").addEventListener("click", () => $("help").showModal());

  function step(by) {
    const at = shown.findIndex((row) => row.id === current);
    const to = shown[Math.min(shown.length - 1, Math.max(0, at + by))];
    if (to) open(to.id);
  }

  function nextOpen() {
    const at = shown.findIndex((row) => row.id === current);
    const found = [...shown.slice(at + 1), ...shown.slice(0, at + 1)].find((row) => !row.mine);
    if (found) open(found.id);
  }

  const keys = {
    j: () => afterSaving(() => step(1)), k: () => afterSaving(() => step(-1)), n: () => afterSaving(nextOpen),
    a: () => act("accept"), r: () => act("reject"), e: () => act("edit"), f: () => act("flag"), u: () => act("clear"),
    m: () => { raw = !raw; if (detail) turns(); },
    "/": () => $("search").focus(),
    "?": () => $("help").showModal(),
  };
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !$("help").open) {
      if (!saving) close();
      return;
    }
    const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName);
    if (typing || $("help").open || event.ctrlKey || event.metaKey || event.altKey) return;
    if (keys[event.key]) {
      event.preventDefault();
      keys[event.key]();
    }
  });

  $("filters").addEventListener("input", () => {
    list();
    if (!shown.some((row) => row.id === current)) open(shown.length ? shown[0].id : null);
  });
  $("filters").addEventListener("submit", (event) => event.preventDefault());

  async function start() {
    const value = await ask("/api/rows");
    rows = value.rows;
    document.title = `Review of ${value.release}`;
    $("release").textContent = value.release;
    $("who").textContent = `as ${value.reviewer}`;
    agree(value.agreement);
    fill($("group"), [...new Set(rows.map((row) => row.group))].sort().map((name) => [name, name]));
    const topics = new Map(rows.map((row) => [row.cluster, row.words]));
    fill($("cluster"), [...topics].sort((a, b) => a[0] - b[0]).map(([number, words]) => [number, `${number}: ${words}`]));
    list();
    const first = shown.find((row) => !row.mine) || shown[0];
    await open(first ? first.id : null);
  }
  start().catch(() => {});
})();
