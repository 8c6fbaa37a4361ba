"""What length has to do with a judge's verdicts, and what is left without it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.judge.agreement import Estimate, estimate

FEWEST = 3  # cases from which anything is regressed

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class LengthEffect:
    """How marks move with length: `slope` is marks for a doubling of the characters."""

    slope: Estimate
    correlation: Estimate  # Spearman's

    def to_json(self) -> dict[str, Any]:
        """Return the numbers as an object."""
        return {"slope": self.slope.to_json(), "correlation": self.correlation.to_json()}


def regress(marks: Sequence[float], chars: Sequence[int], seed: int = 0) -> LengthEffect:
    """Regress marks on the logarithm of length (ordinary least squares), with intervals."""
    y = np.asarray(marks, np.float64)
    x = np.log2(np.maximum(np.asarray(chars, np.float64), 1))
    rows = [str(number) for number in range(len(y))]

    def slope(places: npt.NDArray[np.int64]) -> float | None:
        spread = float(np.var(x[places]))
        if len(places) < FEWEST or spread == 0:
            return None
        moved = (x[places] - x[places].mean()) * (y[places] - y[places].mean())
        return float(moved.mean()) / spread

    def spearman(places: npt.NDArray[np.int64]) -> float | None:
        from scipy.stats import rankdata

        if len(places) < FEWEST:
            return None
        one, other = rankdata(x[places]), rankdata(y[places])
        if not one.std() or not other.std():
            return None
        return float(np.corrcoef(one, other)[0, 1])

    return LengthEffect(estimate(slope, rows, seed=seed), estimate(spearman, rows, seed=seed))


def controlled_win_rate(
    outcomes: Floats, differences: Floats, clusters: Sequence[str], seed: int = 0
) -> Estimate:
    """Estimate the win rate that would be left if both responses were of one length.

    In the manner of AlpacaEval 2 (arXiv 2404.04475): a logistic regression of the outcome (1, 0.5,
    0) on tanh of the standardised difference in length; the answer is its value at no difference.
    Theirs has a term for how hard each instruction is, which needs many models; this has none. Null where
    the pairs say nothing about equal length: one side is longer in all of them, or length tells the
    winner without fail.
    """
    if _beyond(outcomes, differences):
        return Estimate(None, None, None, len(outcomes))
    scale = (float(np.std(differences)) if len(differences) else 0.0) or 1.0
    x = np.tanh(differences / scale)

    def at_no_difference(places: npt.NDArray[np.int64]) -> float | None:
        return 1 / (1 + float(np.exp(-_fit(outcomes[places], x[places])[0])))

    return estimate(at_no_difference, clusters, seed=seed, rounds=300)


def _beyond(outcomes: Floats, differences: Floats) -> bool:
    """Whether a value at no difference would be the regression's own guess."""
    if len(outcomes) < FEWEST or differences.min() > 0 or differences.max() < 0:
        return True
    ahead, behind = differences[outcomes > 0], differences[outcomes < 1]  # ties are both
    if not len(ahead) or not len(behind) or (differences == 0).any():
        return False
    return bool(ahead.min() >= behind.max() or ahead.max() <= behind.min())


def _fit(y: Floats, x: Floats) -> tuple[float, float]:
    """Fit intercept and slope by Newton's method.

    A small ridge keeps them finite where one side wins every case, or length tells the winner of those
    that were drawn.
    """
    ridge = len(y) * np.diag([1e-5, 1e-3])
    design = np.column_stack([np.ones_like(x), x])
    weights = np.zeros(2)
    for _ in range(60):
        p = 1 / (1 + np.exp(-np.clip(design @ weights, -30, 30)))
        gradient = design.T @ (y - p) - ridge @ weights
        hessian = (design * (p * (1 - p))[:, None]).T @ design + ridge
        step = np.linalg.solve(hessian, gradient)
        weights = weights + np.clip(step, -2, 2)
        if float(np.abs(step).max()) < 1e-9:
            break
    return float(weights[0]), float(weights[1])
