from __future__ import annotations

import polars as pl
import pytest

from filters.prompt import not_self_contained
from filters.rule import judge

LONG = "There is a lake in the mountains with blue water and no fish. " * 4


def judged(text: str) -> tuple[str | None, str | None]:
    row = judge(pl.DataFrame({"prompt": [text]}), [not_self_contained()]).row(0, named=True)
    return row["reason"], row["detail"]


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("", "no words"),
        ("![screen](a.png)", "no words"),
        ("https://example.org/a", "no words"),
        ("Help!", "1 words, at least 3"),
        ("hardware wallet", "2 words, at least 3"),
        ("Help please, anyone", "names no subject: Help please, anyone"),
        ("What is this?", "names no subject: What is this?"),
        ("Why is it not working?", "names no subject: Why is it not working?"),
        ("Question about this problem", "names no subject: Question about this problem"),
    ],
)
def test_nothing_to_answer(text, detail):
    assert judged(text) == ("not_self_contained", detail)


@pytest.mark.parametrize(
    "text",
    [
        "What does this sticker on the back of the passport mean?",
        "Is this code thread-safe?",
        "Why are these lights blinking?",
        "What does the following code print?",
        "Explain the error below",
        "Could this be soldered?",
        "Why are those lights in the yard blinking?",
        "What do those of this kind eat?",
        "Can lead solder this?",
        "What bird is in the attached photo?",
        LONG + "What is shown in the picture below?",
        LONG + "See the screenshot.",
        LONG + "Here is a diagram of it.",
        "A follow-up to my previous question: why do boats float on water?",
    ],
)
def test_points_at_what_is_not_there(text):
    reason, detail = judged(text)
    assert reason == "not_self_contained"
    assert str(detail).startswith("points at what is not there: ")


@pytest.mark.parametrize(
    "text",
    [
        "Were there any flying dinosaurs?",
        "C++ vs. the Arduino language?",
        "What is an ISO?",
        "How can it be that bees fly in the rain?",
        "Which comets can be seen this year?",
        "A friend is asking for money to visit. Is this a scam?",
        "Is there a word for this: someone who means well and does harm?",
        "What does this print?\n\n```\nprint(1)\n```",
        "What does `this` mean in JavaScript?",
        LONG + "Is this because of the ice?",
        "どうして空は青いのですか",
        "ما معنى كلمة تعال في هذه اللغة؟",
        "How to follow up an interview by mail",
        "Those of you who bake bread at home, how do you keep it fresh?",
        "Those of you with small kitchens, where do you keep the flour?",
        "Those who live near a volcano, what is it like?",
        "Those with curly hair, how do you wash it?",
        "What do those in the army eat?",
    ],
)
def test_stands_alone(text):
    assert judged(text) == (None, None)


def test_another_column():
    frame = pl.DataFrame({"title": ["Help please, anyone"], "prompt": ["How do bees fly in rain?"]})
    rules = [not_self_contained(column="title")]
    assert judge(frame, rules)["reason"].to_list() == ["not_self_contained"]
