from __future__ import annotations

import polars as pl

from filters.rule import judge
from filters.substance import little_prose

CODE = "```\n" + "total = total + price\n" * 30 + "```"


def test_little_prose():
    texts = [
        "Try:\n" + CODE,
        "This sums the prices, one after the other. " * 10 + CODE,
        "Short, but all prose.",
        "",
    ]
    judged = judge(pl.DataFrame({"response": texts}), [little_prose()])
    assert judged["reason"].to_list() == ["low_quality", None, None, None]
    assert judged["detail"][0] == "3 letters of prose, 1 %, at least 200 or 20%"
