"""Gaussians fitted to sets of vectors, and how far two of them lie apart."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Gaussian:
    """A mean and a covariance. `shrinkage` above 0: the covariance was pulled to a ball."""

    mean: Floats
    covariance: Floats
    shrinkage: float = 0.0


def fit(vectors: npt.NDArray[Any]) -> Gaussian:
    """Fit mean and unbiased covariance; with fewer rows than 2 d, Ledoit and Wolf's shrinkage.

    Fewer rows than dimensions make the covariance singular, and distances between two such depend
    on which directions happened to be seen (J. Multivariate Analysis 88, 2004, p. 365).
    """
    rows = vectors.astype(np.float64)
    mean = rows.mean(axis=0)
    if len(rows) >= 2 * rows.shape[1]:
        return Gaussian(mean, np.atleast_2d(np.cov(rows, rowvar=False)))
    from sklearn.covariance import ledoit_wolf

    covariance, shrinkage = ledoit_wolf(rows)
    return Gaussian(mean, covariance, float(shrinkage))


def wasserstein(one: Gaussian, other: Gaussian) -> float:
    """Return the 2-Wasserstein distance of two Gaussians (not squared).

    |m - n|^2 + tr(C + D - 2 (C^1/2 D C^1/2)^1/2). Roots are taken by eigenvalues of symmetric
    matrices, with what rounding makes negative taken as 0; there is no matrix root to go complex.
    """
    root = _root(one.covariance)
    middle = root @ other.covariance @ root
    cross = np.sqrt(np.clip(np.linalg.eigvalsh((middle + middle.T) / 2), 0, None)).sum()
    spread = float(np.trace(one.covariance) + np.trace(other.covariance) - 2 * cross)
    moved = float(np.sum((one.mean - other.mean) ** 2))
    return float(np.sqrt(max(0.0, moved + spread)))


def _root(matrix: Floats) -> Floats:
    values, axes = np.linalg.eigh((matrix + matrix.T) / 2)
    root: Floats = (axes * np.sqrt(np.clip(values, 0, None))) @ axes.T
    return root
