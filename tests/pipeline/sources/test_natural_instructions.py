import json
from pathlib import Path

import polars as pl
import pytest

from pipeline.errors import SourceError
from pipeline.recipe import Ingest
from pipeline.sources import natural_instructions
from pipeline.sources.base import Tally

SAMPLE = Path(__file__).parents[3] / "data" / "sample"


def task(**more: object) -> dict[str, object]:
    return {
        "Contributors": ["Ann", "Bob"], "Categories": ["Summarization", "Other"],
        "Definition": ["Shorten it."], "Input_language": ["English"],
        "Output_language": ["English"],
        "Instances": [{"id": f"t-{n}", "input": f"Text {n}.", "output": [f"T{n}.", "x"]}
                      for n in range(9)],
        **more,
    }  # fmt: skip


def read(dumps: Path, **values: object) -> tuple[pl.DataFrame, Tally]:
    settings, tally = Ingest.model_validate(values), Tally(1.0)
    (found,) = natural_instructions.find(dumps, settings)
    frames = natural_instructions.read(found, settings, tally, dumps)
    return pl.concat([pl.DataFrame(), *frames]), tally


def write(dumps: Path, name: str, value: object) -> None:
    path = dumps / "natural_instructions" / "tasks" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")


def test_one_instance_of_each_task_is_drawn_by_the_seed(tmp_path: Path) -> None:
    write(tmp_path, "task1_x.json", task())
    write(tmp_path, "task2_y.json", task(URL=["https://a.example"], Contributors="Eve",
                                         **{"Instance License": ["Unknown"]}))  # fmt: skip
    rows, tally = read(tmp_path)
    first, second = rows.iter_rows(named=True)
    number = first["id"].rsplit("-", 1)[1]
    assert first["id"] == f"natural_instructions:task1_x:t-{number}"
    assert (first["title"], first["body"]) == (None, f"Shorten it.\n\nText {number}.")
    assert first["response"] == f"T{number}."
    assert (first["domain"], first["author"], first["licence"]) == (
        "Summarization", "Ann, Bob", "Apache-2.0",
    )  # fmt: skip
    assert first["url"].endswith("natural-instructions/tree/master/tasks/task1_x.json")
    assert (second["url"], second["author"]) == ("https://a.example", "Eve")
    assert second["licence"] == "LicenseRef-Unknown"
    assert sum(tally.left_out.values()) == 16
    assert read(tmp_path)[0].equals(rows)
    drawn = {read(tmp_path, seed=seed)[0]["id"][0] for seed in range(20)}
    assert len(drawn) > 3


def test_other_languages_and_bad_instances_are_counted(tmp_path: Path) -> None:
    write(tmp_path, "de.json", task(Output_language=["German"]))
    instances = [{"input": "I", "output": "O"}, 7, {"input": None, "output": ["O"]},
                 {"input": "I", "output": []}]  # fmt: skip
    write(tmp_path, "odd.json", task(Instances=instances))
    rows, tally = read(tmp_path)
    assert rows["id"].to_list() == ["natural_instructions:odd:1"]
    assert tally.left_out == {("natural_instructions/tasks/de.json", "language"): 9}
    assert [line for _, line, _ in tally.malformed] == [2, 3, 4]


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("{", "cannot be read: "),
        ("[" * 200_000, "cannot be read: "),
        ({"Instances": []}, "is no Natural"),
    ],
)
def test_other_files_are_refused_or_skipped(tmp_path: Path, value: object, says: str) -> None:
    write(tmp_path, "a.json", value)
    write(tmp_path, "b.json", task())
    with pytest.raises(SourceError, match=says):
        read(tmp_path)
    assert len(read(tmp_path, on_bad_file="skip")[0]) == 1


def test_turned_off_finds_nothing(tmp_path: Path) -> None:
    write(tmp_path, "a.json", task())
    settings = Ingest.model_validate({"natural_instructions": False})
    assert natural_instructions.find(tmp_path, settings) == []


def test_sample() -> None:
    rows, tally = read(SAMPLE)
    assert len(rows) == len(tally.rows)
    assert not tally.malformed
