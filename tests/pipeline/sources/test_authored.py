import json
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import SourceError
from pipeline.recipe import Ingest
from pipeline.sources import authored
from pipeline.sources.base import Tally

GOOD: dict[str, object] = {
    "id": "a1", "prompt": "Why?", "response": "Because.", "author": "Ann", "licence": "CC0-1.0",
}  # fmt: skip


def read(dumps: Path, **values: object) -> tuple[pl.DataFrame, Tally]:
    settings, tally = Ingest.model_validate(values), Tally(1.0)
    (found,) = authored.find(dumps, settings)
    frames = authored.read(found, settings, tally, dumps)
    return pl.concat([pl.DataFrame(), *frames]), tally


def write(dumps: Path, name: str, text: str) -> None:
    path = dumps / "authored" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_json_lines_and_yaml(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    dialogue = {**GOOD, "id": "a2", "history": turns, "system": "Be kind.", "prompt": "1\n2"}
    write(tmp_path, "a.jsonl", f"{json.dumps(GOOD)}\n\n{json.dumps(dialogue)}\n")
    write(tmp_path, "b.yaml", "- id: b1\n  prompt: How?\n  author: Bob\n  licence: CC0-1.0\n")
    rows, tally = read(tmp_path)
    assert rows.select("id", "title", "body", "response", "split", "url").rows() == [
        ("authored:a1", "Why?", None, "Because.", None, "authored/a.jsonl#a1"),
        ("authored:a2", None, "1\n2", "Because.", None, "authored/a.jsonl#a2"),
        ("authored:b1", "How?", None, None, "test", "authored/b.yaml#b1"),
    ]
    assert rows["history"].to_list() == [[], turns, []]
    assert not tally.malformed


def test_each_bad_record_is_named_with_its_line(tmp_path: Path) -> None:
    bad = ['{"id": "a1"', json.dumps(GOOD), json.dumps({**GOOD, "id": 7, "extra": 1}),
           json.dumps({**GOOD, "id": "a3", "response": None, "split": "train"}), "[" * 100_000,
           '{"id": "\\ud800"}', "\x00"]  # fmt: skip
    write(tmp_path, "a.jsonl", "\n".join([json.dumps(GOOD), *bad]))
    rows, tally = read(tmp_path)
    assert len(rows) == 1
    assert [line for _, line, _ in tally.malformed] == [2, 3, 4, 5, 6, 7, 8]
    whys = [why for _, _, why in tally.malformed]
    assert "id: 'a1' stands for another example already" in whys[1]
    assert "id: Input should be a valid string; extra: Extra inputs" in whys[2]
    assert "split train needs a response" in whys[3]


@pytest.mark.parametrize("text", ["a: [", "just text", "!!python/object:os.system {}", "[" * 9999])
def test_other_yaml_is_refused(tmp_path: Path, text: str) -> None:
    write(tmp_path, "a.yml", text)
    with pytest.raises(SourceError, match=r"authored/a\.yml"):
        read(tmp_path)


@given(st.dictionaries(st.sampled_from([*GOOD, "split", "history", "url", "kind"]),
                       st.none() | st.text(max_size=5) | st.lists(st.text(max_size=3))))  # fmt: skip
def test_any_record_has_one_fate(tmp_path_factory: pytest.TempPathFactory, odd: object) -> None:
    dumps = tmp_path_factory.mktemp("any")
    lines = [json.dumps({**GOOD, "id": "good"}), json.dumps({**GOOD, **dict(odd)})]  # type: ignore[call-overload]
    write(dumps, "a.jsonl", "\n".join(lines))
    rows, tally = read(dumps)
    assert len(rows) + len(tally.malformed) == 2


def test_sample() -> None:
    rows, tally = read(Path(__file__).parents[3] / "data" / "sample")
    assert sum(tally.rows.values()) == len(rows) + len(tally.malformed)
    assert len(rows) > 20
