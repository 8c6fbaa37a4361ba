"""Selection with reviewers' decisions: who leaves, who takes the place, who stays."""

from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.loading import load
from pipeline.review.ledger import Entry, content_digest
from pipeline.review.verdicts import Reviews
from pipeline.select import SelectStage
from pipeline.selection.candidates import Candidates
from pipeline.selection.methods import METHODS
from pipeline.selection.reviewed import respect

SETTINGS = [
    "select.quotas={stem: 4, other: 2}",
    "select.validation={stem: 1}",
    "select.test={}",
    "select.max_similarity=1",
]


def said(rows: pl.DataFrame, verdicts: dict[str, dict]) -> Reviews:
    entries = [
        Entry(
            at=datetime(2026, 1, 1, tzinfo=UTC),
            reviewer=value.get("reviewer", "ada"),
            id=row["id"],
            digest=content_digest(row),
            **{k: v for k, v in value.items() if k != "reviewer"},
        )
        for row in rows.iter_rows(named=True)
        if (value := verdicts.get(row["id"]))
    ]
    return Reviews.of(entries)


@pytest.fixture
def rows(make_rows: Callable[..., pl.DataFrame]) -> pl.DataFrame:
    plain = [
        {"group": "stem" if i < 12 else "other", "quality": 1 - i / 100, "votes": 50 - i}
        | {"cluster": 0, "domain_rows": 12}
        for i in range(18)
    ]
    made = make_rows(plain, np.eye(18, 384) + 0.01)
    return made.with_columns(cluster_words=pl.lit("w"), quality_parts=pl.struct(votes=0.5))


def stage(reviews: Reviews, *settings: str) -> SelectStage:
    return SelectStage.of(load("lima", [*SETTINGS, *settings]), reviews=reviews)


def places(kept: pl.DataFrame) -> dict[str, tuple[str, int]]:
    return {row: (split, rank) for row, split, rank in kept["id", "split", "rank"].iter_rows()}


@pytest.mark.parametrize("method", sorted(METHODS))
def test_a_rejected_row_is_replaced_from_its_own_group_and_no_other_moves(
    run: Callable, rows: pl.DataFrame, method: str
):
    setting = f"select.method={method}"
    before, *_ = run(stage(Reviews(), setting), rows)
    victim = before.filter(pl.col("group") == "stem")["id"][0]
    verdict = {"verdict": "reject", "reason": "wrong: oil burns"}
    after, dropped, manifest = run(stage(said(rows, {victim: verdict}), setting), rows)
    old, new = places(before), places(after)
    (came,) = set(new) - set(old)
    assert set(old) - set(new) == {victim}
    assert rows.filter(pl.col("id") == came)["group"][0] == "stem"
    assert new[came] == old[victim]
    assert all(new[row] == old[row] for row in set(old) & set(new))
    line = dropped.filter(pl.col("id") == victim).row(0, named=True)
    assert (line["reason"], line["detail"]) == ("rejected", "wrong: oil burns")
    assert manifest.dropped["rejected"] == 1


def test_the_next_best_takes_the_place(run: Callable, rows: pl.DataFrame):
    reviews = said(rows, {"r001": {"verdict": "reject", "reason": "no"}})
    kept, *_ = run(stage(reviews, "select.method=votes"), rows)
    assert sorted(kept.filter(pl.col("group") == "stem")["id"]) == [
        "r000",
        "r002",
        "r003",
        "r004",
        "r005",
    ]


def test_a_group_without_another_row_is_short(run: Callable, rows: pl.DataFrame):
    few = rows.filter(pl.col("id").is_in(["r012", "r013"]) | (pl.col("group") == "stem"))
    reviews = said(few, {"r012": {"verdict": "reject", "reason": "no"}})
    kept, _, manifest = run(stage(reviews), few)
    assert kept.filter(pl.col("group") == "other")["id"].to_list() == ["r013"]
    (line,) = manifest.facts["all"]["shortfall"]
    assert (line["group"], line["missing"]) == ("other", 1)


