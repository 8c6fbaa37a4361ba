"""LIMA's own answers, where they are at hand: its rules must let most of them pass."""

from __future__ import annotations

import io
import json
from pathlib import Path

import polars as pl
import pytest
import zstandard

from filters.length import too_long, too_short
from filters.prompt import not_self_contained
from filters.references import refers_to_other_answers
from filters.rule import judge
from filters.voice import first_person

ROWS = Path(__file__).parents[3] / "shared" / "data" / "lima" / "lima_train_even.jsonl.zst"


@pytest.mark.skipif(not ROWS.exists(), reason="LIMA's rows are not part of this repository")
def test_three_quarters_of_lima_pass():
    with zstandard.open(ROWS, "rb") as stream:
        rows = [json.loads(line) for line in io.TextIOWrapper(stream, encoding="utf-8")]
    frame = pl.DataFrame(
        [
            {"prompt": row["instruction"], "response": row["output"]}
            for row in rows
            if row["source"].startswith("stackexchange_")
        ]
    )
    rules = [
        too_short(),
        too_long(),
        first_person(),
        refers_to_other_answers(),
        not_self_contained(),
    ]
    judged = judge(frame, rules)
    assert judged["reason"].null_count() / len(judged) >= 0.75
