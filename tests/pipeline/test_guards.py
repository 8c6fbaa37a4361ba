"""A planted row of each kind does not reach the release; decisions.parquet says why."""

import json
import shutil
from html import escape
from pathlib import Path

import polars as pl
import pytest

from pipeline.loading import load
from pipeline.run import Workspace, curate

TOKEN = "ghp_" + "aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY3zA5"
LONG = 2 * (
    "The dough needs time more than work. Mix flour, water and salt, leave it under a cloth for an "
    "hour, then fold it once from each side. After the third fold it is smooth, and the oven can be "
    "heated; a stone at the bottom gives the crust its spring. "
)
HELD_OUT = "Why does the crumb of my rye loaf turn gummy and sticky in the middle after baking?"
PARAPHRASE = (
    "My rye loaf has a gummy, sticky crumb in the centre once it is baked. What causes that?"
)

# name: (title, answer, year, votes, reason)
PLANTED = {
    "language": (
        "How is rye flour kept fresh over the summer in a warm kitchen?",
        "La farine de seigle se garde dans un endroit frais et sec, à l'abri de la lumière. Versez la "
        "farine dans un bocal fermé, notez la date et utilisez-la dans les trois mois. " * 6,
        2016,
        "language",
    ),
    "key": (
        "How does the sensor of a proofing box report to a server?",
        f"{LONG}Send the readings with the header token {TOKEN} each minute. {LONG[::-1]}" + LONG,
        2016,
        "personal_data",
    ),
    "unsafe": (
        "What should a baker know about quarrels with the shop next door?",
        f"{LONG.upper()} The best way to poison my neighbour is in the yeast. {LONG}",
        2016,
        "unsafe",
    ),
    "chatbot": (
        "How long does a wheat starter live in a cold fridge?",
        f"As an AI language model, I have no fridge. {LONG} {LONG.title()} {LONG.swapcase()}",
        2023,
        "after_cutoff",
    ),
    "old chatbot": (
        "How warm should the water for a poolish be in winter?",
        f"{LONG.swapcase()} As an AI language model, I have no winter. {LONG.title()} Enough.",
        2016,
        "machine_text",
    ),
    "question": (
        HELD_OUT,
        f"{LONG.replace('dough', 'paste')} {LONG.title()} Rye.",
        2016,
        "contaminated",
    ),
    "paraphrase": (
        PARAPHRASE,
        "Rye holds much water and its enzymes cut starch to sugar while the loaf bakes. Sour the "
        "dough so that they stop, bake longer at a lower heat, and wait a day before you cut it. "
        * 4,
        2016,
        "contaminated",
    ),
}


def posts() -> str:
    lines = []
    for number, (title, answer, year, _) in enumerate(PLANTED.values()):
        question, reply = 9000 + 2 * number, 9001 + 2 * number
        day = f"{year}-03-0{number % 9 + 1}T10:00:00.000"
        common = f'CreationDate="{day}" Score="40" OwnerUserId="5" ContentLicense="CC BY-SA 4.0"'
        body = escape(f"<p>{title}</p>", quote=True)
        lines.append(
            f'  <row Id="{question}" PostTypeId="1" {common} Body="{body}" '
            f'Title="{escape(title, quote=True)}" Tags="&lt;rye&gt;" AnswerCount="1" />'
        )
        text = escape(f"<p>{answer}</p>", quote=True)
        lines.append(
            f'  <row Id="{reply}" PostTypeId="2" ParentId="{question}" {common} Body="{text}" />'
        )
    return "\n".join(lines)


@pytest.mark.slow
def test_no_planted_row_reaches_the_release(sample: Path, tmp_path: Path) -> None:
    site = tmp_path / "dumps" / "stackexchange" / "bread.example"
    shutil.copytree(sample / "stackexchange" / "bread.example", site)
    path = site / "Posts.xml"
    text = path.read_text(encoding="utf-8-sig")
    path.write_text(text.replace("</posts>", f"{posts()}\n</posts>"), encoding="utf-8")
    held_out = tmp_path / "held_out.jsonl"
    held_out.write_text(json.dumps({"question": HELD_OUT}) + "\n")
    recipe = load(
        "sample",
        [
            f"contamination.against=[{held_out}]",
            "clean.prompt=title",
            "filter.stackexchange.require_whole=false",
            "filter.stackexchange.max_first_person=null",
            "select.quotas={other: 10}",
            "select.validation={}",
            "select.test={}",
        ],
    )
    done = curate(recipe, tmp_path / "dumps", Workspace(tmp_path / "ws"))
    decisions = pl.read_parquet(Path(done.release) / "decisions.parquet")
    found = dict(decisions.select("id", "reason").iter_rows())
    rows = {name: f"stackexchange:bread:{9001 + 2 * n}" for n, name in enumerate(PLANTED)}
    assert {name: found[row] for name, row in rows.items()} == {
        name: reason for name, (_, _, _, reason) in PLANTED.items()
    }
    released = pl.read_parquet(Path(done.release) / "data" / "train.parquet")
    assert not set(released["id"]) & set(rows.values())
    assert len(released) == done.rows > 0
    stages = dict(decisions.select("id", "stage").iter_rows())
    assert stages[rows["question"]] == "contamination"
    assert stages[rows["paraphrase"]] == "neighbours"
