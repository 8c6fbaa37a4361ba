"""A certificate of a selection: how well it covers the pool, beside the controls.

Distances are 1 - cosine between responses. `coverage_radius` is the largest distance of a pool row
to its nearest picked row, `mean_to_picked` the mean of these, `mean_nearest_neighbour` the mean
distance of a picked row to the nearest other picked row (larger is more varied).
"""

import numpy as np
import polars as pl

from pipeline.selection.candidates import nearest
from pipeline.vectors import Matrix, Vectors

DIGITS = 4


def certify(
    pool: pl.DataFrame, vectors: Vectors, picked: list[int]
) -> dict[str, float | int | None]:
    """Measure one set; `pool` has `domain`, `cluster`, `quality` and `chars` for each vector."""
    chosen = pool[picked]
    values: dict[str, float | int | None] = {
        "rows": len(picked),
        "coverage_radius": None,
        "mean_to_picked": None,
        "mean_nearest_neighbour": None,
        "domains": chosen["domain"].n_unique(),
        "clusters": chosen["cluster"].n_unique(),
        "mean_quality": _mean(chosen["quality"]),
        "mean_chars": _mean(chosen["chars"]),
    }
    if picked:
        _, near = nearest(vectors, vectors[picked])
        distance = 1 - near.astype(np.float64)
        values["coverage_radius"] = round(float(distance.max()), DIGITS)
        values["mean_to_picked"] = round(float(distance.mean()), DIGITS)
    if len(picked) > 1:
        values["mean_nearest_neighbour"] = round(float(_to_others(vectors[picked]).mean()), DIGITS)
    return values


def _to_others(vectors: Matrix) -> Matrix:
    """Return the distance of each row to the nearest other row."""
    near = np.full(len(vectors), -1.0, np.float64)
    for start in range(0, len(vectors), 1024):
        products = vectors[start : start + 1024] @ vectors.T
        own = np.arange(len(products))
        products[own, start + own] = -np.inf
        near[start : start + 1024] = np.minimum(products.max(axis=1), 1.0)
    return np.asarray(1 - near, np.float32)


def _mean(values: pl.Series) -> float | None:
    mean = values.cast(pl.Float64).mean()
    return round(mean, DIGITS) if isinstance(mean, float) else None
