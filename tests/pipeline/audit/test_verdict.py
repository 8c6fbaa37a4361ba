"""Any instruction set: its shape is recognised, the rules and duplicates are those of a run."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipeline.audit import audit
from pipeline.errors import SourceError
from pipeline.instructions import read_instructions
from pipeline.loading import load

LONG = (
    "Water boils at a lower temperature on a mountain, since the air above presses on it with less "
    "weight, so pasta needs more minutes there although the pot looks just as lively. "
) * 8

SHAPES: dict[str, dict[str, Any]] = {
    "chat": {"messages": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}]},
    "sharegpt": {"conversations": [{"from": "human", "value": "Q"}, {"from": "gpt", "value": "A"}]},
    "lima": {"conversations": ["Q", "A"], "source": "stackexchange"},
    "alpaca": {"instruction": "Q", "input": "", "output": "A"},
    "ours": {"id": "x:1", "prompt": "Q", "response": "A"},
}


def write(path: Path, records: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_is_read(shape: str, tmp_path: Path) -> None:
    frame = read_instructions(write(tmp_path / "set.jsonl", [SHAPES[shape]]))
    assert frame.select("prompt", "response").row(0) == ("Q", "A")


def test_other_files_and_longer_talks(tmp_path: Path) -> None:
    talk = {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "One?"},
            {"role": "assistant", "content": "Yes."},
            {"role": "user", "content": "Two?"},
            {"role": "assistant", "content": "No."},
        ]
    }
    as_json = tmp_path / "set.json"
    as_json.write_text(json.dumps({"data": [talk]}))
    row = read_instructions(as_json).row(0, named=True)
    assert (row["system"], row["prompt"], row["response"]) == ("Be brief.", "Two?", "No.")
    assert [turn["content"] for turn in row["history"]] == ["One?", "Yes."]
    pl.DataFrame([SHAPES["alpaca"] | {"input": "extra"}]).write_parquet(tmp_path / "set.parquet")
    assert read_instructions(tmp_path / "set.parquet")["prompt"].to_list() == ["Q\n\nextra"]


def test_a_saved_datasets_folder_is_read(tmp_path: Path) -> None:
    from datasets import Dataset

    Dataset.from_list([SHAPES["chat"]]).save_to_disk(str(tmp_path / "saved"))
    assert read_instructions(tmp_path / "saved")["response"].to_list() == ["A"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("set.jsonl", "{bad\n", "line 1: not JSON"),
        ("set.jsonl", '{"a": 1}\n', "record 1: no messages"),
        ("set.jsonl", "[1]\n", "record 1: not an object"),
        ("set.jsonl", "", "holds no records"),
        ("set.json", '{"a": 1}', "not a list of records"),
        ("set.parquet", "PAR?", "is not Parquet"),
        ("set.txt", "x", "give a .jsonl"),
    ],
)
def test_what_cannot_be_read_is_said(name: str, content: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(SourceError, match="set") as caught:
        read_instructions(path)
    assert said in str(caught.value)


def test_rows_fail_by_rules_copies_and_evaluation_text(tmp_path: Path) -> None:
    rows = [
        {"prompt": "Why does pasta take longer on a mountain?", "response": LONG},
        {"prompt": "How is pasta cooked in the Andes, please?", "response": LONG},
        {"prompt": "Why is the sky blue at noon?", "response": "Because."},
        {"prompt": "Name three rivers of Asia.", "response": "I think so. " + LONG[::-1]},
        {
            "prompt": "How many eggs are left after Ann eats two of six?",
            "response": " ".join(reversed(LONG.split())),
        },
    ]
    evaluation = write(tmp_path / "eval.jsonl", [{"question": rows[4]["prompt"], "answer": "4"}])
    found = audit(
        write(tmp_path / "set.jsonl", rows),
        load("lima", ["filter.stackexchange.languages=null"]),
        [evaluation],
    )
    reasons = dict(found.table.select("id", "reason").iter_rows())
    assert reasons == {
        "1": None,
        "2": "duplicate_exact",
        "3": "too_short",
        "4": "first_person",
        "5": "contaminated",
    }
    answer = found.to_json()
    assert answer["rows"] == 5
    assert answer["passed"] == 1
    assert sum(answer["reasons"].values()) == 4
    assert "duplicate_exact" in found.render()
    for name in ("table.parquet", "table.csv", "table.jsonl"):
        found.write(tmp_path / name)
        assert (tmp_path / name).stat().st_size > 100


def test_words_shared_with_an_evaluation_set_are_found_in_the_response(tmp_path: Path) -> None:
    question = (
        "A train leaves the northern station at nine in the morning with forty passengers on board"
    )
    rows = [
        {
            "prompt": "Tell me a riddle about trains, please.",
            "response": f"{LONG} {question} {LONG[:40]}",
        }
    ]
    evaluation = write(tmp_path / "eval.jsonl", [{"text": question + ", how many?"}])
    found = audit(write(tmp_path / "set.jsonl", rows), load("lima"), [evaluation])
    assert "contaminated" in found.breaks
