"""What a set says of its authors is read; what cannot be read is one clear error."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipeline.errors import SourceError
from pipeline.instructions import read_instructions


def rows(tmp_path: Path, *records: dict[str, Any]) -> list[dict[str, Any]]:
    path = tmp_path / "set.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return read_instructions(path).to_dicts()


TALK = [{"from": "human", "value": "Q"}, {"from": "gpt", "value": "A"}]


@pytest.mark.parametrize(
    ("record", "shape", "origin"),
    [
        ({"conversations": TALK}, "sharegpt", "model"),
        ({"conversations": TALK, "origin": "human"}, "sharegpt", "human"),
        ({"instruction": "Q", "input": "", "output": "A"}, "alpaca", "model"),
        ({"instruction": "Q", "output": "A", "origin": "human"}, "alpaca", "human"),
        ({"instruction": "Q", "output": "A", "source": "wikihow"}, "alpaca", None),
        ({"conversations": ["Q", "A"]}, "lima", None),
        ({"prompt": "Q", "response": "A"}, "plain", None),
        ({"prompt": "Q", "response": "A", "generator": "gpt4"}, "plain", "model"),
        ({"instruction": "Q", "context": "", "response": "A"}, "plain", None),
        (
            {"messages": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}]},
            "chat",
            None,
        ),
    ],
)
def test_a_shape_says_who_wrote(
    record: dict[str, Any], shape: str, origin: str | None, tmp_path: Path
):
    (row,) = rows(tmp_path, record)
    assert (row["shape"], row["origin"], row["prompt"], row["response"]) == (
        shape,
        origin,
        "Q",
        "A",
    )


def test_hc3_holds_both_kinds(tmp_path: Path):
    record = {"question": "Q", "human_answers": ["A", "B"], "chatgpt_answers": ["C"]}
    found = [(row["response"], row["origin"]) for row in rows(tmp_path, record)]
    assert found == [("A", "human"), ("B", "human"), ("C", "model")]


def test_labels_and_parts_of_a_message_are_read(tmp_path: Path):
    parts = [{"type": "text", "text": "Q"}, {"type": "image_url", "image_url": {"url": "x"}}]
    record = {"messages": [{"role": "user", "content": parts}], "member": 1}
    (row,) = rows(tmp_path, record)
    assert (row["prompt"], row["member"]) == ("Q", True)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("set.jsonl", b'{"prompt": "\xff"}\n', "line 1: not JSON"),
        ("set.jsonl", b'{"conversations": [{"from": "gpt", "value": "A"}]}\n', "no turn of a user"),
        ("set.jsonl", b'{"conversations": [1]}\n', "record 1: no messages"),
        ("set.json", b"[" * 100_000, "is not JSON"),
        ("set.json", b'[{"prompt": "Q"}, 3]', "record 2: not an object"),
        ("set.csv", b"", "is not CSV"),
        ("set.parquet", b"PAR1", "is not Parquet"),
    ],
)
def test_what_cannot_be_read_is_one_error(name: str, content: bytes, said: str, tmp_path: Path):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(SourceError, match=said) as caught:
        read_instructions(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_broken_datasets_folder_is_one_error(tmp_path: Path):
    from datasets import Dataset

    saved = tmp_path / "saved"
    Dataset.from_list([{"prompt": "Q", "response": "A"}]).save_to_disk(str(saved))
    for file in saved.glob("*.arrow"):
        file.write_bytes(b"broken")
    with pytest.raises(SourceError, match="neither a release nor a folder"):
        read_instructions(saved)


def test_a_table_appears_whole_or_not_at_all(tmp_path: Path):
    from pipeline.audit import Audit

    table = pl.DataFrame({"passed": [True], "breaks": [["a", "b"]]})
    found = Audit(Path("x"), table, {})
    (tmp_path / "there.csv").mkdir()
    with pytest.raises(OSError, match="there"):
        found.write(tmp_path / "there.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["there.csv"]
