"""From log-probabilities of tokens to the numbers that papers define.

Losses are means in nats per token. Ratios have names of their own: Cherry (arXiv 2308.12032,
eq. 5) divides mean losses, the code of Superfiltering (arXiv 2402.00530) divides perplexities;
their thresholds and ranks are not interchangeable.
"""

import math

import numpy as np
import numpy.typing as npt

Logs = npt.NDArray[np.float32]

K = 0.2  # of Min-K% Prob: the paper's choice on its validation data (arXiv 2310.16789)


def loss(logp: Logs) -> float:
    """Return the mean negative log-probability of a token."""
    return -float(np.mean(logp, dtype=np.float64))


def perplexity(mean_loss: float) -> float:
    """Return e to the loss; infinite only where a float cannot hold it."""
    return math.exp(mean_loss) if mean_loss < 700 else math.inf


def ifd(given: float, alone: float) -> float | None:
    """Instruction-following difficulty as in Cherry: loss given the prompt by loss without it."""
    return given / alone if alone > 0 else None


def ifd_perplexity(given: float, alone: float) -> float:
    """Instruction-following difficulty as in Superfiltering's code: the ratio of perplexities."""
    return perplexity(given - alone)


def min_k(logp: Logs, k: float = K) -> float:
    """Min-K% Prob: the mean log-probability of the least likely share of tokens, at least one."""
    count = max(1, int(len(logp) * k))
    return float(np.mean(np.partition(logp, count - 1)[:count], dtype=np.float64))


def curvature(logp: Logs, mean: Logs, variance: Logs) -> float | None:
    """Fast-DetectGPT's analytic curvature (arXiv 2310.05130, eq. 6 with one model for both parts).

    How many standard deviations the text's log-probability lies above that of text which the model
    itself would sample at each position; high means machine-like.
    """
    spread = float(np.sum(variance, dtype=np.float64))
    if spread <= 0:
        return None
    return float(np.sum(logp, dtype=np.float64) - np.sum(mean, dtype=np.float64)) / math.sqrt(
        spread
    )
