"""Where to draw the line between human and machine text: by a stated rate of false alarms.

A limit is only as good as the human text that it comes from: it holds for that kind of source,
model, window and number type, and for no other.
"""

import polars as pl

from pipeline.errors import CurationError

# The statistics that can judge, with the side on which machine text lies.
SIDES = {"perplexity": "below", "curvature": "above"}


def beyond(by: str, limit: pl.Expr) -> pl.Expr:
    """Tell rows on the machine's side of the limit; null where either is missing."""
    value = pl.col(f"lm_{by}")
    return value > limit if SIDES[by] == "above" else value < limit


def check_rate(rate: float) -> None:
    """Raise CurationError where a rate of false alarms is no share of rows."""
    if not 0 < rate < 1:
        raise CurationError(f"A rate of false alarms lies between 0 and 1, not {rate}.")


def thresholds(table: pl.DataFrame, rate: float, by: str) -> dict[str, float | None]:
    """Return for each `source` the limit that at most `rate` of its rows lie beyond.

    All rows are taken as human text. None where a source has too few rows for one false alarm.
    """
    check_rate(rate)
    found: dict[str, float | None] = {}
    known = table.drop_nulls(by).with_columns(pl.col("source").fill_null("unknown"))
    for (source,), part in sorted(known.partition_by("source", as_dict=True).items()):
        outside = int(len(part) * rate + 1e-9)
        ranked = part[by].sort(descending=SIDES[by] == "above")
        found[str(source)] = ranked[outside] if outside else None
    return found
