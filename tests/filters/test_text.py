from __future__ import annotations

import time

import polars as pl
import pytest

from filters.text import prose


@pytest.mark.parametrize(
    ("markdown", "words"),
    [
        ("a ```b``` c", "a c"),
        ("a\n```py\nb\n```\nc", "a c"),
        ("a\n````\nb\n```\nb\n````\nc", "a c"),
        ("a `b` c ``b ` b`` d", "a c d"),
        ("a\n> b\nc\n>b", "a c"),
        ('a "b" c “b” d', "a c d"),
        ('the code `"` a "b" c', "the code a c"),
        ("don't a 'b' c, isn't it", "don't a c, isn't it"),
        ("$5 a $6", "$5 a $6"),
        ("a $b$ c $$b$$ d", "a c d"),
        ("a https://b.org/c d", "a d"),
        ('a 5" b', 'a 5" b'),
    ],
)
def test_prose(markdown, words):
    frame = pl.DataFrame({"response": [markdown]}).select(prose())
    assert " ".join(frame["response"][0].split()) == words


@pytest.mark.parametrize(
    "opening", ["`", "``", "```", "~~~", '"', "“", "„", "«", "‘", " '", "$", "$$"]
)
def test_marks_that_never_close_cost_no_more_than_other_text(opening):
    other = "'x' " if opening == '"' else '"x" '
    texts = pl.DataFrame(
        {"response": [f"{opening} {other}" * 40_000, f"{opening}a {other}\n" * 40_000]}
    )
    began = time.monotonic()
    texts.select(prose())
    assert time.monotonic() - began < 5  # a square would take minutes
