"""Evaluation sets in their shapes, and what cannot be read."""

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.contamination.sets import read_sets
from pipeline.errors import SourceError

SHAPES: dict[str, tuple[dict[str, Any], list[tuple[str, str]]]] = {
    "mt-bench": ({"question_id": 81, "turns": ["A?", "B?"]}, [("prompt", "A?"), ("prompt", "B?")]),
    "its references": (
        {"choices": [{"turns": ["A.", "B."]}]},
        [("answer", "A."), ("answer", "B.")],
    ),
    "lima": ({"conversations": ["A?", "A."]}, [("prompt", "A?"), ("answer", "A.")]),
    "self-instruct": (
        {"instruction": "Do", "instances": [{"input": "x", "output": "y"}]},
        [("prompt", "Do"), ("prompt", "Do\n\nx"), ("answer", "y")],
    ),
    "wizardlm": ({"idx": 1, "Instruction": "A?"}, [("prompt", "A?")]),
    "alpaca-eval": ({"instruction": "A?", "output": "A."}, [("prompt", "A?"), ("answer", "A.")]),
    "gsm8k": ({"question": "A?", "answer": "4"}, [("prompt", "A?"), ("answer", "4")]),
    "humaneval": (
        {"task_id": "H/0", "prompt": "def f():", "canonical_solution": "pass"},
        [("prompt", "def f():"), ("answer", "pass")],
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_gives_its_texts(shape: str, tmp_path: Path):
    record, wanted = SHAPES[shape]
    path = tmp_path / "set.jsonl"
    path.write_text(json.dumps(record) + "\n")
    assert read_sets([path]).select("side", "text").rows() == wanted


def test_sets_of_one_name_are_told_apart(tmp_path: Path):
    for name in ("mt_bench", "vicuna"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "question.jsonl").write_text('{"text": "Why so?"}\n')
    paths = sorted(tmp_path.glob("*/question.jsonl"))
    assert read_sets(paths)["set"].to_list() == ["mt_bench/question", "vicuna/question"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("set.jsonl", '{"a": 1}\n', "record 1: no question"),
        ("set.jsonl", "[1]\n", "record 1: not an object"),
        ("set.jsonl", "{bad\n", "line 1: not JSON"),
        ("set.jsonl", "", "holds no records"),
        ("set.txt", "x", "give a .jsonl"),
        (
            "set.jsonl",
            '{"messages": [{"role": "examiner", "content": "Why?"}]}\n',
            "record 1: a turn is by 'examiner'",
        ),
    ],
)
def test_what_cannot_be_read_is_said(name: str, content: str, said: str, tmp_path: Path):
    (tmp_path / name).write_text(content)
    with pytest.raises(SourceError) as caught:
        read_sets([tmp_path / name])
    assert said in str(caught.value)
    assert name in str(caught.value)
    with pytest.raises(SourceError, match="There is no"):
        read_sets([tmp_path / "absent.jsonl"])
