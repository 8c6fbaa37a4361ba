from __future__ import annotations

import polars as pl

from filters.length import too_long, too_short
from filters.rule import judge


def test_the_published_range():
    frame = pl.DataFrame({"response": ["x" * n for n in (1199, 1200, 4096, 4097)]})
    judged = judge(frame, [too_short(), too_long()])
    assert judged["reason"].to_list() == ["too_short", None, None, "too_long"]
    assert judged["detail"].to_list() == [
        "1199 characters, at least 1200",
        None,
        None,
        "4097 characters, at most 4096",
    ]


def test_characters_are_not_bytes_and_blank_ends_do_not_count():
    frame = pl.DataFrame({"response": ["é" * 10, " \n" + "x" * 9 + "\n\n"]})
    assert judge(frame, [too_short(10)])["reason"].to_list() == [None, "too_short"]


def test_a_range_for_each_group():
    frame = pl.DataFrame({"response": ["x" * 30] * 3, "group": ["a", "b", None]})
    rules = [too_long(20).only("group", ["a"]), too_long(25).excepting("group", ["a", "b"])]
    assert judge(frame, rules)["reason"].to_list() == ["too_long", None, "too_long"]
