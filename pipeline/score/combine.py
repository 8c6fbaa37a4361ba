"""Combine the parts into one score that can be taken apart again.

Each measured number is ranked INSIDE THE GROUP among the rows that have it (ties share the mean
rank; the best of 4 rows has 0.875, a lone row 0.5), and `quality` is the mean of the parts that a
row has, weighted by the recipe. A part that a row lacks is left out of its mean, never taken as 0.
"""

from collections.abc import Mapping, Sequence

import polars as pl

from pipeline.score.parts import Evidence

DIGITS = 6


def combine(
    measured: pl.DataFrame, weights: Mapping[str, float], parts: Sequence[Evidence]
) -> pl.DataFrame:
    """Return `id`, `quality` and `quality_parts` from the measured numbers of all rows.

    `measured` holds `id`, `group` and one column for each part, by its name.
    """
    scored = measured.select("id", *(_score(part).alias(part.name) for part in parts))
    names = [part.name for part in parts]
    weighted = [pl.col(name) * weights.get(name, 0.0) for name in names]
    present = [
        pl.col(name).is_not_null().cast(pl.Float64) * weights.get(name, 0.0) for name in names
    ]
    total = pl.sum_horizontal(present)
    quality = pl.when(total > 0).then(pl.sum_horizontal(weighted) / total)
    return scored.select(
        "id",
        quality=quality.round(DIGITS).clip(0, 1),
        quality_parts=pl.struct(names),
    )


def _score(part: Evidence) -> pl.Expr:
    value = pl.col(part.name).cast(pl.Float64)
    if part.ranked:
        rank = (part.order(value).rank("average") - 0.5) / value.count()
        value = rank.over("group")
    return part.shape(value).clip(0, 1).round(DIGITS)
