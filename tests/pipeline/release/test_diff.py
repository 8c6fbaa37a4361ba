import polars as pl
import pytest

from pipeline.errors import ReleaseError
from pipeline.release.build import build
from pipeline.release.diff import NO_CANDIDATE, diff

from .conftest import DROPS, HOSTILE, PICKED, ROWS, STAGES, candidate, make_run


def read_other_dumps(release):
    path = release / "manifest.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"sha256": "ab"', '"sha256": "cd"'))


def test_tells_row_by_row_what_changed_and_why(run, tiny, tmp_path):
    old = build(run, tiny, tmp_path / "releases", stages=STAGES).path
    # Row 1 is gone from the dumps, 2 falls to a filter, 6 is edited, 8 has votes, 5 and 9 come.
    rows = [row for row in ROWS if row["id"] != "stackexchange:stem:1"] + [candidate(9)]
    rows = [row | {"response": "New."} if row["id"].endswith(":6") else row for row in rows]
    rows = [row | {"votes": 99} if row["id"] == "authored:a8" else row for row in rows]
    drops = DROPS | {
        "filter": [*DROPS["filter"], ("stackexchange:cooking:2", "language", "fr, not en")],
        "select": [],
    }
    picked = PICKED | {"stackexchange:stem:5": "train", "stackexchange:stem:9": "train"}
    run = make_run(tmp_path, rows, drops, picked)
    new = build(run, tiny, tmp_path / "releases", stages=STAGES).path
    read_other_dumps(new)
    found = diff(old, new)
    assert [(row.id, row.stage, row.reason, row.detail) for row in found.added] == [
        ("stackexchange:stem:5", "select", "not_selected", "rank 2 of 1 in stem"),
        ("stackexchange:stem:9", None, NO_CANDIDATE, found.added[1].detail),
    ]
    assert [(row.id, row.stage, row.reason, row.detail) for row in found.dropped] == [
        ("stackexchange:cooking:2", "filter", "language", "fr, not en"),
        ("stackexchange:stem:1", None, NO_CANDIDATE, found.dropped[1].detail),
    ]
    assert found.dropped[1].detail.startswith("not in the new dumps, or left out when they were")
    assert [(row.id, row.fields, row.reason) for row in found.edited] == [
        ("stackexchange:cooking:6", ["response"], "edited_post")
    ]
    assert found.moved == []
    assert found.same == 2
    assert found.other_fields == {"votes": 1}
    assert found.churn == pytest.approx(3 / 5)
    assert found.to_json()["summary"]["groups"] == {
        "other": {"added": 0, "dropped": 1, "edited": 1},
        "stem": {"added": 2, "dropped": 1, "edited": 0},
    }
    text = found.to_markdown()
    assert "<script>" not in text
    assert "language, fr, not en" in text
    plain = found.render()
    assert "group  added  dropped  edited\nother      0        1       1\n" in plain
    assert f"cooking:2 (other, train): {' '.join(HOSTILE.split())}\n    language: fr, not" in plain
    assert (
        "Edited\nBy reason (who changed the text): edited_post 1.\n  stackexchange:cooking:6 ("
        in plain
    )


def test_an_edit_says_who_changed_the_text_and_a_move_is_told(tmp_path, tiny):
    releases = tmp_path / "releases"
    old = build(make_run(tmp_path), tiny, releases, stages=STAGES).path
    # Of the same dumps: a reviewer edited 6, another way of reading changed 2, and 1 has moved.
    rows = [row | {"response": "New."} if row["id"].endswith((":2", ":6")) else row for row in ROWS]
    picked = PICKED | {"stackexchange:stem:1": "validation"}
    run = make_run(tmp_path, rows, picked=picked)
    before = next(row["response"] for row in ROWS if row["id"] == "stackexchange:cooking:6")
    edit = {"id": "stackexchange:cooking:6", "field": "response", "before": before, "after": "New."}
    pl.DataFrame([edit]).write_parquet(run / "select" / "tables" / "edits.parquet")
    new = build(run, tiny, releases, stages=STAGES).path
    found = diff(old, new)
    assert [(row.id, row.reason, row.detail) for row in found.edited] == [
        ("stackexchange:cooking:2", "read_otherwise", ""),
        ("stackexchange:cooking:6", "edited_by_reviewer", ""),
    ]
    assert [(row.id, row.was, row.split) for row in found.moved] == [
        ("stackexchange:stem:1", "train", "validation")
    ]
    assert "## Moved to another split\n\n- <code>stackexchange:stem:1" in found.to_markdown()
    back = {row.id: (row.reason, row.detail) for row in diff(new, old).edited}
    assert back["stackexchange:cooking:6"] == ("edited_by_reviewer", "the edit was taken back")
    read_other_dumps(new)
    assert {row.reason for row in diff(old, new).edited} == {"edited_post", "edited_by_reviewer"}


def test_of_the_same_dumps_a_row_without_a_decision_was_no_candidate(run, tiny, tmp_path):
    old = build(run, tiny, tmp_path / "releases", stages=STAGES).path
    rows = [row for row in ROWS if row["id"] != "stackexchange:stem:1"]
    run = make_run(tmp_path, rows, DROPS, PICKED)
    new = build(run, tiny, tmp_path / "releases", stages=STAGES).path
    for change in (*diff(old, new).dropped, *diff(new, old).added):
        assert (change.id, change.stage) == ("stackexchange:stem:1", "ingest")
        assert (change.reason, change.detail[:37]) == (
            NO_CANDIDATE,
            "left out when the dumps were read (an",
        )
    assert diff(old, new).dropped
    assert diff(new, old).added


def test_what_is_no_release_is_refused(tmp_path):
    with pytest.raises(ReleaseError, match="is no release"):
        diff(tmp_path, tmp_path)
