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
    assert (answer["grouped_by"], answer["warnings"]) == ("sites", [])
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
    ran = CliRunner().invoke(app, [*words, "--against", str(path)])
    assert "All 1 labelled rows are given with more than one label" in str(ran.exception)
    assert not (tmp_path / "m").exists()


@pytest.mark.slow
def test_what_is_wrong_with_labels_is_told_in_output_and_card(tmp_path: Path):
    """Longer is better, and one row in five names no site."""
    records = [
        {"prompt": f"How do I mend {site}?", "response": "Do it well. " * (row + 1), "label": row}
        | ({"domain": site} if row % 5 else {})
        for site in SITES
        for row in range(44)
    ]
    blank = [{**records[0], "response": " "}, {**records[0], "label": None}] * 2
    path = write(tmp_path / "rows.jsonl", [*records, *records[:7], *blank])
    words = ["learn", str(path), "--label", "label", "--out", str(tmp_path / "m")]
    ran = CliRunner().invoke(app, [*words, "--workspace", str(tmp_path)])
    assert ran.exit_code == 0, ran.output
    assert "220 rows of " in ran.output
    assert "since some rows (45) name no site" in ran.output
    card = (tmp_path / "m" / "README.md").read_text(encoding="utf-8")
    for sentence in (
        "Rows without a prompt or a response, which are left out: 2.",
        "Rows without a label, which are left out: 2.",
        "Rows given again with the same label, which count once: 7.",
        "By rank correlation (Spearman) the learned score",
    ):
        assert f"warning: {sentence}" in ran.output
        assert f"**Warning.** {sentence}" in card
