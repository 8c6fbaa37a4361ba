"""Pictures of generations: curves, and clouds of samples side by side."""

import itertools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from pipeline.html.page import number
from pipeline.html.svg import picture, short, tag

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _LOW = 380.0, 190.0, 46.0, 10.0, 34.0


def curve(
    names: Sequence[str],
    lines: Sequence[tuple[str, Sequence[float]]],
    label: str,
    level: float | None = None,
) -> Markup:
    """Draw curves over the generations from 0 up; `level` is a dashed line, an alarm."""
    values = [value for _, line in lines for value in line]
    top = max([1e-9, *values, level or 0.0]) * 1.08
    step = (_WIDTH - _LEFT - _RIGHT) / max(1, len(names) - 1)

    def at(place: int, value: float) -> tuple[float, float]:
        return _LEFT + place * step, _HEIGHT - _LOW - (_HEIGHT - _LOW - 8) * value / top

    parts = [
        tag(
            "line",
            x1=_LEFT,
            x2=_WIDTH - _RIGHT,
            y1=_HEIGHT - _LOW,
            y2=_HEIGHT - _LOW,
            class_="axis",
        )
    ]
    for share in (0.0, 0.5, 1.0):
        y = at(0, top / 1.08 * share)[1]
        parts.append(tag("text", number(top / 1.08 * share), x=_LEFT - 6, y=y + 4, class_="end"))
    if level is not None:
        y = at(0, level)[1]
        dashed = {"stroke": "currentColor", "stroke_dasharray": "5 4"}
        parts.append(tag("line", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=y, y2=y, **dashed))
    for colour, (name, line) in enumerate(lines):
        points = [at(place, value) for place, value in enumerate(line)]
        for (x1, y1), (x2, y2) in itertools.pairwise(points):
            rise = {"x1": x1, "y1": y1, "x2": x2, "y2": y2, "stroke": f"var(--c{colour})"}
            parts.append(tag("line", stroke_width=2.2, **rise))
        for place, (x, y) in enumerate(points):
            said = f"{name}, {names[place]}: {number(line[place], 4)}"
            parts.append(tag("circle", tag("title", said), cx=x, cy=y, r=3.6, class_=f"c{colour}"))
    every = max(1, len(names) // 6)
    for place, name in enumerate(names):
        if place % every == 0:
            anchor = (
                "start"
                if place == 0 and len(name) > 4
                else "end"
                if place == len(names) - 1 and len(name) > 4
                else "middle"
            )
            parts.append(
                tag("text", short(name, 14), x=at(place, 0)[0], y=_HEIGHT - 14, text_anchor=anchor)
            )
    return picture(_WIDTH, _HEIGHT, label, *parts, class_="chart")


def clouds(
    generations: Sequence[int], samples: Sequence[npt.NDArray[np.float64]], label: str
) -> Markup:
    """Draw samples of several generations in one frame each, on one scale."""
    size, gap = 150.0, 8.0
    columns = min(6, len(generations))
    parts = []
    for place, (generation, points) in enumerate(zip(generations, samples, strict=True)):
        left, up = (place % columns) * (size + gap), (place // columns) * (size + 26)
        parts.append(tag("rect", x=left, y=up, width=size, height=size, rx=4, class_="track"))
        for x, y in points:
            if abs(x) < 4 and abs(y) < 4:
                where = {"cx": left + size * (x + 4) / 8, "cy": up + size * (4 - y) / 8}
                where = {key: float(value) for key, value in where.items()}
                parts.append(tag("circle", r=1.5, class_="c0", fill_opacity="0.55", **where))
        said = f"generation {generation}"
        parts.append(tag("text", said, x=left + size / 2, y=up + size + 16, text_anchor="middle"))
    rows = -(-len(generations) // columns)
    return picture(columns * (size + gap) - gap, rows * (size + 26), label, *parts)
