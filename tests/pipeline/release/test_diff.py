import pytest

from pipeline.errors import ReleaseError
from pipeline.release.build import build
from pipeline.release.diff import ABSENT, NO_CANDIDATE, diff

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
        ("stackexchange:stem:9", None, ABSENT, found.added[1].detail),
    ]
    assert [(row.id, row.stage, row.reason, row.detail) for row in found.dropped] == [
        ("stackexchange:cooking:2", "filter", "language", "fr, not en"),
        ("stackexchange:stem:1", None, ABSENT, found.dropped[1].detail),
    ]
    assert [(row.id, row.fields) for row in found.edited] == [
        ("stackexchange:cooking:6", ["response"])
    ]
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
    assert "Edited\n  stackexchange:cooking:6 (other, train)" in plain


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
