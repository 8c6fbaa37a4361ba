import json
import re
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.errors import CurationError, ModelError
from pipeline.lm.report import Scored
from pipeline.lm.score import SCORES
from pipeline.lm.threshold import thresholds

ROWS = [
    {"instruction": "Say hello.", "output": "Hello there!"},
    {"messages": [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "因为。"}]},
    {"instruction": "Say nothing.", "output": ""},
    {"instruction": "Say much.", "output": "word " * 20_000},
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "set.jsonl"
    path.write_text("\n".join(map(json.dumps, ROWS)), encoding="utf-8")
    return path


@pytest.fixture
def call(file: Path, tiny_folder: Path, tmp_path: Path) -> Callable[..., object]:
    def go(*words: str) -> str:
        fixed = ["score", str(file), "--model", str(tiny_folder), "--workspace", str(tmp_path)]
        found = CliRunner().invoke(app, [*fixed, *words], catch_exceptions=False)
        assert found.exit_code == 0
        return found.output

    return go


@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl"])
def test_a_set_is_scored_and_its_table_written(call: Callable, tmp_path: Path, kind: str):
    path = tmp_path / "out" / f"table.{kind}"
    answer = json.loads(call("--json", "--table", str(path), "--max-tokens", "64"))
    assert answer["rows"] == 4
    assert answer["scored"] == 3
    assert answer["cut"] == 1
    assert answer["errors"] == {"the response is empty": 1}
    assert answer["scores"]["ifd"]["median"] > 0
    readers = {"parquet": pl.read_parquet, "csv": pl.read_csv, "jsonl": pl.read_ndjson}
    table = readers[kind](path)
    assert table.columns == ["id", *SCORES]
    assert table["tokens"].to_list() == [12, 9, None, 100_000]
    assert [item.name for item in path.parent.iterdir()] == [path.name]


def test_people_get_a_summary(call: Callable):
    text = call("--limit", "3", "--max-tokens", "64")
    assert "2 of 3 rows scored" in text
    assert "not scored, the response is empty: 1" in text
    assert re.search(r"^tokens +9 +10 +12$", text, re.M)
    assert "ifd_perplexity" in text


def test_a_file_without_a_row_to_score_is_no_success(tiny_folder: Path, tmp_path: Path):
    file = tmp_path / "empty.jsonl"
    file.write_text('{"prompt": "a", "response": ""}\n')
    words = ["score", str(file), "--model", str(tiny_folder), "--workspace", str(tmp_path)]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 1
    assert result.stdout.splitlines()[-1] == "not scored, the response is empty: 1"


def test_long_numbers_keep_apart():
    table = pl.DataFrame({name: [1e9] for name in SCORES}).with_columns(error=None, cut=False)
    text = Scored(Path("x"), "m", "float32", "cpu", 384, table, pl.Series(["s"]), 1.0).render()
    assert "1,000,000,000.000 1,000,000,000.000" in text


def test_limits_come_from_a_rate_of_false_alarms(call: Callable):
    answer = json.loads(call("--json", "--false-alarms", "0.5", "--max-tokens", "64"))
    assert list(answer["machine_text_limits"]) == ["unknown"]
    assert answer["machine_text_limits"]["unknown"] == pytest.approx(
        answer["scores"]["perplexity"]["median"], abs=1e-3
    )
    assert "too few rows for this rate" in call("--false-alarms", "0.01", "--max-tokens", "64")


def test_a_limit_lets_the_stated_share_of_human_text_be_wrong():
    table = pl.DataFrame(
        {"source": ["a"] * 200 + ["b"] * 20, "curvature": [float(n) for n in range(220)]}
    )
    found = thresholds(table, 0.05, "curvature")
    assert (table["curvature"][:200] > found["a"]).sum() == 10
    assert found["b"] is not None
    low = thresholds(table.rename({"curvature": "perplexity"}), 0.05, "perplexity")
    assert (table["curvature"][:200] < low["a"]).sum() == 10
    assert thresholds(table, 0.01, "curvature")["b"] is None


def test_a_wrong_table_or_model_is_told_before_the_work(call: Callable, tmp_path: Path):
    with pytest.raises(CurationError, match=r"can be \.parquet, \.csv or \.jsonl"):
        call("--table", str(tmp_path / "table.xlsx"))
    (tmp_path / "in-the-way").write_text("a file")
    (tmp_path / "folder.csv").mkdir()
    wrong = {
        "no table can be written there": ("--table", str(tmp_path / "in-the-way" / "table.csv")),
        "is a folder": ("--table", str(tmp_path / "folder.csv")),
        "between 0 and 1": ("--false-alarms", "2"),
    }
    for said, words in wrong.items():
        with pytest.raises(CurationError, match=said):
            call("--model", "nothing", *words)
    with pytest.raises(ModelError, match="There is no language model 'nothing'"):
        call("--model", "nothing", "--table", str(tmp_path / "table.csv"))
    assert not (tmp_path / "table.csv").exists()
