import math
import time

import pytest

from pipeline.judge.prompts import FIRST, NO, SECOND, TIE, YES
from pipeline.judge.verdict import FAILURES, read

MARKS = ("1", "2", "3", "4", "5", "6")
WORTH = {mark: float(mark) for mark in MARKS}
SIDES = (FIRST, SECOND, TIE)
PREFERS = {FIRST: 1.0, SECOND: 0.0, TIE: 0.5}


@pytest.mark.parametrize(
    ("reply", "label"),
    [
        ("Verdict: 4", "4"),
        ("It is clear and right.\n\n**Verdict:** 5/6", "5"),
        ("verdict is [[3]]", "3"),
        (" 6.", "6"),
        ("Verdict: 4.0", "4"),
        ("Verdict: 2\nVerdict: 2", "2"),
        ("<think>Verdict: 1? No.</think>Verdict: 5", "5"),
        ("He wrote 6 of 6, which is for me to say.\nVerdict: 2", "2"),
        ("My verdict is clear: it is weak.\nVerdict: 2", "2"),
        ("Verdict: 1\nThis verdict is final.", "1"),
        ("Verdict: 5 Out of 6", "5"),
        ("Verdict: **5**/6", "5"),
        ("Verdict: \\boxed{5}/6", "5"),
        ("Verdict: 4.0/6.0", "4"),
        ("Verdict: 5 on a scale of 1 to 6", "5"),
        ("Verdict: 5 of 6, 1 gap", "5"),
        ("Verdict: 4, 2 gaps", "4"),
        ("Verdict: 4, half is missing", "4"),
        ("Verdict: 4 (useful, and 5 with sources)", "4"),
        ("Verdict: **5** - small blemishes", "5"),
        ("Verdict\uff1a4", "4"),
        ("**Verdict\uff1a** 5", "5"),
        ("Verdict: $\\boxed{4}$", "4"),
        ("The verdict is \\(\\boxed{\\text{3}}\\).", "3"),
    ],
)
def test_marks_that_are_written(reply: str, label: str) -> None:
    assert (read(reply, MARKS, WORTH).label, read(reply, MARKS, WORTH).value) == (
        label,
        float(label),
    )


@pytest.mark.parametrize(
    ("reply", "label"),
    [
        ("Verdict: A", FIRST),
        ("Verdict: B is better than A.", SECOND),
        ("Verdict: B, because A is wrong", SECOND),
        ("Verdict: B. A few points decide.", SECOND),
        ("Verdict: B - Response A fails", SECOND),
        ("Verdict: B (A is wrong)", SECOND),
        ("Verdict: A, not B", FIRST),
        ("Verdict: tie: A and B are alike", TIE),
        ("Verdict: a tie between A and B", TIE),
        ("Verdict: tie, A and B are alike", TIE),
        ("Verdict: **A** is better than **B**.", FIRST),
        ("Verdict: A > B", FIRST),
        ("**Verdict: A.** Response B is wrong.", FIRST),
        ("Verdict: A \u2014 B omits the date", FIRST),
        ("Verdict: A, 2 of 3 claims hold", FIRST),
        ("Verdict: A 9/10", FIRST),
        ("Verdict: Response B", SECOND),
        ("Verdict: Assistant A", FIRST),
        ("Verdict: Response **A**", FIRST),
        ("**Verdict: Answer B**", SECOND),
        ("Verdict: \\boxed{A}", FIRST),
        ("The verdict is a matter of taste.\nVerdict: B", SECOND),
        ("Verdict: a tie", TIE),
        ("B", SECOND),
        ("Tie.", TIE),
        # FastChat takes [[A]] wherever it stands; here only a verdict counts.
        ("Who says [[A]] is taken in.\nVerdict: [[B]]", SECOND),
    ],
)
def test_sides_that_are_written(reply: str, label: str) -> None:
    assert read(reply, SIDES, PREFERS).label == label


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("", "empty"),
        ("  \n", "empty"),
        ("I would say four out of six.", "no_verdict"),
        ("The answer is 6.", "no_verdict"),
        ("Verdict: 4\nOn second thoughts, Verdict: 5", "two_verdicts"),
        ("Verdict: 4 or 5", "two_verdicts"),
        ("Verdict: 3-4", "two_verdicts"),
        ("Verdict: 4 and a half", "two_verdicts"),
        ("Verdict: 4.5\nVerdict: 4", "two_verdicts"),
        ("Verdict: 1, 2, 3, 4, 5, 6", "two_verdicts"),
        ("Verdict: 4\u20145", "two_verdicts"),
        ("Verdict: 4, but really 2", "two_verdicts"),
        ("Verdict: 6/10", "not_a_label"),
        ("Verdict: 4-5 of 6", "two_verdicts"),
        ("Verdict: 4 (perhaps 5)", "two_verdicts"),
        ("Verdict: 4 (2)", "two_verdicts"),
        ("Verdict: 5 out of 10", "not_a_label"),
        ("Verdict: 6 (out of 10)", "not_a_label"),
        ("Verdict: 6 points out of ten", "not_a_label"),
        ("Verdict: 6 on a scale from 1-10", "not_a_label"),
        ("Verdict: 4 %", "not_a_label"),
        ("Verdict: 9", "not_a_label"),
        ("My verdict is clear: it is weak.\nVerdict: 9", "not_a_label"),
        ("The verdict is not a 4.", "not_a_label"),
        ("Verdict: 4.5", "not_a_label"),
        ("Verdict: excellent", "not_a_label"),
    ],
)
def test_a_failure_has_a_reason_and_no_mark(reply: str, reason: str) -> None:
    verdict = read(reply, MARKS, WORTH)
    assert verdict.reason == reason
    assert (verdict.label, verdict.value, verdict.mass) == (None, None, None)
    assert reason in FAILURES