def test_an_accepted_row_stays_that_the_method_would_not_pick(run: Callable, rows: pl.DataFrame):
    plain, *_ = run(stage(Reviews(), "select.method=votes"), rows)
    assert "r011" not in plain["id"]
    reviews = said(rows, {"r011": {"verdict": "accept"}})
    kept, *_ = run(stage(reviews, "select.method=votes"), rows)
    assert kept.filter(pl.col("id") == "r011")["review"].to_list() == ["accepted"]
    assert set(plain["id"]) - set(kept["id"]) == {"r004"}  # the weakest of the group
    assert kept["review"].null_count() == len(kept) - 1


def test_an_edit_is_released_with_what_it_changed(run: Callable, rows: pl.DataFrame, tmp_path):
    edit = {"verdict": "edit", "response": "A better answer."}
    kept, *_ = run(stage(said(rows, {"r000": edit})), rows)
    row = kept.filter(pl.col("id") == "r000").row(0, named=True)
    assert (row["response"], row["prompt"], row["review"]) == (
        "A better answer.",
        "prompt 0",
        "edited",
    )
    edits = pl.read_parquet(next(tmp_path.rglob("edits.parquet")))
    assert edits.to_dicts() == [
        {"id": "r000", "field": "response", "before": "response 0", "after": "A better answer."}
    ]


def test_a_decision_on_another_text_is_none(run: Callable, rows: pl.DataFrame):
    reviews = said(rows, {"r000": {"verdict": "reject", "reason": "no"}})
    other = rows.with_columns(pl.col("response") + " (edited at the source)")
    kept, dropped, _ = run(stage(reviews), other)
    assert "r000" in kept["id"]
    assert "rejected" not in dropped["reason"].to_list()


def test_votes_may_change_under_a_decision(run: Callable, rows: pl.DataFrame):
    reviews = said(rows, {"r000": {"verdict": "reject", "reason": "no"}})
    kept, *_ = run(stage(reviews), rows.with_columns(pl.col("votes") + 1))
    assert "r000" not in kept["id"]


def test_decisions_are_a_part_of_the_key_and_none_are_not(rows: pl.DataFrame):
    none = stage(Reviews()).plan([])
    first = stage(said(rows, {"r000": {"verdict": "accept"}})).plan([])
    other = stage(said(rows, {"r001": {"verdict": "accept"}})).plan([])
    assert none[0].options == ()
    assert first[0].options != other[0].options
    assert first[0].options[0][0] == "reviews"


@given(
    out=st.sets(st.integers(0, 11), max_size=11),
    stay=st.sets(st.integers(0, 11), max_size=4),
    count=st.integers(0, 8),
    method=st.sampled_from(sorted(METHODS)),
)
def test_nothing_rejected_is_picked_and_no_place_stays_empty(out, stay, count, method):
    stay = stay - out
    names = [f"r{i:03d}" for i in range(12)]
    review = ["rejected" if i in out else "accepted" if i in stay else None for i in range(12)]
    from pipeline.vectors import Vectors, snap

    frame = pl.DataFrame(
        {
            "id": names,
            "quality": [1 - i / 100 for i in range(12)],
            "votes": [12 - i for i in range(12)],
            "created_at": [None] * 12,
            "domain": ["d"] * 12,
            "domain_rows": [12] * 12,
            "chars": [100] * 12,
            "review": pl.Series(review, dtype=pl.String),
        }
    ).with_row_index("vector_row")
    vectors = Vectors.of(snap(np.eye(12, 384)))
    candidates = Candidates.of("stem", frame, vectors, load("lima").select)
    order = respect(METHODS[method], candidates, count).order
    assert len(order) == len(set(order)) == min(count, 12 - len(out))
    assert not set(order) & out
    assert len(set(order) & stay) == min(len(stay), len(order))
