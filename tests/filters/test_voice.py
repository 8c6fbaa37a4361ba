from __future__ import annotations

import polars as pl
import pytest

from filters.rule import judge
from filters.voice import first_person


def reasons(*texts: str, maximum: int = 0) -> list[str | None]:
    return judge(pl.DataFrame({"response": texts}), [first_person(maximum)])["reason"].to_list()


@pytest.mark.parametrize(
    "text",
    [
        "I would boil it.",
        "It works, and I'm sure of that.",
        "It works for my dog.",
        "My advice: wait.",
        "Use `x`, as I do.",
        "*I* do; it pays.",
        "but I *do* care",
        "**Note:** I can't say",
        "* I use a spoon",
        "i'm not sure",
        "i think so",
        "don't ask what I don't know",
        "It costs $5 and I paid $6",
        'A 5" pipe and I have a 6" one',
        "> a quotation\n\nI agree",
        "My. I see",
    ],
)
def test_first_person(text):
    assert reasons(text) == ["first_person"]


@pytest.mark.parametrize(
    "text",
    [
        "Boil it for ten minutes.",
        "```\nI = my.value\n```",
        "Inline ```I``` and `my` and ``my ` I``",
        "~~~\nI\n~~~",
        "```python\nnever closed = I",
        "> I said so\n> and my dog too",
        'She wrote "I know my way" there.',
        "She wrote “I know” and «my» and ‘I know’.",
        "The sentence 'I have eaten' is perfect tense.",
        "World War I ended, Elizabeth I had died; see Part I.",
        "I/O is slow, and I²C too. The I-beam stands on the I-95.",
        "I) first\nI. second\n(I) third",
        "The current I = V/R, or $I$, or $$I = \\frac{V}{R}$$.",
        "Set i to 3, then i is less than j.",
        "A.I. and the I.Q. of J. I. Smith",
        "Edit my.cnf in /etc/my or my-app under My Documents",
        "See https://example.org/I/my for it.",
        "Mine, me and we do not count. Mystery, academy, MY_VAR.",
        "",
    ],
)
def test_not_first_person(text):
    assert reasons(text) == [None]


def test_a_maximum_allows_some():
    assert reasons("I do.", "I do what I do.", maximum=1) == [None, "first_person"]


def test_the_detail_shows_the_words():
    frame = judge(
        pl.DataFrame({"response": ["Then\nthat is what I do with it."]}), [first_person()]
    )
    assert frame["detail"].to_list() == ["1 times, at most 0: that is what I do with it."]
