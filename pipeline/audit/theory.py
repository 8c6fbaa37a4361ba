"""Model collapse in closed form, as a check of the instrument: Gaussians that learn from themselves.

Each generation fits mean and standard deviation to M samples of the one before, without bias, and
the next samples come from the fit (Shumailov et al., arXiv 2305.17493, section 3 and theorem 3.1).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
_NEIGHBOUR = 5  # as in pipeline.audit.collapse


def unbiasing(size: int) -> float:
    """Return c4: the mean sample standard deviation of `size` draws of a standard normal."""
    if size < 2:
        raise ValueError("a standard deviation needs two samples")
    logs = math.lgamma(size / 2) - math.lgamma((size - 1) / 2)
    return math.sqrt(2 / (size - 1)) * math.exp(logs)


def expected(sigma: float, sizes: Sequence[int]) -> float:
    """Return the exact expected squared W2 distance to the first Gaussian after all `sizes`.

    sigma^2 sum 1/M_i for the mean, 2 sigma^2 (1 - prod c4(M_i)) for the deviation, whose square
    stays unbiased while it shrinks itself by c4 each time.
    """
    return sigma**2 * (
        sum(1 / size for size in sizes) + 2 * (1 - math.prod(unbiasing(size) for size in sizes))
    )


def rule(sigma: float, sizes: Sequence[int]) -> float:
    """Return the paper's first order: three halves of sigma^2 sum 1/M_i."""
    return 1.5 * sigma**2 * sum(1 / size for size in sizes)


def simulate(sigma: float, sizes: Sequence[int], runs: int, seed: int) -> Floats:
    """Run the recursion many times; returns the mean squared W2 after each generation."""
    random = np.random.default_rng(seed)
    mean, deviation = np.zeros(runs), np.full(runs, sigma)
    distances = []
    for size in sizes:
        # Sums over the samples, drawn from their own laws: normal and chi-square.
        mean = mean + deviation * random.standard_normal(runs) / math.sqrt(size)
        deviation = deviation * np.sqrt(random.chisquare(size - 1, runs) / (size - 1))
        distances.append(float(np.mean(mean**2 + (deviation - sigma) ** 2)))
    return np.array(distances)


def growing(first: int, generations: int, power: float) -> list[int]:
    """Return sample sizes first * i^power: above 1 the sum of 1/M_i, and so the risk, is finite."""
    return [math.ceil(first * number**power) for number in range(1, generations + 1)]


@dataclass(frozen=True)
class Mixture:
    """A run of a mixture that learns from itself: samples, and what is left of the first tail."""

    generations: list[int]
    samples: list[Floats]  # (n, 2) of each generation
    tail: list[float]  # share of the first generation's rarest tenth that is covered
    spread: list[float]  # trace of the covariance


def mixture(size: int, generations: int, seed: int, shown: Sequence[int]) -> Mixture:
    """Refit a mixture of two Gaussians to `size` of its own samples, generation after generation."""
    from sklearn.mixture import GaussianMixture
    from threadpoolctl import threadpool_limits

    random = np.random.default_rng(seed)
    centres = np.array([[-1.5, 0.0], [1.5, 0.0]])
    deviations = np.array([[0.5, 1.0], [0.9, 0.35]])
    which = random.integers(0, 2, size)
    samples = centres[which] + random.standard_normal((size, 2)) * deviations[which]
    first = samples
    radius = np.sort(_distances(first, first), axis=1)[:, _NEIGHBOUR]
    rare = radius >= np.quantile(radius, 0.9)
    kept, tails, spreads, numbers = [], [], [], []
    for number in range(generations + 1):
        if number in shown:
            numbers.append(number)
            kept.append(samples)
            near = _distances(first, samples).min(axis=1)
            tails.append(float(np.mean((near <= radius)[rare])))
            spreads.append(float(np.trace(np.cov(samples, rowvar=False))))
        model = GaussianMixture(2, random_state=int(random.integers(2**31)), means_init=centres)
        with threadpool_limits(1):  # threads cost more than they bring on so few samples
            model.fit(samples)
        model.random_state = int(random.integers(2**31))
        samples = model.sample(size)[0]
    return Mixture(numbers, kept, tails, spreads)


def _distances(rows: Floats, among: Floats) -> Floats:
    return np.asarray(np.linalg.norm(rows[:, None, :] - among[None], axis=2), np.float64)
