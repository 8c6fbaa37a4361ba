"""The funnel as a picture: how many rows came out of each stage."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from pipeline.html.figures import WIDTH
from pipeline.html.svg import picture, tag

_ROW, _NAME, _SAID = 34.0, 86.0, 210.0
LOGARITHMIC = 60  # from this ratio of first to last on, equal lengths would hide the end


def is_logarithmic(lines: Sequence[Mapping[str, Any]]) -> bool:
    """Tell whether the lengths of the bars are logarithms."""
    return bool(lines) and lines[0]["rows_in"] > LOGARITHMIC * max(lines[-1]["rows_out"], 1)


def draw(lines: Sequence[Mapping[str, Any]], label: str) -> Markup:
    """Draw a centred bar for what came in and what each stage gave."""
    log = is_logarithmic(lines)
    room = WIDTH - _NAME - _SAID

    def length(rows: int) -> float:
        top = float(lines[0]["rows_in"])
        if log:
            return room * math.log1p(rows) / math.log1p(max(top, 1))
        return room * rows / max(top, 1)

    parts = []
    bars = [("records", lines[0]["rows_in"], 0)]
    bars += [(line["stage"], line["rows_out"], sum(line["dropped"].values())) for line in lines]
    for place, (name, rows, gone) in enumerate(bars):
        y, wide = place * _ROW, length(rows)
        middle = _NAME + room / 2
        last = place == len(bars) - 1
        parts += [
            tag("text", name, x=_NAME - 10, y=y + 20, class_="end"),
            tag(
                "rect",
                tag("title", f"{name}: {rows:,} rows"),
                x=middle - wide / 2,
                y=y + 3,
                width=max(wide, 2.0),
                height=_ROW - 8,
                rx=4,
                class_="c2" if last else "c0",
            ),
        ]
        inside = wide > 70
        parts.append(
            tag(
                "text",
                f"{rows:,}",
                x=middle if inside else middle + wide / 2 + 8,
                y=y + 20,
                text_anchor="middle" if inside else "start",
                class_="on" if inside else None,
            )
        )
        said = f"{gone:,} left" if gone else ("" if place == 0 else "all went on")
        parts.append(tag("text", said, x=WIDTH - _SAID + 14, y=y + 20, class_="quiet"))
    return picture(WIDTH, len(bars) * _ROW, label, *parts)
