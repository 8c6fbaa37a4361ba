"""Each shape in each kind of file, broken: one error that names the file, and nothing written."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.contamination.sets import read_sets
from pipeline.errors import CurationError, SourceError
from pipeline.instructions import read_instructions

# A sound record of each shape, and one of the same keys that cannot be read.
SHAPES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "chat": (
        {"messages": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}]},
        {"messages": [{"role": "assistant", "content": "A"}]},
    ),
    "sharegpt": (
        {"conversations": [{"from": "human", "value": "Q"}, {"from": "gpt", "value": "A"}]},
        {"conversations": [{"from": "gpt", "value": "A"}]},
    ),
    "lima": ({"conversations": ["Q", "A"]}, {"conversations": []}),
    "alpaca": (
        {"instruction": "Q", "input": "", "output": "A"},
        {"instruction": None, "input": "", "output": "A"},
    ),
    "ours": ({"prompt": "Q", "response": "A"}, {"prompt": None, "response": "A"}),
}
SETS = {
    "mt-bench": ({"question_id": 1, "turns": ["A?"]}, {"question_id": 2, "turns": []}),
    "lima": ({"conversations": ["A?"]}, {"conversations": [""]}),
    "gsm8k": ({"question": "A?", "answer": "4"}, {"question": " ", "answer": ""}),
    "humaneval": ({"task_id": "H", "prompt": "def f():"}, {"task_id": "I", "prompt": None}),
    "ifeval": ({"key": 1, "prompt": "Say it."}, {"key": 2, "prompt": ""}),
    "alpaca-eval": ({"instruction": "A?", "output": "A."}, {"instruction": "", "output": ""}),
    "self-instruct": (
        {"instruction": "Do", "instances": [{"input": "x", "output": "y"}]},
        {"instruction": "", "instances": [{"input": "", "output": ""}]},
    ),
}

Records = list[dict[str, Any]]


def as_lines(path: Path, rows: Records) -> Path:
    path = path / "set.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def as_list(path: Path, rows: Records) -> Path:
    path = path / "set.json"
    path.write_text(json.dumps(rows))
    return path


def as_parquet(path: Path, rows: Records) -> Path:
    path = path / "set.parquet"
    pl.DataFrame(rows).write_parquet(path)
    return path


def as_folder(path: Path, rows: Records) -> Path:
    from datasets import Dataset

    path = path / "saved"
    Dataset.from_list(rows).save_to_disk(str(path))
    return path


WAYS: dict[str, Callable[[Path, Records], Path]] = {
    "jsonl": as_lines,
    "json": as_list,
    "parquet": as_parquet,
    "folder": as_folder,
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_broken_record_is_named(shape: str, way: str, tmp_path: Path):
    good, bad = SHAPES[shape]
    path = WAYS[way](tmp_path, [good])
    assert read_instructions(path).select("prompt", "response").rows() == [("Q", "A")]
    other = tmp_path / "other"
    other.mkdir()
    path = WAYS[way](other, [good, bad])
    with pytest.raises(SourceError, match=r"record 2: (no|its) ") as caught:
        read_instructions(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("name", SETS)
def test_a_broken_record_of_an_evaluation_set_is_named(name: str, tmp_path: Path):
    good, bad = SETS[name]
    assert len(read_sets([as_lines(tmp_path, [good])]))
    path = as_lines(tmp_path, [good, bad])
    with pytest.raises(SourceError, match="record 2: no question") as caught:
        read_sets([path])
    assert str(path) in str(caught.value)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def broken_files(folder: Path) -> dict[str, Path]:
    """Files that break off in the middle, or are not what their names say."""
    rows = [{"prompt": f"Q{n} " * 200, "response": "A"} for n in range(50)]
    found = {"parquet": as_parquet(folder, rows), "json": as_list(folder, rows)}
    found["jsonl"] = as_lines(folder, rows)
    found["gzip"] = folder / "packed.jsonl.gz"
    found["gzip"].write_bytes(gzip.compress(found["jsonl"].read_bytes()))
    for path in found.values():
        cut(path)
    found["zstd"] = folder / "plain.jsonl.zst"
    found["zstd"].write_text("no frame of zstd")
    found["latin"] = folder / "latin.csv"
    found["latin"].write_bytes("prompt,response\nQ,caf\u00e9\n".encode("latin-1"))
    found["saved"] = as_folder(folder, rows)
    (found["saved"] / "state.json").unlink()
    found["empty folder"] = folder / "nothing"
    found["empty folder"].mkdir()
    found["half a character"] = folder / "half.jsonl"
    found["half a character"].write_text('{"prompt": "Q \\ud800", "response": "A"}\n')
    found["absent"] = folder / "absent.jsonl"
    return found


@pytest.mark.parametrize(
    "kind",
    [
        *("parquet", "json", "jsonl", "gzip", "zstd", "latin", "saved", "empty folder"),
        *("half a character", "absent"),
    ],
)
def test_a_broken_file_is_one_error_and_nothing_is_written(kind: str, tmp_path: Path):
    files = tmp_path / "files"
    files.mkdir()
    path = broken_files(files)[kind]
    before = sorted(tmp_path.rglob("*"))
    space = str(tmp_path / "space")
    good = files / "good.jsonl"
    good.write_text('{"prompt": "Q", "response": "A"}\n')
    for words in ([str(path)], [str(good), "--against", str(path)]):
        done = CliRunner().invoke(app, ["audit", *words, "--workspace", space])
        assert isinstance(done.exception, SourceError), done.exception
        said = str(done.exception)
        assert str(path) in said
        assert "\n" not in said
    assert sorted(path for path in tmp_path.rglob("*") if path != good) == before


@pytest.mark.parametrize("table", ["table.txt", "nowhere/table.csv"])
def test_a_table_that_cannot_be_written_is_said_first(table: str, tmp_path: Path):
    good = tmp_path / "good.jsonl"
    good.write_text('{"prompt": "Q", "response": "A"}\n')
    words = ["audit", str(good), "--table", str(tmp_path / table)]
    done = CliRunner().invoke(app, [*words, "--workspace", str(tmp_path / "space")])
    assert isinstance(done.exception, CurationError), done.exception
    assert sorted(tmp_path.rglob("*")) == [good]