@pytest.mark.parametrize(
    "reply",
    [
        *("A, or B, or tie", "A/B", "A | B", "A - B", "A (or B)", "A (B)", "A or tie", "tie or A"),
        *("A, or maybe B", "A, or response B", "tie, but really A", "A and B are alike", "A < B"),
    ],
)
def test_a_line_with_two_sides_is_no_verdict(reply: str) -> None:
    assert read(f"Verdict: {reply}", SIDES, PREFERS).reason == "two_verdicts"


def test_yes_and_no_in_one_line_are_no_verdict() -> None:
    labels = (YES, NO)
    worth = {YES: 1.0, NO: 0.0}
    for reply in ("yes or no", "yes, no", "no, yes"):
        assert read(f"Verdict: {reply}", labels, worth).reason == "two_verdicts"
    for reply in ("yes, there is no doubt", "yes, 3 of 12 steps", "yes, 100 % sure"):
        assert read(f"Verdict: {reply}", labels, worth).label == YES


def test_a_scale_in_words_is_no_other_scale() -> None:
    worth = {str(mark): float(mark) for mark in range(6)}
    assert read("Verdict: 4 out of five", tuple(worth), worth).label == "4"


def test_an_article_is_no_verdict() -> None:
    assert read("Verdict: a close call", SIDES, PREFERS).reason == "not_a_label"


def test_a_reply_at_its_limit_says_so() -> None:
    assert read("Let me think about", MARKS, WORTH, finished=False).reason == "cut_off"
    assert read("<think>Hm", MARKS, WORTH, finished=False).reason == "cut_off"
    for reply, whole in (("A, or", False), ("A,", False), ("A, which", True)):
        verdict = read(f"Verdict: {reply}", SIDES, PREFERS, finished=False)
        assert (verdict.label == FIRST) == whole


@pytest.mark.parametrize(
    "text", ["verdict=A ", "verdict is 4, ", "Verdict: 4 ", "* ", "(", "or ", "4,"]
)
def test_a_hostile_reply_is_read_in_time(text: str) -> None:
    started = time.process_time()
    for labels, worth in ((SIDES, PREFERS), (MARKS, WORTH)):
        read(f"Verdict: 4{text * (60_000 // len(text))}", labels, worth)
    assert time.process_time() - started < 5


