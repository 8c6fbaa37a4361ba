"""The command line: exit statuses, one sentence per error, JSON that is only JSON."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipeline.cli import main

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def thousand(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["thousand", *map(str, words)])
        try:
            main()
            status = 0
        except SystemExit as stop:
            status = int(stop.code or 0)
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["run", "--wrong"], 2, "No such option"),
        (["run", "limo", "--plain"], 2, "Did you mean 'lima'?"),
        (["run", "lima", "--set", "selekt.size=3", "--plain"], 2, "did you mean 'select'?"),
        (["run", "lima", "--runner", "abacus", "--plain"], 2, "is not one of"),
        (["run", "lima", "--size", "0", "--plain"], 2, "select.size"),
        (["run", "lima", "--dumps", "nowhere", "--plain"], 1, "There is no dumps folder"),
        (["explain", "x:1", "--workspace", "nowhere"], 1, "start one with `thousand run`"),
        (["audit", "nothing.jsonl"], 1, "There is no nothing.jsonl"),
        (["verify", "nowhere"], 1, "nowhere"),
        (["recipe", "check", "lima", "--set", "dedup.threshold=7"], 2, "dedup.threshold"),
        (["recipe", "check", "lima", "--set", "seed=true"], 2, "true and false are no value here"),
        (["recipe", "check", "twice.yaml"], 2, "'name' stands twice"),
        (["run", "lima", "--workspace", "twice.yaml", "--plain"], 1, "twice.yaml"),
    ],
)
def test_wrong_words_end_with_one_sentence(
    thousand: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    status: int,
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("twice.yaml").write_text("name: a\nname: b\n")
    Path("data/sample/authored").mkdir(parents=True)
    Path("data/sample/authored/none.jsonl").touch()
    code, out, err = thousand(*words)
    assert code == status
    assert said in err + out
    assert "Traceback" not in err


def test_debug_adds_the_traceback(thousand: Run, tmp_path: Path) -> None:
    code, _, err = thousand("audit", tmp_path / "no.jsonl", "--debug")
    assert code == 1
    assert "Traceback" in err
    assert err.strip().splitlines()[-1].startswith("error: There is no")


def test_an_empty_dumps_folder_is_named(thousand: Run, tmp_path: Path) -> None:
    code, _, err = thousand(
        "run", "lima", "--dumps", tmp_path, "--workspace", tmp_path / "w", "--plain"
    )
    assert code == 1
    assert "holds no dumps: expected one of the folders stackexchange" in err


def test_recipe_commands(thousand: Run) -> None:
    import yaml

    code, out, _ = thousand("recipe", "show", "relaxed", "--set", "seed=9")
    assert code == 0
    assert yaml.safe_load(out)["select"]["seed"] == 9
    code, out, _ = thousand("recipe", "schema")
    assert json.loads(out)["properties"]["filter"]
    assert thousand("recipe", "check", "sample")[0] == 0


def test_dedup_writes_three_tables_and_one_json(thousand: Run, tmp_path: Path) -> None:
    text = " ".join(f"word{n}" for n in range(60))
    rows = [
        {"id": 1, "text": text, "extra": "a"},
        {"id": 2, "text": text.replace("word30", "other"), "extra": "b"},
        {"id": 3, "text": "something else entirely, and long enough to be itself", "extra": "c"},
    ]
    source = tmp_path / "texts.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    code, out, _ = thousand("dedup", source, "--out", tmp_path / "out", "--json")
    answer: dict[str, Any] = json.loads(out)
    assert code == 0
    assert (answer["rows"], answer["kept"], answer["clusters"]) == (3, 2, 1)
    kept = pl.read_parquet(tmp_path / "out" / "kept.parquet")
    assert kept["id"].to_list() == ["1", "3"]
    assert kept["extra"].to_list() == ["a", "c"]
    pairs = pl.read_parquet(tmp_path / "out" / "pairs.parquet")
    assert pairs.row(0) == ("1", "2", round(51 / 61, 4), True)
    clusters = pl.read_parquet(tmp_path / "out" / "clusters.parquet")
    assert clusters.columns == ["cluster", "id", "keeps", "similarity_to_kept"]
    again = thousand("dedup", source, "--out", tmp_path / "out", "--threshold", "0.9", "--json")
    assert json.loads(again[1])["kept"] == 3


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"id": 1, "txt": "a"}\n', "has no column text; it has id, txt"),
        ('{"id": 1, "text": "a"}\n{"id": 1, "text": "b"}\n', "row 2 have the same id '1'; ids"),
        ("", "texts.jsonl is empty; leave it out"),
        ('{"id": [1], "text": "a"}\n', "the column id holds lists or objects, not texts."),
        ("{broken\n", "texts.jsonl, line 1: it is not a JSON object; repair or remove the line."),
        ('{"id": 1, "text": "a"}\n[]\n', "texts.jsonl, line 2: it is not a JSON object"),
        ('{"id": 1, "text": "a"}\n\n{"id": 2, "te\n', "texts.jsonl, line 3: it is not a JSON"),
        ('{"id": 1, "text": "a"}\n{"text": "b"}\n', "texts.jsonl, row 2: it has no id"),
    ],
)
def test_dedup_refuses_what_it_cannot_read(
    thousand: Run, tmp_path: Path, content: str, said: str
) -> None:
    source = tmp_path / "texts.jsonl"
    source.write_text(content)
    code, _, err = thousand("dedup", source, "--out", tmp_path / "out")
    assert code == 1
    assert said in err
    assert not (tmp_path / "out").exists()


def test_dedup_names_the_files_of_an_id_that_is_twice(thousand: Run, tmp_path: Path) -> None:
    first, second = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    first.write_text('{"id": "a1", "text": "x"}\n{"id": "a0", "text": "x"}\n')
    second.write_text('{"id": "a0", "text": "y"}\n')
    code, _, err = thousand("dedup", first, second, "--out", tmp_path / "out")
    assert code == 1
    assert f"{first}, row 2 and {second}, row 1 have the same id 'a0'" in err
    code, _, err = thousand("dedup", first, tmp_path / "c.jsonl", "--out", tmp_path / "out")
    assert code == 1
    assert f"There is no file {tmp_path / 'c.jsonl'}" in err
