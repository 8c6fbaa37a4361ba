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
    where a row lacks them; so is the quality of a row that has no part with a weight.
    """
    weighed = {part.name: weight for part in parts if (weight := weights.get(part.name))}
    part_of = {name: pl.col(name).fill_null(middle(name)) for name in weighed}
    total = pl.sum_horizontal(part_of[name].is_not_null() * w for name, w in weighed.items())
    known = pl.any_horizontal(pl.col(name).is_not_null() for name in weighed)
    quality = pl.sum_horizontal(part_of[name] * w for name, w in weighed.items()) / total
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
