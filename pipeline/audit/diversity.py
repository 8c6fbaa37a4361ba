"""How varied a set of vectors is: the Vendi score, nearest neighbours, entropy of topics.

All on vectors of length 1; the kernel is the cosine, so that the Vendi score is exact from the
d by d matrix of second moments, whose eigenvalues are those of the n by n kernel over n.
"""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.vectors import Matrix

Floats = npt.NDArray[np.float64]
_BLOCK = 1024


def vendi(vectors: npt.NDArray[Any]) -> float:
    """Return the Vendi score (arXiv 2210.02410): e to the entropy of the kernel's eigenvalues.

    n orthogonal vectors have n, n copies of one have 1; with the cosine it is at most d.
    """
    if not len(vectors):
        return 0.0
    rows = vectors.astype(np.float64)
    rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    small = rows @ rows.T if len(rows) < rows.shape[1] else rows.T @ rows
    weights = np.linalg.eigvalsh(small / len(rows))
    weights = weights[weights > 1e-12]
    return float(np.exp(-np.sum(weights * np.log(weights))))


def nearest(vectors: Matrix) -> tuple[npt.NDArray[np.int64], Floats]:
    """Return the nearest other row of each row, and the cosine."""
    places = np.zeros(len(vectors), np.int64)
    cosines = np.full(len(vectors), np.nan)
    if len(vectors) < 2:
        return places, cosines
    for start in range(0, len(vectors), _BLOCK):
        block = vectors[start : start + _BLOCK] @ vectors.T
        block[np.arange(len(block)), np.arange(start, start + len(block))] = -2
        places[start : start + len(block)] = block.argmax(axis=1)
        cosines[start : start + len(block)] = block.max(axis=1)
    return places, np.minimum(cosines, 1.0)


def to_nearest(rows: Matrix, among: Matrix) -> tuple[npt.NDArray[np.int64], Floats]:
    """Return for each row the nearest row of another set, and the cosine."""
    places, cosines = np.zeros(len(rows), np.int64), np.zeros(len(rows))
    for start in range(0, len(rows), _BLOCK):
        block = rows[start : start + _BLOCK] @ among.T
        places[start : start + len(block)] = block.argmax(axis=1)
        cosines[start : start + len(block)] = block.max(axis=1)
    return places, np.minimum(cosines, 1.0)


def entropy(counts: Iterable[int]) -> float:
    """Return the entropy of shares in nats; e to it is the number of equal parts it is worth."""
    values = [count for count in counts if count > 0]
    total = sum(values)
    return -sum(n / total * math.log(n / total) for n in values) if total else 0.0


def spread(values: Iterable[float]) -> dict[str, float | None]:
    """Sum numbers up: mean, and the points below which 5, 25, 50, 75 and 95 of 100 lie."""
    array = np.asarray([value for value in values if value is not None], np.float64)
    array = array[np.isfinite(array)]
    names = ("p5", "p25", "median", "p75", "p95")
    if not len(array):
        return dict.fromkeys(("mean", *names))
    points = np.quantile(array, [0.05, 0.25, 0.5, 0.75, 0.95])
    found = {"mean": float(array.mean()), **dict(zip(names, map(float, points), strict=True))}
    return {name: round(value, 4) for name, value in found.items()}
