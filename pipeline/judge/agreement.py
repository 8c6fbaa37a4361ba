"""How far two sets of verdicts agree, with intervals.

A verdict on a pair is 1 (the first is better), -1 (the second) or 0 (a tie). Intervals are
percentile bootstraps over whole clusters, such as all pairs of one prompt, since these are not
independent of each other. Clusters that all say the same would give an interval of no width, as if
nobody could ever say otherwise: there it holds what the share of others can be.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Votes = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

ROUNDS = 1000
LEVEL = 0.95
# What n clusters span holds the middle of all with a probability of 1 - 2^(1 - n), and no bootstrap of
# them says more: 0.94 for five.
FEWEST = 6


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval, from `n` cases; null where nothing can be said."""

    value: float | None
    low: float | None
    high: float | None
    n: int

    def to_json(self) -> dict[str, float | int | None]:
        """Return the estimate as an object, rounded to four digits."""
        numbers = {"value": self.value, "low": self.low, "high": self.high}
        return {
            **{name: None if x is None else round(x, 4) for name, x in numbers.items()},
            "n": self.n,
        }

    def __str__(self) -> str:
        if self.value is None:
            return "-"
        if self.low is None or self.high is None:
            return f"{self.value:.3f}"
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def tie_discounted(one: Votes, other: Votes) -> Floats:
    """Score each case as LIMA does (section 4): 1 for the same, 0.5 if just one is a tie, else 0."""
    just_one = (one == 0) ^ (other == 0)
    scored: Floats = with_ties(one, other) + 0.5 * just_one
    return scored


def with_ties(one: Votes, other: Votes) -> Floats:
    """Score each case as MT-Bench does in its first set-up: a tie is a third verdict."""
    same: Floats = np.equal(one, other).astype(np.float64)
    return same


def without_ties(one: Votes, other: Votes) -> Floats:
    """Score as MT-Bench does in its second set-up: a case in which either is a tie is left out."""
    said = (one != 0) & (other != 0)
    return np.where(said, with_ties(one, other), np.nan)


def kappa(one: Votes, other: Votes) -> float | None:
    """Return Cohen's kappa over three verdicts; null where chance explains all."""
    if not len(one):
        return None
    same = float(np.mean(one == other))
    chance = sum(float(np.mean(one == vote) * np.mean(other == vote)) for vote in (-1, 0, 1))
    return None if chance >= 1 else (same - chance) / (1 - chance)


def mean(cases: Floats) -> float | None:
    """Return the mean of the cases that are not left out (NaN)."""
    known = cases[~np.isnan(cases)]
    return float(known.mean()) if len(known) else None


def estimate(
    statistic: Callable[[npt.NDArray[np.int64]], float | None],
    clusters: Sequence[str],
    *,
    seed: int = 0,
    rounds: int = ROUNDS,
) -> Estimate:
    """Estimate a statistic of cases, given by their places, and its interval.

    `clusters` names the cluster of each case. Rounds in which the statistic does not exist are
    left out of the interval. Fewer than FEWEST clusters have none, since they cannot say how others
    differ, and so have clusters that never make a difference.
    """
    everything = np.arange(len(clusters))
    value = statistic(everything)
    if value is None or not len(everything):
        return Estimate(None, None, None, len(everything))
    codes = _codes(clusters)
    if codes.max() + 1 < FEWEST:
        return Estimate(value, None, None, len(everything))
    order = np.argsort(codes, kind="stable")
    members = np.split(order, np.flatnonzero(np.diff(codes[order])) + 1)
    chance = np.random.default_rng([seed, len(everything)])
    values = []
    for _ in range(rounds):
        drawn = chance.integers(len(members), size=len(members))
        again = statistic(np.concatenate([members[place] for place in drawn]))
        if again is not None:
            values.append(again)
    low, high = np.quantile(values or [value], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    if low == high:
        return Estimate(value, None, None, len(everything))
    return Estimate(value, float(low), float(high), len(everything))


def estimate_mean(
    cases: Floats, clusters: Sequence[str], *, seed: int = 0, scale: tuple[float, float] = (0, 1)
) -> Estimate:
    """Estimate the mean of cases on a scale from lowest to highest; those left out (NaN) do not count.

    A case may be a row of several numbers. Where all cases of n clusters say the same, up to 1 - 0.05^(1/n)
    of others may say an end of the scale: the one-sided limit of Clopper and Pearson.
    """
    found = estimate(lambda places: mean(cases[places]), clusters, seed=seed)
    if found.value is None:
        return Estimate(None, None, None, 0)
    table = cases.reshape(len(cases), -1)
    known = ~np.isnan(table)
    codes = _codes(clusters)
    counts = np.bincount(codes, known.sum(axis=1))
    low, high, size = found.low, found.high, int((counts > 0).sum())
    if size > 1 and np.ptp(table[known]) == 0:
        others = 1 - (1 - LEVEL) ** (1 / size)
        low, high = (found.value + others * (end - found.value) for end in scale)
    elif size < FEWEST:
        low = high = None
    return Estimate(found.value, low, high, int(known.any(axis=1).sum()))


def _codes(clusters: Sequence[str]) -> npt.NDArray[np.int64]:
    """Number the clusters."""
    _, codes = np.unique(np.asarray(clusters, dtype=object).astype(str), return_inverse=True)
    return codes.astype(np.int64)
