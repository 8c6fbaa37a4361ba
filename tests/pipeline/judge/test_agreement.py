import numpy as np
import pytest

from pipeline.judge.agreement import (
    estimate_mean,
    kappa,
    mean,
    tie_discounted,
    with_ties,
    without_ties,
)
from pipeline.judge.benchmark import draw, measure
from pipeline.judge.families import family_of, self_preference
from pipeline.judge.length import controlled_win_rate, regress
from pipeline.judge.pairwise import Pair

ONE = np.array([1, 1, 0, -1, 0, 1])
OTHER = np.array([1, 0, 0, 1, -1, 1])


def test_agreement_by_hand() -> None:
    assert tie_discounted(ONE, OTHER).tolist() == [1, 0.5, 1, 0, 0.5, 1]
    assert mean(tie_discounted(ONE, OTHER)) == pytest.approx(4 / 6)
    assert mean(with_ties(ONE, OTHER)) == pytest.approx(3 / 6)
    assert mean(without_ties(ONE, OTHER)) == pytest.approx(2 / 3)  # two same, one opposite
    assert mean(without_ties(np.array([0]), np.array([1]))) is None


def test_kappa_by_hand() -> None:
    # Same in 3 of 6. Chance: ones 3/6 * 3/6, ties 2/6 * 2/6, minus ones 1/6 * 1/6 = 14/36.
    assert kappa(ONE, OTHER) == pytest.approx((3 / 6 - 14 / 36) / (1 - 14 / 36))
    assert kappa(ONE, ONE) == pytest.approx(1)
    assert kappa(np.ones(3), np.ones(3)) is None  # chance explains all


def test_kappa_is_that_of_scikit_learn() -> None:
    from sklearn.metrics import cohen_kappa_score

    chance = np.random.default_rng(1)
    one, other = chance.integers(-1, 2, (2, 200))
    assert kappa(one, other) == pytest.approx(cohen_kappa_score(one, other))


