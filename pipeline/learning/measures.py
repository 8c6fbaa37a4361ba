"""How good a score is: rank correlation and AUC, with intervals that respect groups of rows.

Rows of one site share topic, raters and habits, so an interval is made by drawing whole groups
(cluster bootstrap); single rows would make it look narrower than it is.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Measure = Callable[[Floats, Floats], float]

_DRAWS = 1000
_BINS = 10


@dataclass(frozen=True)
class Figure:
    """A figure with its 95 % interval; one that comes from a single group has none."""

    value: float
    low: float | None
    high: float | None

    def __str__(self) -> str:
        """Write it as in a table: 0.25 [0.20, 0.30]."""
        if self.low is None or self.high is None:
            return f"{self.value:.2f} (one group)"
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"


def rank_correlation(scores: Floats, labels: Floats) -> float:
    """Spearman's rho; nan where one of the two has no variance."""
    one, other = _ranks(scores), _ranks(labels)
    one, other = one - one.mean(), other - other.mean()
    size = float(np.sqrt((one @ one) * (other @ other)))
    return float(one @ other) / size if size > 0 else float("nan")


def auc(scores: Floats, labels: Floats) -> float:
    """The chance that a row with label 1 scores above one with label 0; ties count half."""
    good = labels > 0.5
    if good.all() or not good.any():
        return float("nan")
    count = int(good.sum())
    below = _ranks(scores)[good].sum() - count * (count + 1) / 2
    return float(below / (count * (len(labels) - count)))


def within(
    measure: Measure, scores: Floats, labels: Floats, groups: npt.NDArray[np.int64]
) -> float:
    """The measure inside each group, averaged by its rows; groups without variance are left out."""
    found, weights = [], []
    for group in np.unique(groups):
        rows = groups == group
        value = measure(scores[rows], labels[rows])
        if np.isfinite(value):
            found.append(value)
            weights.append(int(rows.sum()))
    return float(np.average(found, weights=weights)) if found else float("nan")


def interval(
    measure: Measure,
    scores: Floats,
    labels: Floats,
    groups: npt.NDArray[np.int64],
    *,
    inside: bool = False,
    seed: int = 0,
) -> Figure:
    """Return the measure with a cluster-bootstrap interval; `inside` averages it over the groups."""
    rng = np.random.default_rng(seed)
    rows_of = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    draws = []
    if inside:  # of each group once, then groups are drawn
        each = np.array([measure(scores[rows], labels[rows]) for rows in rows_of])
        sizes = np.array([len(rows) for rows in rows_of], np.float64)
        each, sizes = each[np.isfinite(each)], sizes[np.isfinite(each)]
        if len(each) < 2:
            return Figure(float(each[0]) if len(each) else float("nan"), None, None)
        for _ in range(_DRAWS):
            drawn = rng.integers(0, len(each), len(each))
            draws.append(float(np.average(each[drawn], weights=sizes[drawn])))
        value = within(measure, scores, labels, groups)
    else:
        for _ in range(_DRAWS):
            drawn = rng.integers(0, len(rows_of), len(rows_of))
            rows = np.concatenate([rows_of[place] for place in drawn])
            draws.append(measure(scores[rows], labels[rows]))
        value = measure(scores, labels)
    low, high = np.nanquantile(draws, [0.025, 0.975])
    return Figure(value, float(low), float(high))


def reliability(scores: Floats, labels: Floats) -> list[tuple[float, float, int]]:
    """Return (mean score, mean label, rows) of tenths of the rows in the order of their scores."""
    order = np.argsort(scores, kind="stable")
    parts = np.array_split(order, _BINS)
    return [
        (float(scores[part].mean()), float(labels[part].mean()), len(part))
        for part in parts
        if len(part)
    ]


def calibration_error(scores: Floats, labels: Floats) -> float:
    """Expected calibration error over tenths of equal size, on the scale of the labels."""
    table = reliability(scores, labels)
    return sum(abs(score - label) * rows for score, label, rows in table) / len(scores)


def _ranks(values: Floats) -> Floats:
    from scipy.stats import rankdata

    return np.asarray(rankdata(values), np.float64)
