"""Take a score apart again: what each part measured, what became of it, and what it adds.

Input: a row's `quality_parts`, and its line of the score stage's table `all-parts.parquet`. Output: a
list of parts whose contributions add up to `quality`. A part that the row lacks adds what the middle
of its group would; one that the whole group lacks adds nothing, and the weights of the others share
its place.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from pipeline.score.combine import middle, values
from pipeline.score.parts import Evidence

TABLE = "all-parts.parquet"
MEASURED, MIDDLE, WEIGHTS = "measured", "middle", "weights"


@dataclass(frozen=True)
class Share:
    """One part of a row's score; `measured` and `value` are null where the row lacks it.

    `value` is what the part gives in [0, 1], from the rank in the group; `weight` is the recipe's.
    `counts` is what it counts as: `value`, or for a part that the row lacks the mean of its group. Null,
    like what it adds, where the group lacks it too.
    """

    part: str
    measured: float | None
    value: float | None
    counts: float | None
    weight: float
    adds: float | None


def table(
    measured: pl.DataFrame, weights: Mapping[str, float], parts: Sequence[Evidence]
) -> pl.DataFrame:
    """Return what the score stage keeps of all rows: numbers as measured, and how they count."""
    names = [part.name for part in parts]
    middles = values(measured, parts).select("id", *(middle(name).alias(name) for name in names))
    counted = [pl.lit(float(weights.get(name, 0.0))).alias(name) for name in names]
    return measured.select(
        "id",
        pl.struct(pl.col(name).cast(pl.Float64) for name in names).alias(MEASURED),
        middles.select(pl.struct(names)).to_series().alias(MIDDLE),
        pl.struct(counted).alias(WEIGHTS),
    )


def breakdown(line: Mapping[str, Any], quality_parts: Mapping[str, float | None]) -> list[Share]:
    """Return the parts of a row, those that add most first; `line` is the row's of the table."""
    weights, middles = line[WEIGHTS], line[MIDDLE]
    total = sum(weights[name] for name in quality_parts if middles[name] is not None)
    shares = []
    for name, value in quality_parts.items():
        weight = weights[name]
        counts = middles[name] if value is None else value
        adds = None if counts is None or not total else weight * counts / total
        shares.append(Share(name, line[MEASURED][name], value, counts, weight, adds))
    return sorted(
        shares, key=lambda share: -1.0 if share.adds is None else share.adds, reverse=True
    )
