"""What several sections share: values as quantiles, the colour of a group, the words of a topic."""

from collections.abc import Sequence

import polars as pl

from pipeline.html.figures import Values
from pipeline.html.page import number
from pipeline.report.book import Book

_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
QUANTILE_HEAD = ["set", "rows", "5 %", "25 %", "middle", "75 %", "95 %", "mean"]


def quantiles(item: Values, digits: int = 0) -> list[str]:
    """Return a line for a table with QUANTILE_HEAD."""
    series = pl.Series(item.values, dtype=pl.Float64)
    marks = [series.quantile(q, "nearest") for q in _QUANTILES]
    cells = [number(None if mark is None else round(mark, digits), digits) for mark in marks]
    return [item.name, f"{len(series):,}", *cells, number(mean(series), digits)]


def mean(values: pl.Series) -> float | None:
    """Return the mean of numbers, None where there are none."""
    value = values.mean()
    return value if isinstance(value, float) else None


def colours(book: Book) -> dict[str, int]:
    """Give each group the same colour everywhere."""
    names = sorted({*book.rows["group"].unique(), *(x["group"] for x in book.manifest["groups"])})
    return {name: place % 8 for place, name in enumerate(names)}


def words(value: str | Sequence[str] | None, count: int = 5) -> str:
    """Return the first words that name a topic."""
    named = value.split(", ") if isinstance(value, str) else list(value or [])
    return ", ".join(named[:count])
