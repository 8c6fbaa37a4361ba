import math

import numpy as np
import pytest

from pipeline.lm import formulas

LOGP = np.log(np.array([0.5, 0.25, 0.125, 0.5, 0.0625], np.float32))


def test_loss_and_perplexity_by_hand():
    # -(ln 1/2 + ln 1/4 + ln 1/8 + ln 1/2 + ln 1/16) / 5 = 11/5 ln 2
    assert formulas.loss(LOGP) == pytest.approx(2.2 * math.log(2))
    assert formulas.perplexity(formulas.loss(LOGP)) == pytest.approx(2**2.2)
    assert formulas.perplexity(1e6) == math.inf


def test_the_two_ifds_differ_and_agree_at_one():
    # Cherry's worked example, appendix F: 0.696 / 0.761 = 0.915
    assert formulas.ifd(0.696, 0.761) == pytest.approx(0.915, abs=5e-4)
    assert formulas.ifd_perplexity(0.696, 0.761) == pytest.approx(math.exp(0.696) / math.exp(0.761))
    assert formulas.ifd(0.7, 0.7) == formulas.ifd_perplexity(0.7, 0.7) == 1
    assert formulas.ifd(0.5, 0.0) is None  # a model that is certain leaves nothing to divide by


@pytest.mark.parametrize(("tokens", "lowest"), [(1, 1), (4, 1), (5, 1), (9, 1), (10, 2), (100, 20)])
def test_min_k_takes_a_fifth_and_at_least_one(tokens: int, lowest: int):
    logp = -np.arange(tokens, dtype=np.float32)
    expected = -np.mean(np.arange(tokens - lowest, tokens))
    assert formulas.min_k(np.random.default_rng(0).permutation(logp)) == pytest.approx(expected)


def test_min_k_by_hand():
    assert formulas.min_k(LOGP) == pytest.approx(math.log(1 / 16))


def test_curvature_by_hand():
    # A fair coin and a die: the mean of log p is -ln 2 and -ln 6, both without variance.
    certain = np.zeros(2, np.float32)
    logp = np.log(np.array([1 / 2, 1 / 6], np.float32))
    assert formulas.curvature(logp, logp, certain) is None
    # A coin that shows heads in 3 of 4: mean and variance of log p in closed form.
    heads, tails = math.log(0.75), math.log(0.25)
    mean = 0.75 * heads + 0.25 * tails
    variance = 0.75 * (heads - mean) ** 2 + 0.25 * (tails - mean) ** 2
    two = [np.array([value] * 2, np.float32) for value in (heads, mean, variance)]
    expected = 2 * (heads - mean) / math.sqrt(2 * variance)
    assert formulas.curvature(*two) == pytest.approx(expected, rel=1e-5)
