from __future__ import annotations

from datetime import UTC, date, datetime

import polars as pl
import pytest

from filters.flags import adult, after_cutoff, licence, no_answer, removed
from filters.rule import Rule, judge
from filters.votes import low_votes


def reasons(rule: Rule, **columns: list[object]) -> list[str | None]:
    return judge(pl.DataFrame(columns, strict=False), [rule])["reason"].to_list()


def test_low_votes():
    assert reasons(low_votes(), votes=[9, 10, None, -1]) == ["low_votes", None, None, "low_votes"]


def test_no_answer():
    code = "no_answer"
    assert reasons(no_answer(), response=["yes", "", " \n", None]) == [None, code, code, code]
    rule = no_answer().excepting("group", ["askreddit"])
    assert reasons(rule, response=[None, "x"], group=["askreddit", "b"]) == [None, None]


def test_adult():
    assert reasons(adult(), adult=[True, False, None]) == ["adult", None, None]


@pytest.mark.parametrize("text", ["[removed]", " [deleted]\n", "[ Removed by Reddit ]"])
def test_removed(text):
    assert reasons(removed(), prompt=["a"], response=[text]) == ["removed"]
    assert reasons(removed(), prompt=[text], response=["a"]) == ["removed"]


def test_not_removed():
    texts = ["It says [removed] there.", "removed", None]
    assert reasons(removed(), prompt=["a"] * 3, response=texts) == [None] * 3


def test_licence():
    names = ["CC BY-SA 4.0", "CC BY-SA", "CC BY-NC-SA 3.0", "CC BY-SA-X", "", None]
    expected = [None, None, "licence", "licence", "licence", "licence"]
    assert reasons(licence(["CC BY-SA"]), licence=names) == expected
    assert reasons(licence(), licence=names) == [None] * 4 + ["licence"] * 2
    judged = judge(pl.DataFrame({"licence": ["", "MIT"]}), [licence(["CC0", "CC BY-SA"])])
    assert judged["detail"].to_list() == [
        "none, allowed: CC BY-SA, CC0",
        "MIT, allowed: CC BY-SA, CC0",
    ]


@pytest.mark.parametrize("zone", [None, UTC])
def test_after_cutoff(zone):
    days = [datetime(2022, 11, 29, 23, 59, tzinfo=zone), datetime(2022, 11, 30, tzinfo=zone), None]
    judged = judge(pl.DataFrame({"created_at": days}), [after_cutoff(date(2022, 11, 30))])
    assert judged["reason"].to_list() == [None, "after_cutoff", None]
    assert judged["detail"].to_list() == [None, "written 2022-11-30, cutoff 2022-11-30", None]
