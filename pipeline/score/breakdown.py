"""Take a score apart again: what each part measured, what became of it, and what it adds.

Input: a row's `quality_parts`, and its line of the score stage's table `all-parts.parquet`. Output: a
list of parts whose contributions add up to `quality`. A part without evidence adds nothing, and the
weights of the others share its place.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

TABLE = "all-parts.parquet"
MEASURED, WEIGHTS = "measured", "weights"


@dataclass(frozen=True)
class Share:
    """One part of a row's score; `measured`, `value` and `adds` are null without evidence.

    `value` is what the part gives in [0, 1], from the rank in the group; `weight` is the recipe's.
    """

    part: str
    measured: float | None
    value: float | None
    weight: float
    adds: float | None


def table(measured: pl.DataFrame, weights: Mapping[str, float]) -> pl.DataFrame:
    """Return what the score stage keeps of all rows: numbers as measured, and the weights."""
    names = [name for name in measured.columns if name not in ("id", "group")]
    counted = [pl.lit(float(weights.get(name, 0.0))).alias(name) for name in names]
    return measured.select(
        "id",
        pl.struct(pl.col(name).cast(pl.Float64) for name in names).alias(MEASURED),
        pl.struct(counted).alias(WEIGHTS),
    )


def breakdown(line: Mapping[str, Any], quality_parts: Mapping[str, float | None]) -> list[Share]:
    """Return the parts of a row, those that add most first; `line` is the row's of the table."""
    weights = line[WEIGHTS]
    total = sum(weights[name] for name, value in quality_parts.items() if value is not None)
    shares = []
    for name, value in quality_parts.items():
        weight = weights[name]
        adds = None if value is None or not total else weight * value / total
        shares.append(Share(name, line[MEASURED][name], value, weight, adds))
    return sorted(
        shares, key=lambda share: -1.0 if share.adds is None else share.adds, reverse=True
    )
