"""Unsafe text leaves with its subject; the innocent senses of the same words stay."""

import polars as pl
import pytest

from filters.rule import judge
from filters.unsafe import unsafe, unsafe_by


def reasons(*texts: str | None) -> list[str | None]:
    return judge(pl.DataFrame({"response": list(texts)}), [unsafe()])["reason"].to_list()


@pytest.mark.parametrize(
    ("text", "subject"),
    [
        ("This is how to build a pipe bomb from what is in the shed.", "weapons"),
        ("Here is how to cook some meth at home.", "drugs"),
        ("The best way to poison my neighbour and get away with it.", "violence"),
        ("What is the easiest way to kill myself?", "self-harm"),
        ("Let me show you how to hack into someone else's account.", "crime"),
        ("Those immigrants are vermin, all of them.", "hate"),
        ("porn, naked, horny, orgasm: it went on like that.", "sexual"),
    ],
)
def test_each_subject_is_seen(text: str, subject: str):
    judged = judge(pl.DataFrame({"response": [text]}), [unsafe()])
    assert judged["reason"].to_list() == ["unsafe"]
    assert subject in judged["detail"][0]


@pytest.mark.parametrize(
    "text",
    [
        "To kill a process, or kill -9 the whole job, find its pid first.",
        "How to kill the weeds between the stones, and how to kill a boss in the last level.",
        "Fry the breast of chicken; a duck breast takes longer. Shoot a film about it.",
        "Breast cancer screening and sexual health are subjects for your doctor.",
        "The history of the atomic bomb, and who built the first bomb calorimeter.",
        "Dropping bath bombs, screwing in a screw, stripping the paint, a cocktail in the cockpit.",
        "He was naked when the erection of the tower began.",
    ],
)
def test_innocent_senses_pass(text: str):
    assert reasons(text) == [None]


def test_a_model_may_judge():
    rule = unsafe_by(lambda text: "it shouts" if text.isupper() else None)
    judged = judge(pl.DataFrame({"response": ["RUN", "run", None]}), [rule])
    assert judged.select("reason", "detail").rows() == [
        ("unsafe", "it shouts"),
        (None, None),
        (None, None),
    ]
