from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.judge.asking import Asker
from pipeline.judge.pairwise import Pair, combine, judge_pairs, position_bias
from pipeline.judge.prompts import FIRST, SECOND, TIE, Asking
from pipeline.judge.verdict import Verdict

LABELS = st.sampled_from([FIRST, SECOND, TIE])
OTHER_WAY = {FIRST: SECOND, SECOND: FIRST, TIE: TIE}


@given(LABELS, LABELS)
def test_a_win_needs_both_orders_and_swapping_a_pair_turns_it_round(
    here: str, swapped: str
) -> None:
    outcome = combine(Verdict(here), Verdict(swapped))
    assert (outcome.vote == 1) == (here == FIRST and swapped == SECOND)
    assert (outcome.vote == -1) == (here == SECOND and swapped == FIRST)
    turned = combine(Verdict(swapped), Verdict(here))
    assert turned.vote == -outcome.vote
    assert turned.leaning == outcome.leaning
    assert (outcome.leaning == "consistent") == (swapped == OTHER_WAY[here])


@given(LABELS, st.booleans())
def test_one_failure_is_a_failure_of_the_pair(label: str, first: bool) -> None:
    failed = Verdict(reason="no_verdict")
    pair = (failed, Verdict(label)) if first else (Verdict(label), failed)
    outcome = combine(*pair)
    assert (outcome.vote, outcome.leaning, outcome.reason) == (None, None, "no_verdict")


def test_the_preference_is_the_mean_of_both_orders() -> None:
    outcome = combine(Verdict(FIRST, 0.9), Verdict(SECOND, 0.3))
    assert outcome.preference == pytest.approx(0.8)


PAIRS = [Pair(str(n), f"Q{n}", "good answer", "bad answer") for n in range(4)]


@pytest.mark.parametrize(
    ("judge", "votes", "leaning"),
    [
        (lambda text: "Verdict: A", [0] * 4, "first"),
        (lambda text: "Verdict: B", [0] * 4, "second"),
        (
            lambda text: f"Verdict: {'A' if text.index('good') < text.index('bad') else 'B'}",
            [1] * 4,
            "consistent",
        ),
    ],
)
def test_a_judge_with_a_favourite_place_gives_ties(
    judge, votes, leaning, serve, tmp_path: Path
) -> None:
    served = serve(lambda messages: judge(messages[1]["content"]))
    with Asker(served.settings(), tmp_path) as asker:
        outcomes = judge_pairs(PAIRS, asker, Asking())
    assert [outcome.vote for outcome in outcomes] == votes
    assert position_bias(outcomes)[leaning] == 1
    assert served.calls == 8
