"""The pictures that reports share: bars with a mark, histograms of two sets, points on a map.

Each is a plain function from numbers to SVG. The page that shows one also gives its numbers as a
table (macros.html): a picture never says something that text does not.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from pipeline.html.page import number
from pipeline.html.svg import picture, short, tag

WIDTH = 760.0
_LABEL, _VALUE, _ROW = 214.0, 150.0, 24.0
_COLOURS = 8  # classes c0 to c7 of style.css


@dataclass(frozen=True)
class Bar:
    """A line of a bar chart; `mark` is a value to compare with, such as a quota."""

    label: str
    value: float
    mark: float | None = None
    note: str = ""
    colour: int = 0


@dataclass(frozen=True)
class Values:
    """A named set of numbers."""

    name: str
    values: Sequence[float]


@dataclass(frozen=True)
class Point:
    """A place on a map; `colour` None is background, `key` finds what the script knows of it."""

    x: float
    y: float
    key: int
    colour: int | None = None


@dataclass(frozen=True)
class Words:
    """A label on a map."""

    x: float
    y: float
    text: str


def bars(lines: Sequence[Bar], label: str) -> Markup:
    """Draw horizontal bars, each with its number and its note."""
    top = max([1e-9, *(max(line.value, line.mark or 0) for line in lines)])
    room = WIDTH - _LABEL - _VALUE
    parts = []
    for place, line in enumerate(lines):
        y = place * _ROW
        wide = room * line.value / top
        text = number(line.value) + (f" {line.note}" if line.note else "")
        parts += [
            tag("text", short(line.label, 30), x=_LABEL - 8, y=y + 16, class_="end"),
            tag("rect", x=_LABEL, y=y + 4, width=room, height=_ROW - 9, rx=3, class_="track"),
            tag(
                "rect",
                tag("title", f"{line.label}: {text}"),
                x=_LABEL,
                y=y + 4,
                width=max(wide, 1.5 if line.value else 0.0),
                height=_ROW - 9,
                rx=3,
                class_=f"c{line.colour % _COLOURS}",
            ),
            tag("text", text, x=_LABEL + room + 8, y=y + 16, class_="quiet"),
        ]
        if line.mark is not None:
            x = _LABEL + room * line.mark / top
            parts.append(tag("line", x1=x, x2=x, y1=y + 1, y2=y + _ROW - 2, class_="mark"))
    return picture(WIDTH, max(_ROW, len(lines) * _ROW), label, *parts)


def edges(values: Sequence[float], bins: int = 36, *, log: bool = False) -> list[float]:
    """Return the borders of bins that hold 99 of 100 values; the last bin takes the rest."""
    if not len(values):
        return [0.0, 1.0]
    low, high = float(min(values)), float(np.quantile(np.asarray(values, np.float64), 0.99))
    if log:
        start = max(low, 1.0)
        ends = np.geomspace(start, max(high, start * 1.01), bins + 1)
    else:
        ends = np.linspace(low, max(high, low + 1e-6), bins + 1)
    return [float(end) for end in ends]


def histogram(
    before: Values,
    after: Values,
    borders: Sequence[float],
    label: str,
    *,
    colour: int = 0,
    width: float = WIDTH / 2,
) -> Markup:
    """Draw the shares of two sets in the same bins: the first as an area, the second as bars."""
    high, left = 130.0, 8.0
    room = width - 2 * left
    shares = [_shares(item.values, borders) for item in (before, after)]
    top = max([1e-9, *shares[0], *shares[1]])
    step = room / (len(borders) - 1)
    parts: list[Markup] = []
    for place, share in enumerate(shares[1]):
        tall = (high - 12) * share / top
        if tall:
            said = f"{_span(borders, place)}: {share:.1%} of {after.name}, {shares[0][place]:.1%} of {before.name}"
            gap = min(1.0, step / 10)
            x = left + place * step + gap
            box = {"x": x, "y": high - tall, "width": step - 2 * gap, "height": tall, "rx": 1}
            parts.append(tag("rect", tag("title", said), class_=f"c{colour % _COLOURS}", **box))
    parts.append(_steps(shares[0], left, step, high, top))
    parts.append(tag("line", x1=left, x2=left + room, y1=high, y2=high, class_="axis"))
    for part in range(5):
        place = round(part * (len(borders) - 1) / 4)
        anchor = "start" if part == 0 else "end" if part == 4 else "middle"
        x = left + place * step
        parts.append(tag("text", _tick(borders[place]), x=x, y=high + 17, text_anchor=anchor))
    return picture(width, high + 24, label, *parts, class_="chart")


def _steps(shares: Sequence[float], left: float, step: float, high: float, top: float) -> Markup:
    points = [f"M{left:.1f} {high:.1f}"]
    for place, share in enumerate(shares):
        y = high - (high - 12) * share / top
        points.append(f"V{y:.1f}H{left + (place + 1) * step:.1f}")
    return tag("path", d="".join(points) + f"V{high:.1f}", class_="before")


def _shares(values: Sequence[float], borders: Sequence[float]) -> list[float]:
    if not len(values):
        return [0.0] * (len(borders) - 1)
    inside = np.clip(np.asarray(values, np.float64), borders[0], borders[-1])
    counts, _ = np.histogram(inside, np.asarray(borders))
    return [float(count) / len(values) for count in counts]


def _span(borders: Sequence[float], place: int) -> str:
    last = place == len(borders) - 2
    return f"{_tick(borders[place])} to {'the end' if last else _tick(borders[place + 1])}"


def _tick(value: float) -> str:
    if abs(value) >= 5 or value == 0:
        return f"{value:,.0f}"
    return f"{value:.2f}".rstrip("0").rstrip(".")


def scatter(points: Sequence[Point], words: Sequence[Words], label: str) -> Markup:
    """Draw points and the words of regions; background first, so that picked ones stand out."""
    high, edge = 520.0, 14.0
    xs = [point.x for point in points] or [0.0]
    ys = [point.y for point in points] or [0.0]
    wide, tall = max(max(xs) - min(xs), 1e-9), max(max(ys) - min(ys), 1e-9)

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            edge + (WIDTH - 2 * edge) * (x - min(xs)) / wide,
            high - edge - (high - 2 * edge) * (y - min(ys)) / tall,
        )

    low = [point for point in points if point.colour is None]
    up = [point for point in points if point.colour is not None]
    parts = []
    for point in [*low, *up]:
        x, y = place(point.x, point.y)
        named = "pool" if point.colour is None else f"picked c{point.colour % _COLOURS}"
        radius = 2.2 if point.colour is None else 4.2
        parts.append(tag("circle", cx=x, cy=y, r=radius, class_=named, data_k=point.key))
    parts += _spread(words, place)
    focus: dict[str, object] = {"tabindex": 0, "class_": "map", "id": "map"}
    return picture(WIDTH, high, label, *parts, **focus)


def _spread(
    words: Sequence[Words], place: Callable[[float, float], tuple[float, float]]
) -> list[Markup]:
    """Place labels, leaving out those that would stand on another."""
    taken: list[tuple[float, float, float]] = []
    parts = []
    for item in words:
        x, y = place(item.x, item.y)
        half = 3.4 * len(item.text)
        x = min(max(x, half), WIDTH - half)
        if any(abs(x - a) < half + b and abs(y - c) < 20 for a, b, c in taken):
            continue
        taken.append((x, half, y))
        parts.append(tag("text", item.text, x=x, y=y, text_anchor="middle", class_="words"))
    return parts
