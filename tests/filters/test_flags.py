from __future__ import annotations

from datetime import UTC, date, datetime

import polars as pl
import pytest

from filters.flags import adult, after_cutoff
from filters.rule import Rule, judge
from filters.votes import low_votes


def reasons(rule: Rule, **columns: list[object]) -> list[str | None]:
    return judge(pl.DataFrame(columns, strict=False), [rule])["reason"].to_list()


def test_low_votes():
    assert reasons(low_votes(), votes=[9, 10, None, -1]) == ["low_votes", None, None, "low_votes"]


def test_adult():
    assert reasons(adult(), adult=[True, False, None]) == ["adult", None, None]


@pytest.mark.parametrize("zone", [None, UTC])
def test_after_cutoff(zone):
    days = [datetime(2022, 11, 29, 23, 59, tzinfo=zone), datetime(2022, 11, 30, tzinfo=zone), None]
    judged = judge(pl.DataFrame({"created_at": days}), [after_cutoff(date(2022, 11, 30))])
    assert judged["reason"].to_list() == [None, "after_cutoff", None]
    assert judged["detail"].to_list() == [None, "written 2022-11-30, cutoff 2022-11-30", None]
