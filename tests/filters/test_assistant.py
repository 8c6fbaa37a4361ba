"""What only assistants say is enough alone; stock phrases are not."""

import polars as pl
import pytest

from filters.assistant import assistant_style
from filters.rule import judge


def reasons(text: str, threshold: int = 3) -> list[str | None]:
    judged = judge(pl.DataFrame({"response": [text]}), [assistant_style(threshold)])
    return judged["reason"].to_list()


@pytest.mark.parametrize(
    "text",
    [
        "As an AI language model, I do not bake bread.",
        "I'm just an AI, so taste it yourself.",
        "My knowledge cutoff is in autumn.",
        "I'm sorry, but I cannot assist with that request.",
        "Certainly! It is important to note that dough rests. I hope this helps! Let me know if you "
        "have any further questions.",
    ],
)
def test_assistants_leave(text: str):
    assert reasons(text) == ["machine_text"]


@pytest.mark.parametrize(
    "text",
    [
        'The bot wrote "As an AI language model, I cannot" and stopped.',
        "It is important to note that the dough rests. I hope this helps!",
        "As an aim of the course, a language model is trained.",
        "I cannot help you with the old oven, but here is what the manual says.",
    ],
)
def test_people_stay(text: str):
    assert reasons(text) == [None]


def test_the_threshold_is_a_setting():
    text = "Certainly! It is important to note that dough rests."
    assert reasons(text, 2) == ["machine_text"]
    assert reasons(text, 3) == [None]
