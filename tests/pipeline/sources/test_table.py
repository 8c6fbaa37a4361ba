import json
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from pipeline.errors import SourceError
from pipeline.recipe import Ingest
from pipeline.sources import table
from pipeline.sources.base import Tally

COLUMNS = {"title": "q", "response": "a", "votes": "score", "created_at": "day", "id": "key"}
ROWS = [
    {"q": "Why?", "a": "So.", "score": "12", "day": "2020-01-02", "key": "x/1"},
    {"q": "Two\nlines?", "a": "Yes.", "score": 3, "day": None, "key": None},
]


def settings(path: str, **more: object) -> Ingest:
    entry = {"name": "mine", "path": path, "columns": COLUMNS,
             "values": {"licence": "MIT", "url": "https://a.example"}, **more}  # fmt: skip
    return Ingest.model_validate({"tables": [entry]})


def read(dumps: Path, recipe: Ingest) -> tuple[pl.DataFrame, Tally]:
    tally = Tally(1.0)
    (found,) = table.find(dumps, recipe)
    return pl.concat([pl.DataFrame(), *table.read(found, recipe, tally, dumps)]), tally


def save(dumps: Path, name: str) -> None:
    path = dumps / name
    if name.endswith(".jsonl"):
        path.write_text("\n".join(map(json.dumps, ROWS)), encoding="utf-8")
    elif name.endswith(".json"):
        path.write_text(json.dumps(ROWS, indent=1), encoding="utf-8")
    elif name.endswith(".csv"):
        pl.DataFrame(ROWS, strict=False).write_csv(path)
    elif name.endswith(".parquet"):
        pl.DataFrame(ROWS, strict=False).write_parquet(path)
    else:
        import datasets

        data = datasets.Dataset.from_list([{**row, "score": str(row["score"])} for row in ROWS])
        (datasets.DatasetDict({"train": data}) if name == "dict" else data).save_to_disk(str(path))


@pytest.mark.parametrize("name", ["t.jsonl", "t.json", "t.csv", "t.parquet", "saved", "dict"])
def test_all_formats_give_the_same_rows(tmp_path: Path, name: str) -> None:
    save(tmp_path, name)
    rows, tally = read(tmp_path, settings(name))
    assert not tally.malformed
    assert rows.select("title", "body", "response", "votes", "created_at").rows() == [
        ("Why?", None, "So.", 12, datetime(2020, 1, 2)),
        (None, "Two\nlines?", "Yes.", 3, None),
    ]
    assert rows["id"][0] == "table:mine:x/1"
    assert rows["id"][1].startswith("table:mine:")
    assert rows.select("source", "group", "licence", "author").unique().rows() == [
        ("table", "authored", "MIT", "anonymous")
    ]


@pytest.mark.parametrize(
    ("recipe", "says"),
    [
        (settings("t.jsonl", columns={"title": "q", "response": "reply"}),
         "has no column 'reply'; it has q, a, score, day, key"),
        (settings("../t.jsonl"), "leads out of the dumps folder"),
        (settings("missing.csv"), "there is no 'missing.csv'"),
        (settings("t.jsonl", columns={"title": "q", "response": "a", "cost": "a"}),
         "'cost' is none of our columns"),
        (settings("t.jsonl", columns={"title": "q"}), "must name one for response"),
    ],
)  # fmt: skip
def test_wrong_settings_are_told(tmp_path: Path, recipe: Ingest, says: str) -> None:
    save(tmp_path, "t.jsonl")
    with pytest.raises(SourceError, match=says):
        read(tmp_path, recipe)


@pytest.mark.parametrize("name", ["t.parquet", "t.json"])
def test_damaged_files_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"[PAR1 and more")
    with pytest.raises(SourceError, match=name):
        read(tmp_path, settings(name))


def test_bad_rows_cost_themselves(tmp_path: Path) -> None:
    odd = [{"a": 1}, {"q": "x", "a": None}, {"q": "x", "a": [1]}, {"q": "x", "a": "y", "score": "z"},
           {"q": "x", "a": "y", "day": "soon"}, {"q": "x", "a": "y", "key": "x/1"},
           {"q": "x", "a": "y", "score": 1e400}, {"q": None, "a": "y"}, 7]  # fmt: skip
    lines = [json.dumps(row) for row in [ROWS[0], *odd]]
    (tmp_path / "t.jsonl").write_text("\n".join([*lines, "{", "[" * 100_000]), encoding="utf-8")
    rows, tally = read(tmp_path, settings("t.jsonl"))
    assert len(rows) == 1
    assert [line for _, line, _ in tally.malformed] == list(range(2, 13))
