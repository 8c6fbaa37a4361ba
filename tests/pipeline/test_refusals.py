"""Refusals get the places that the recipe keeps for them, and no more."""

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from pipeline.loading import load
from pipeline.select import SelectStage

SETTINGS = ["select.quotas={authored: 4}", "select.validation={}", "select.test={}"]


@pytest.mark.parametrize(("kept_for", "wanted"), [(0, 0), (2, 2), (9, 3)])
def test_refusals_have_their_places(
    kept_for: int, wanted: int, run: Callable, make_rows: Callable[..., pl.DataFrame]
):
    plain = [
        {"group": "authored", "quality": 1 - i / 100, "votes": None, "cluster": 0}
        | {"domain_rows": 10, "tags": ["refusal"] if i >= 7 else None}
        for i in range(10)
    ]
    rows = make_rows(plain, np.eye(10, 384) + 0.01)
    rows = rows.with_columns(cluster_words=pl.lit("w"), quality_parts=pl.struct(votes=0.5))
    more = ["select.method=quality_diversity", f"select.refusals={kept_for}"]
    kept, _, _ = run(SelectStage.of(load("lima", [*SETTINGS, *more])), rows)
    assert len(kept) == 4
    assert sum(row in ("r007", "r008", "r009") for row in kept["id"]) == wanted
