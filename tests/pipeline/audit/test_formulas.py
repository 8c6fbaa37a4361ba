"""The numbers of an audit against closed forms."""

import numpy as np
import pytest

from pipeline.audit import theory
from pipeline.audit.diversity import entropy, nearest, vendi
from pipeline.audit.familiarity import auc, first_words
from pipeline.audit.gaussian import Gaussian, fit, wasserstein
from pipeline.audit.target import nearest_bleu


def test_vendi_counts_unlike_rows():
    assert vendi(np.eye(7, 12)) == pytest.approx(7)
    assert vendi(np.ones((9, 4))) == pytest.approx(1)
    assert vendi(np.repeat(np.eye(3), 5, axis=0)) == pytest.approx(3)
    more_rows_than_numbers = np.repeat(np.eye(3), [1, 1, 2], axis=0)
    assert vendi(more_rows_than_numbers) == pytest.approx(np.exp(1.5 * np.log(2)))


def test_entropy_is_that_of_equal_parts():
    assert np.exp(entropy([5, 5, 5, 5, 0])) == pytest.approx(4)
    assert entropy([]) == 0


def test_the_nearest_other_row_is_found():
    vectors = np.array([[1, 0], [0.8, 0.6], [0, 1]], np.float32)
    places, cosine = nearest(vectors)
    assert places.tolist() == [1, 0, 1]
    assert cosine == pytest.approx([0.8, 0.8, 0.6])


def test_wasserstein_of_known_gaussians():
    here = Gaussian(np.zeros(2), np.diag([4.0, 1.0]))
    moved = Gaussian(np.array([3.0, 4.0]), np.diag([4.0, 1.0]))
    wider = Gaussian(np.zeros(2), np.diag([9.0, 4.0]))
    assert wasserstein(here, here) == pytest.approx(0, abs=1e-6)
    assert wasserstein(here, moved) == pytest.approx(5)
    assert wasserstein(here, wider) == pytest.approx(np.sqrt(2))  # (3-2)^2 + (2-1)^2
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])
    turned = Gaussian(np.zeros(2), turn @ wider.covariance @ turn.T)
    both = Gaussian(np.zeros(2), turn @ here.covariance @ turn.T)
    assert wasserstein(both, turned) == pytest.approx(np.sqrt(2))
    # One in a plane, one flat: the root of a singular covariance stays real.
    flat = Gaussian(np.zeros(2), np.diag([4.0, 0.0]))
    assert wasserstein(here, flat) == pytest.approx(1)


def test_few_rows_are_shrunk_and_many_are_not():
    random = np.random.default_rng(0)
    assert fit(random.standard_normal((10, 20))).shrinkage > 0.3
    many = random.standard_normal((4000, 3))
    assert fit(many).shrinkage == 0
    assert fit(many).covariance == pytest.approx(np.eye(3), abs=0.1)


def test_the_recursion_has_the_exact_distance():
    sizes = [100] * 5
    assert theory.expected(1, sizes) == pytest.approx(0.0751, abs=5e-5)
    assert theory.rule(1, sizes) == pytest.approx(0.075)
    simulated = theory.simulate(1, sizes, 40_000, seed=1)[-1]
    assert simulated == pytest.approx(theory.expected(1, sizes), rel=0.03)
    assert theory.expected(2, sizes) == pytest.approx(4 * theory.expected(1, sizes))
    assert theory.unbiasing(2) == pytest.approx(np.sqrt(2 / np.pi))


def test_only_growing_samples_keep_the_distance_finite():
    near, far = (theory.expected(1, theory.growing(100, n, 1.5)) for n in (200, 400))
    assert far - near < 0.002
    assert theory.expected(1, [100] * 400) - theory.expected(1, [100] * 200) > 1


def test_a_mixture_that_learns_from_itself_loses_its_tail():
    run = theory.mixture(60, 40, seed=0, shown=[0, 40])
    assert run.tail[0] == 1
    assert run.spread[1] < run.spread[0]
    assert run.tail[1] < 0.6


def test_auc_and_its_interval():
    apart = auc(np.array([3.0, 4.0, 5.0]), np.array([0.0, 1.0, 2.0]))
    assert (apart.value, apart.low, apart.high) == (1, 1, 1)
    assert auc(np.array([1.0, 1.0]), np.array([1.0, 1.0])).value == 0.5
    random = np.random.default_rng(0)
    inside = 0
    for _ in range(200):
        found = auc(random.standard_normal(60) + 1, random.standard_normal(60))
        inside += found.low <= 0.7602 <= found.high  # Phi(1 / sqrt 2)
    assert inside >= 180


def test_texts_are_cut_to_one_length():
    assert first_words("a b  c d", 3) == "a b c"
    assert first_words("a b", 3) is None


def test_the_nearest_query_by_words():
    known = ["name three rivers of asia", "how do i bake bread ?"]
    same, other, far = nearest_bleu(
        ["How do I bake bread?", "Name three lakes of Asia", "zzz"], known
    )
    assert same == pytest.approx(1)
    assert 0.2 < other < 0.9
    assert far == 0
    assert nearest_bleu(["a"], []).tolist() == [0]