def test_intervals_hold_the_value_and_shrink_with_independent_cases() -> None:
    cases = np.tile([0.0, 1.0], 200)
    alone = estimate_mean(cases, [str(n) for n in range(400)])
    together = estimate_mean(np.sort(cases), [str(n // 40) for n in range(400)])
    assert alone.value == together.value == 0.5
    assert alone.low < 0.5 < alone.high
    assert together.high - together.low > 3 * (alone.high - alone.low)
    assert estimate_mean(cases, [str(n) for n in range(400)]) == alone  # the same each time


def test_one_cluster_alone_has_no_interval() -> None:
    one = estimate_mean(np.array([0.0, 1.0, 1.0, np.nan]), ["bait"] * 4)
    assert (one.low, one.high, one.n) == (None, None, 3)
    assert str(one) == "0.667"


def test_a_few_clusters_that_differ_have_no_interval() -> None:
    cases = np.arange(60) / 60
    for count, known in ((5, False), (6, True)):
        found = estimate_mean(cases, [str(n * count // 60) for n in range(60)])
        assert (found.low is not None) == known
    lost = np.where(np.arange(60) < 10, np.nan, cases)  # a cluster without a verdict is none
    assert estimate_mean(lost, [str(n // 10) for n in range(60)]).low is None


@pytest.mark.parametrize("said", [0.0, 0.5, 1.0])
def test_clusters_that_all_say_the_same_leave_room_for_others(said: float) -> None:
    cases = np.full(27 * 12, said)
    cases[::27] = np.nan  # a case without a verdict is no agreement
    found = estimate_mean(cases, [str(n // 27) for n in range(len(cases))])
    others = 1 - 0.05 ** (1 / 12)  # the exact limit of Clopper and Pearson, one-sided
    assert found.value == said
    assert found.n == 26 * 12
    assert (found.low, found.high) == pytest.approx(
        (said - others * said, said + others * (1 - said))
    )
    marks = estimate_mean(np.full(12, 6.0), [str(n) for n in range(12)], scale=(1, 6))
    assert (marks.low, marks.high) == pytest.approx((6 - others * 5, 6))
    only = np.append(np.full(5, np.nan), said)
    assert estimate_mean(only, [str(n) for n in range(6)]).low is None  # one cluster that counts


def test_length_regression_finds_a_known_slope() -> None:
    chars = [2**n for n in range(4, 12)]
    effect = regress([0.5 * n for n in range(8)], chars)
    assert effect.slope.value == pytest.approx(0.5)
    assert effect.correlation.value == pytest.approx(1)
    assert regress([1, 2, 3], [10, 10, 10]).slope.value is None


def test_equal_lengths_leave_the_win_rate_as_it_is() -> None:
    outcomes = np.array([1.0] * 7 + [0.5] * 2 + [0.0] * 1)
    found = controlled_win_rate(outcomes, np.zeros(10), [str(n) for n in range(10)])
    assert found.value == pytest.approx(0.8, abs=1e-3)


def test_wins_by_length_alone_are_controlled_away() -> None:
    chance = np.random.default_rng(3)
    differences = chance.normal(300, 400, 600)
    longer = (differences + chance.normal(0, 300, 600) > 0).astype(float)
    found = controlled_win_rate(longer, differences, [str(n) for n in range(600)])
    assert longer.mean() > 0.7
    assert abs(found.value - 0.5) < 0.06


def test_wins_for_each_case_stay_finite() -> None:
    for differences in (np.arange(5.0), np.array([-9.0, -2.0, 3.0, 30.0, 4.0])):
        found = controlled_win_rate(np.ones(5), differences, list("abcde"))
        assert 0.9 < found.value <= 1


@pytest.mark.parametrize(
    ("outcomes", "differences"),
    [
        ([1.0, 0.0, 1.0, 0.0], [5.0, 9.0, 30.0, 80.0]),  # nothing near equal length
        ([0.0, 0.0, 1.0, 1.0], [-9.0, -2.0, 3.0, 30.0]),  # the longer one wins, always
        ([1.0, 0.5, 0.0, 0.0], [-9.0, -2.0, 3.0, 30.0]),  # the shorter one, and a tie between
    ],
)
def test_pairs_that_say_nothing_about_equal_length_have_no_value(outcomes, differences) -> None:
    clusters = list("abcd")
    found = controlled_win_rate(np.array(outcomes), np.array(differences), clusters)
    assert (found.value, found.low, found.n) == (None, None, 4)
    differences[1], differences[2] = 4.0, -4.0  # one pair each that says otherwise
    assert (
        controlled_win_rate(np.array(outcomes), np.array(differences), clusters).value is not None
    )


def test_people_controls_and_a_fixed_draw() -> None:
    pairs = [
        Pair(
            str(n), f"Q{n}", "long text" if n % 2 else "x", "mid" if n % 2 else "longer", (1, 1, -1)
        )
        for n in range(40)
    ]
    found = measure("set", pairs, None)
    assert [line.who for line in found.lines] == [
        "people, each with another",
        "longer is better",
        "random",
    ]
    people, longer, _ = found.lines
    assert people.agreement["tie_discounted"].value == pytest.approx(1 / 3)
    # First longer in half of the pairs: agrees with 2 of 3 there, with 1 of 3 elsewhere.
    assert longer.agreement["with_ties"].value == pytest.approx(0.5)
    assert found.longer_wins == 0.5
    assert draw(pairs, 5, "set") == draw(pairs, 5, "set") != draw(pairs, 5, "other")
    assert len(draw(pairs, 99, "set")) == 40


def test_families_and_the_warning() -> None:
    assert family_of("gpt-4o-mini") == family_of("text-davinci-003") == "OpenAI"
    assert family_of("meta-llama/Llama-3.1-8B") == family_of("vicuna-13b") == "Llama"
    assert family_of("cerebras-gpt-6.7B") == "Cerebras-GPT"
    assert family_of("palmyra-x") == "palmyra-x"  # no PaLM
    assert family_of("text_palm2-bison") == family_of("codegemma-7b") == "Google"
    assert family_of("TinyLlama_v1.1") == family_of("llama2-70b-chat") == "Llama"
    assert family_of("phi-3-mini") == "Phi"
    assert family_of("gpt2-xl") == family_of("gpt-neox-20b") == "GPT-2, GPT-J, Pythia"
    assert family_of("o3-mini") == "OpenAI" != family_of("o365")
    assert family_of("human") is family_of(None) is None
    (warning,) = self_preference("qwen3-32b", ["Qwen2.5-7B", "human", None])
    assert "one family (Qwen) for 1 of 3" in warning
    assert self_preference("qwen3-32b", ["human", "gpt-4"]) == []
    assert "do not name" in self_preference("qwen3-32b", ["model"])[0]
