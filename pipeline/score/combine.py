"""Combine the parts into one score that can be taken apart again.

Each measured number is ranked INSIDE THE GROUP among the rows that have it (ties share the mean
rank; the best of 4 rows has 0.875, a lone row 0.5), and `quality` is the mean of the parts, weighted
by the recipe. A part that a row lacks and others of its group have counts as their mean: a model
reads a bounded number of rows, and one that it did not read must neither gain nor lose by that. A
part that the whole group lacks is left out.
"""

from collections.abc import Mapping, Sequence

import polars as pl

from pipeline.score.parts import Evidence

DIGITS = 6


def combine(
    measured: pl.DataFrame, weights: Mapping[str, float], parts: Sequence[Evidence]
) -> pl.DataFrame:
    """Return `id`, `quality` and `quality_parts` from the measured numbers of all rows.

    `measured` holds `id`, `group` and one column for each part, by its name. The parts are null
    where a row lacks them. The quality is null where nothing at all was measured, as of a bare prompt,
    and where no row of the group has a part with a weight.
    """
    counts = {part.name: pl.col(part.name).fill_null(middle(part.name)) for part in parts}
    weight = {part.name: weights.get(part.name, 0.0) for part in parts}
    total = pl.sum_horizontal(counts[name].is_not_null() * weight[name] for name in counts)
    known = pl.any_horizontal(pl.col(name).is_not_null() for name in counts) & (total > 0)
    quality = pl.sum_horizontal(counts[name] * weight[name] for name in counts) / total
    return values(measured, parts).select(
        "id",
        quality=pl.when(known).then(quality).round(DIGITS).clip(0, 1),
        quality_parts=pl.struct(part.name for part in parts),
    )


def values(measured: pl.DataFrame, parts: Sequence[Evidence]) -> pl.DataFrame:
    """Return `id`, `group` and what each part gives in [0, 1], null where it measured nothing."""
    return measured.select("id", "group", *(_value(part).alias(part.name) for part in parts))


def middle(name: str) -> pl.Expr:
    """What a part counts for a row that lacks it: its mean in the group."""
    return pl.col(name).mean().over("group")


def _value(part: Evidence) -> pl.Expr:
    value = pl.col(part.name).cast(pl.Float64)
    if part.ranked:
        rank = (part.order(value).rank("average") - 0.5) / value.count()
        value = rank.over("group")
    return part.shape(value).clip(0, 1).round(DIGITS)
