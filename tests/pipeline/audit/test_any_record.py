"""Whatever JSON a record holds: it is read, or one clear error says what is wrong with it."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pipeline.contamination.sets import read_sets
from pipeline.errors import SourceError
from pipeline.instructions import read_instructions

KEYS = (
    *("messages", "conversations", "conversation", "turns", "choices", "instances", "reference"),
    *("instruction", "input", "output", "prompt", "response", "question", "text", "answer"),
    *("human_answers", "chatgpt_answers", "role", "from", "content", "value", "system", "history"),
    *("id", "source", "licence", "origin", "member", "model", "generator", "type"),
)
PLAIN = st.sampled_from(["Q", "", "user", "gpt", "human", "assistant", "model", 5, 1.5, None, True])
VALUES = st.recursive(
    PLAIN,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)
    ),
    max_leaves=8,
)
RECORDS = st.dictionaries(st.sampled_from(KEYS), VALUES, min_size=1, max_size=5)


@given(record=RECORDS)
@example(record={"conversations": [{"from": "human", "value": "Q"}, "A"]})
@example(record={"conversations": [{"from": "human", "value": {"text": "Q"}}]})
@example(record={"question": "Q", "choices": 5, "conversations": 7})
@example(record={"question": "Q", "human_answers": [None], "chatgpt_answers": [3]})
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.parametrize("name", ["set.jsonl", "set.json"])
def test_a_record_is_read_or_refused(name: str, record: dict[str, Any], tmp_path: Path):
    path = tmp_path / name
    text = json.dumps(record)
    path.write_text(f"{text}\n" if name.endswith("l") else f"[{text}]")
    for read in (read_instructions, lambda file: read_sets([file])):
        try:
            rows, said = len(read(path)), ""
        except SourceError as error:
            rows, said = 0, str(error)
        assert rows or (str(path) in said and "\n" not in said)
