"""`thousand learn` on made-up labels, with the real embedding model."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.score.learned import load

SITES = ("bread", "stars", "gardens", "tools", "boats")


def write(path: Path, records: list[dict[str, object]]) -> Path:
    path.write_text("\n".join(json.dumps(record) for record in records), encoding="utf-8")
    return path


@pytest.mark.slow
def test_labels_become_a_score_and_a_card(tmp_path: Path):
    records = [
        {
            "prompt": f"How do I mend {site} number {row}?",
            "response": "Do it well.\n\n- one\n- two\n- three" if row % 2 else "No idea about it.",
            "label": row % 2,
            "domain": site,
        }
        for site in SITES
        for row in range(44)
    ]
    out = tmp_path / "score"
    words = ["learn", str(write(tmp_path / "rows.jsonl", records)), "--out", str(out), "--json"]
    ran = CliRunner().invoke(app, [*words, "--label", "label", "--workspace", str(tmp_path)])
    assert ran.exit_code == 0, ran.output
    answer = json.loads(ran.stdout)
    assert (answer["rows"], answer["groups"]) == (220, 5)
    assert answer["figures"]["AUC"]["learned"]["value"] == 1
    assert load(out).about["trained_on"]["grouped_by"] == "sites"
    assert "expected calibration error" in (out / "README.md").read_text(encoding="utf-8").lower()


def test_it_wants_one_kind_of_labels(tmp_path: Path):
    path = write(tmp_path / "rows.jsonl", [{"prompt": "p", "response": "r", "label": 1}])
    words = ["learn", str(path), "--out", str(tmp_path / "m")]
    for more in ([], ["--label", "label", "--against", str(path)]):
        ran = CliRunner().invoke(app, [*words, *more])
        assert "Say what is good" in str(ran.exception)
    ran = CliRunner().invoke(app, [*words, "--label", "label"])
    assert "nothing to tell apart" in str(ran.exception) or "groups" in str(ran.exception)
    assert not (tmp_path / "m").exists()
