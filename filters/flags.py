"""Rules that read a flag or a date and need no reading of the text.

None of these is LIMA's: they follow from where the data comes from (Reddit's over-18 flag) and from
when it was written.
"""

from __future__ import annotations

from datetime import date

import polars as pl

from filters.rule import Rule


def adult() -> Rule:
    """Drop rows that their source marks as adult (Reddit: `over_18`)."""
    return Rule(
        code="adult",
        fails=pl.col("adult"),
        detail=pl.lit("marked as adult by its source"),
        needs=frozenset({"adult"}),
        cost=1,
        source="Reddit: over_18",
    )


def after_cutoff(cutoff: date) -> Rule:
    """Drop rows written on the cutoff day or later, e.g. to leave out text of the model age."""
    day = pl.col("created_at").dt.date()
    return Rule(
        code="after_cutoff",
        fails=day >= cutoff,
        detail=pl.format(
            f"written {{}}, cutoff {cutoff.isoformat()}", day.dt.to_string("%Y-%m-%d")
        ),
        needs=frozenset({"created_at"}),
        cost=1,
        source="Curse of Recursion (arXiv 2305.17493): text after 2022-11 may be a model's",
    )
