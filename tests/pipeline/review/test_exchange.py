"""Decisions out and in: Argilla's records and CSV, there and back; what is refused."""

import csv
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.errors import CurationError, RecipeError
from pipeline.review.exchange import export_rows, import_rows
from pipeline.review.ledger import Entry, Ledger, content_digest
from pipeline.review.verdicts import opinions


def row(name: str, response: str) -> dict:
    value = {"id": name, "prompt": "=1+1", "response": response, "system": None, "history": []}
    return value | {
        "group": "stem",
        "domain": "d",
        "split": "train",
        "digest": content_digest(value),
    }


ROWS = {name: row(name, f"Response of {name}") for name in ("a", "b", "c")}


def entry(name: str, reviewer: str, **more) -> Entry:
    base = {"at": datetime(2026, 1, 1, tzinfo=UTC), "reviewer": reviewer, "id": name}
    return Entry(**{**base, "digest": ROWS[name]["digest"], "verdict": "accept", **more})


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    made = Ledger(tmp_path / "one.reviews.jsonl")
    made.append(
        [
            entry("a", "ada"),
            entry("a", "ben", verdict="reject", reason='-wrong, "really"\nvery'),
            entry("b", "ada", verdict="edit", response="+1 better\nlines"),
        ]
    )
    return made


def content(ledger: Ledger) -> set[str]:
    return {item.model_dump_json(exclude={"at"}) for item in opinions(ledger.entries()).values()}


@pytest.mark.parametrize("suffix", ["json", "csv"])
def test_what_goes_out_comes_in_again(ledger: Ledger, tmp_path: Path, suffix: str):
    path = tmp_path / f"rows.{suffix}"
    assert export_rows(path, ROWS, ledger) == 3
    # Names of Argilla's users are known to a ledger that has met the reviewers.
    other = Ledger(tmp_path / "two.reviews.jsonl")
    other.append(
        [
            entry("c", "ada"),
            entry("c", "ben"),
            entry("c", "ada", verdict="clear"),
            entry("c", "ben", verdict="flag"),
        ]
    )
    other.append([entry("c", "ada")])
    assert import_rows(path, ROWS, other, "ada") == 3
    assert content(ledger) <= content(other)
    assert import_rows(path, ROWS, other, "ada") == 0


def test_records_have_the_form_of_argilla(ledger: Ledger, tmp_path: Path):
    export_rows(tmp_path / "rows.json", ROWS, ledger)
    records = json.loads((tmp_path / "rows.json").read_text())
    keys = {
        "id",
        "fields",
        "metadata",
        "suggestions",
        "responses",
        "vectors",
        "status",
        "_server_id",
    }
    assert all(set(record) == keys for record in records)
    first = records[0]
    assert first["fields"] == {"prompt": "=1+1", "response": "Response of a"}
    assert [item["value"] for item in first["responses"]["verdict"]] == ["accept", "reject"]
    assert all(set(item) == {"value", "user_id"} for item in first["responses"]["verdict"])
    # Argilla takes no question with the name of a field.
    assert set(records[1]["responses"]) == {"verdict", "new_response"}
    assert not set(first["fields"]) & {name for it in records for name in it["responses"]}
    assert [record["status"] for record in records] == ["completed", "completed", "pending"]


def test_answers_of_users_that_nobody_knows_keep_their_id(tmp_path: Path):
    answer = {
        "verdict": [{"value": "reject", "user_id": user} for user in ("u-1", "u-2")],
        "reason": [{"value": "no", "user_id": "u-1"}],
    }
    records = [{"id": "a", "fields": {}, "responses": answer}]
    (tmp_path / "rows.json").write_text(json.dumps(records))
    ledger = Ledger(tmp_path / "x.reviews.jsonl")
    assert import_rows(tmp_path / "rows.json", ROWS, ledger, "ada") == 2
    found = [(entry.reviewer, entry.verdict, entry.reason) for entry in ledger.entries()]
    # Argilla cannot ask for a reason of rejections alone.
    assert found == [("u-1", "reject", "no"), ("u-2", "reject", "no reason given")]


def test_a_spreadsheet_takes_no_text_for_a_formula(ledger: Ledger, tmp_path: Path):
    export_rows(tmp_path / "rows.csv", ROWS, ledger)
    with (tmp_path / "rows.csv").open(newline="") as handle:
        cells = [cell for line in csv.reader(handle) for cell in line]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]
    assert "'=1+1" in cells


def test_a_table_made_by_hand_needs_id_and_verdict(tmp_path: Path):
    (tmp_path / "rows.csv").write_text("id,verdict,reason\na,reject,bad\nb,,\n")
    ledger = Ledger(tmp_path / "x.reviews.jsonl")
    assert import_rows(tmp_path / "rows.csv", ROWS, ledger, "ada") == 1
    assert ledger.entries()[0].digest == ROWS["a"]["digest"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("rows.csv", "id,verdict\na,accept\nz,accept\n", "line 3: no row of this release"),
        ("rows.csv", "id,verdict\na,accept\nb,reject\n", "line 3: .*a rejection needs a reason"),
        ("rows.csv", "id,verdict\na,perhaps\n", "line 2: verdict Input should be"),
        ("rows.csv", "name\na\n", "lacks the column id, verdict"),
        ("rows.json", '{"a": 1}', "does not hold Argilla's records"),
        ("rows.json", "[", "does not hold Argilla's records"),
    ],
)
def test_what_is_no_decision_is_refused_as_a_whole(
    tmp_path: Path, name: str, text: str, message: str
):
    (tmp_path / name).write_text(text)
    ledger = Ledger(tmp_path / "x.reviews.jsonl")
    with pytest.raises(CurationError, match=message):
        import_rows(tmp_path / name, ROWS, ledger, "ada")
    assert ledger.entries() == []


def test_another_kind_of_file_is_refused(tmp_path: Path):
    with pytest.raises(RecipeError, match=r"\.json .* or \.csv"):
        export_rows(tmp_path / "rows.xlsx", ROWS, Ledger(tmp_path / "x"))