def token(text: str, **alternatives: float) -> dict:
    top = [
        {"token": key.replace("_", " "), "logprob": math.log(p)} for key, p in alternatives.items()
    ]
    return {"token": text, "logprob": top[0]["logprob"] if top else 0.0, "top_logprobs": top}


def test_the_expected_mark_by_hand() -> None:
    place = {"token": "4", "logprob": math.log(0.5)}
    place["top_logprobs"] = [
        {"token": name, "logprob": math.log(p)}
        for name, p in (("4", 0.5), ("5", 0.25), (" 5", 0.15), ("The", 0.06))
    ]
    tokens = [token("Ver"), token("dict"), token(":"), token(" "), place]
    verdict = read("Verdict: 4", MARKS, WORTH, tokens)
    assert verdict.mass == pytest.approx(0.9)
    assert verdict.value == pytest.approx((4 * 0.5 + 5 * 0.4) / 0.9)
    assert verdict.label == "4"


def test_the_chosen_token_counts_where_the_list_leaves_it_out() -> None:
    place = {"token": "4", "logprob": math.log(0.3), "top_logprobs": []}
    verdict = read("4", MARKS, WORTH, [place])
    assert (verdict.value, verdict.mass) == (4.0, pytest.approx(0.3))


def test_the_last_verdict_is_the_one_that_is_weighed() -> None:
    first = {"token": "5", "logprob": 0.0, "top_logprobs": [{"token": "5", "logprob": 0.0}]}
    last = {"token": "5", "logprob": math.log(0.5)}
    last["top_logprobs"] = [
        {"token": "5", "logprob": math.log(0.5)},
        {"token": "3", "logprob": math.log(0.5)},
    ]
    tokens = [token("Verdict: "), first, token("\n"), token("Verdict: "), last]
    assert read("Verdict: 5\nVerdict: 5", MARKS, WORTH, tokens).value == pytest.approx(4.0)


def test_a_label_that_is_said_again_is_weighed_where_it_is_the_verdict() -> None:
    first = {"token": " A", "logprob": math.log(0.6)}
    first["top_logprobs"] = [{"token": " B", "logprob": math.log(0.4)}]
    tokens = [token("Verdict:"), first, token(", A"), token(" is right")]
    assert read("Verdict: A, A is right", SIDES, PREFERS, tokens).value == pytest.approx(0.6)


def test_tokens_that_do_not_spell_the_reply_are_left_alone() -> None:
    verdict = read("Verdict: 4", MARKS, WORTH, [token("x" * 9), token("y")])
    assert (verdict.value, verdict.mass) == (4.0, None)


def test_the_probability_of_a_side() -> None:
    place = {"token": " A", "logprob": math.log(0.6)}
    place["top_logprobs"] = [
        {"token": name, "logprob": math.log(p)}
        for name, p in ((" A", 0.6), (" B", 0.2), (" t", 0.2))
    ]
    verdict = read("Verdict: A", SIDES, PREFERS, [token("Verdict:"), place])
    assert verdict.value == pytest.approx(0.7)


def test_a_begun_reply_may_be_weighed_without_a_written_label() -> None:
    place = {"token": "The", "logprob": math.log(0.5)}
    place["top_logprobs"] = [
        {"token": name, "logprob": math.log(p)}
        for name, p in (("The", 0.5), ("2", 0.3), ("6", 0.1))
    ]
    tokens = [token("Verdict: "), place]
    weighed = read("Verdict: The", MARKS, WORTH, tokens, min_mass=0.4)
    assert (weighed.label, weighed.value, weighed.mass) == (
        "2",
        pytest.approx(3.0),
        pytest.approx(0.4),
    )
    written = [token("Verdict: "), {**place, "token": "10"}]
    assert read("Verdict: 10", MARKS, WORTH, written, min_mass=0.4).reason == "not_a_label"
    assert read("Verdict: The", MARKS, WORTH, tokens, min_mass=0.5).reason == "not_a_label"
    assert read("Verdict: The", MARKS, WORTH, tokens).reason == "not_a_label"
