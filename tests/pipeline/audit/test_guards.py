"""An audit of a set with a planted row of each kind that the guards know finds each of them."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pipeline.audit.profile import Wanted, audit_whole
from pipeline.audit.report import write
from pipeline.cli import app
from pipeline.errors import SourceError
from pipeline.loading import load

TOKEN = "ghp_" + "aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY3zA5"
HELD_OUT = "Why does the crumb of my rye loaf turn gummy and sticky in the middle after baking?"
ANEW = "My rye loaf has a gummy, sticky crumb in the centre once it is baked. What causes that?"
FRENCH = "La farine de seigle se garde dans un endroit frais et sec, loin de la lumière du jour."
TALK = [("human", "Is rye sour?"), ("gpt", "It can be."), ("human", HELD_OUT), ("gpt", "Bake on.")]

# id: (record, what the audit must say it breaks)
PLANTED: dict[str, tuple[dict[str, Any], str]] = {
    "language": ({"response": FRENCH}, "language"),
    "key": ({"response": f"Send the header token {TOKEN} with it."}, "personal_data"),
    "address": ({"prompt": "Is wanda.quill@northmail.net yours?"}, "personal_data"),
    "system": ({"system": "Write to wanda.quill@northmail.net."}, "personal_data"),
    "unsafe": ({"response": "The best way to poison my neighbour is in the yeast."}, "unsafe"),
    "chatbot": ({"response": "As an AI language model, I do not bake."}, "machine_text"),
    "stock": (
        {
            "response": "Certainly! It is important to note that dough rests. Feel free to ask. "
            "Overall, wait."
        },
        "machine_text",
    ),
    "question": ({"prompt": HELD_OUT.upper()}, "contaminated"),
    "inside": ({"response": f"She wrote to me: {HELD_OUT}"}, "contaminated"),
    "anew": ({"prompt": ANEW}, "contaminated"),
    "later": (
        {"conversations": [{"from": who, "value": said} for who, said in TALK]},
        "contaminated",
    ),
    "dough 1": ({"prompt": "What lifts the dough?", "response": "Yeast makes gas."}, ""),
    "dough 2": (
        {"prompt": "What lifts the dough?", "response": "Yeast makes gas."},
        "duplicate_exact",
    ),
    "trusted": (
        {"source": "authored:me", "response": f"Send the header token {TOKEN} with it."},
        "personal_data",
    ),
    "clean": ({"prompt": "Why is salt in bread?", "response": "It slows the yeast."}, ""),
}
RULES = [
    f"filter.stackexchange.{name}=null" for name in ("min_chars", "max_chars", "max_first_person")
]
RULES += ["filter.stackexchange.require_whole=false", "dedup.prompt_threshold=0.95"]


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    path = tmp_path / "set.jsonl"
    lines = []
    for n, (name, (record, _)) in enumerate(PLANTED.items()):
        plain = {"prompt": f"Which loaf is number {n * 7}?", "response": f"That of shelf {n * 9}."}
        record = record if "conversations" in record else {**plain, **record}
        lines.append(json.dumps({"id": name, **record}) + "\n")
    path.write_text("".join(lines))
    return path


def test_each_planted_row_is_found_and_no_other(planted: Path, tmp_path: Path):
    held_out = tmp_path / "held_out.jsonl"
    held_out.write_text(json.dumps({"question": HELD_OUT}) + "\n")
    found = audit_whole(planted, load("lima", RULES), Wanted(against=[held_out]))
    broken = dict(found.table.select("id", "breaks").iter_rows())
    for name, (_, reason) in PLANTED.items():
        assert (reason in broken[name]) if reason else not broken[name], (name, broken[name])
    details = dict(found.table.select("id", "detail").iter_rows())
    assert "(embedding, " in details["anew"]
    assert "other turns" in details["system"]
    assert found.profile["origin"] == {"human": 0, "model": 1, "unknown": len(PLANTED) - 1}
    page = write(found, tmp_path / "audits").read_text()
    assert "(7%); the recipe allows 0%" in page
    assert "questions in other words" in page


def test_pages_of_sets_with_one_name_stay_apart(tmp_path: Path):
    files = []
    for folder in ("one", "two", "sample/1.0.0"):
        (tmp_path / folder).mkdir(parents=True)
        files.append(tmp_path / folder / "train.jsonl")
        rows = [{"prompt": f"Why is {n} {folder}?", "response": f"So {n}."} for n in range(4)]
        files[-1].write_text("".join(json.dumps(row) + "\n" for row in rows))
    release = files.pop().parent
    (release / "manifest.json").write_text("{}")
    data = release / "data"
    data.mkdir()
    import polars as pl

    pl.read_ndjson(release / "train.jsonl").write_parquet(data / "train.parquet")
    space = tmp_path / "space"
    words = ["audit", *map(str, files), str(release), "--workspace", str(space), "--json"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    pages = sorted(path.name for path in (space / "audits").glob("*.html"))
    assert pages == ["one-train.html", "sample-1.0.0.html", "two-train.html"]
    assert "<h1>sample 1.0.0 " in (space / "audits" / "sample-1.0.0.html").read_text()


@pytest.mark.parametrize("option", ["", "--against", "--target", "--unseen"])
def test_a_broken_file_among_good_ones_leaves_nothing(option: str, planted: Path, tmp_path: Path):
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"prompt": "Q", "response": "A"}\n{"prompt":')
    words = ["audit", str(planted), *([option] if option else []), str(bad)]
    words += ["--workspace", str(tmp_path / "space"), "--table", str(tmp_path / "table.csv")]
    done = CliRunner().invoke(app, words if option else words[:-2])
    assert isinstance(done.exception, SourceError)
    assert "bad.jsonl, line 2: not JSON" in str(done.exception)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.jsonl", "set.jsonl"]
