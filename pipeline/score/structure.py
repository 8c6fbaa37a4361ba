"""Structure: whether a reader finds their way through the response.

The mean of four marks in [0, 1]: no paragraph is a wall of text; there are several paragraphs;
lists, headings or bold openings guide the eye; code, where there is any, comes with prose.
"""

import polars as pl

WALL_CHARS = (700, 2100)  # a paragraph of prose up to the first is fine, from the second a wall
ENOUGH_BLOCKS = 5
ENOUGH_MARKERS = 3
CODE_SHARE = (0.6, 0.95)  # code up to this share of the text is explained; from there it is bare

_FENCE = r"(?s)```.*?(?:```|\z)"
_MARKER = r"[ \t]{0,8}(?:[-*+]\s|\d{1,3}[.)]\s|#{1,6}\s|\*\*[^*\n]+\*\*)"


def measure(frame: pl.DataFrame) -> pl.Series:
    """Return the mean of the four marks; null for a row without a response."""
    text = pl.col("response")
    prose = text.str.replace_all(_FENCE, "")
    chars = text.str.len_chars().cast(pl.Float64)
    lines = prose.str.replace_all(rf"\n({_MARKER})", "\n\n$1")  # each item of a list by itself
    blocks = (
        lines.str.split("\n\n")
        .list.eval(pl.element().str.strip_chars().str.len_chars())
        .list.eval(pl.element().filter(pl.element() > 0))
    )
    code = (chars - prose.str.len_chars()) / pl.max_horizontal(chars, pl.lit(1.0))
    marks = [
        _falling(blocks.list.max().fill_null(0), *WALL_CHARS),
        (blocks.list.len() / ENOUGH_BLOCKS).clip(0, 1),
        (prose.str.count_matches(rf"(?m)^{_MARKER}") / ENOUGH_MARKERS).clip(0, 1),
        _falling(code, *CODE_SHARE),
    ]
    mean = (marks[0] + marks[1] + marks[2] + marks[3]) / len(marks)
    kept = pl.when(text.is_not_null()).then(mean).alias("structure")
    return frame.select(kept.cast(pl.Float64))["structure"]


def _falling(value: pl.Expr, good: float, bad: float) -> pl.Expr:
    """Return 1 up to `good`, 0 from `bad`, a straight line between."""
    return (1 - (value - good) / (bad - good)).clip(0, 1)
