"""Pages of audits: what a hostile set holds does not run, and what matters is said."""

import json
import shutil
import subprocess
from pathlib import Path

import polars as pl
import pytest

from pipeline.audit.collapse import lineage
from pipeline.audit.collapse_report import write as write_lineage
from pipeline.audit.profile import Wanted, audit_whole
from pipeline.audit.report import write
from pipeline.audit.style import marks
from pipeline.errors import CurationError, SourceError
from pipeline.loading import load

HOSTILE = (
    "</script><script>document.title='ran'</script><img src=x onerror=\"document.title='ran'\">"
)
TOPICS = ("bread", "stars", "rivers", "trains", "violins", "glaciers", "compilers", "gardens")


def records(count: int, topics: int = 8, origin: str = "human") -> list[dict[str, str]]:
    return [
        {
            "id": f"{HOSTILE}{n}",
            "prompt": f"{HOSTILE} Why do {TOPICS[n % topics]} differ in case {n}?",
            "response": f"{HOSTILE} {TOPICS[n % topics]} differ because case {n} is about "
            f"{TOPICS[(n // topics) % topics]}, which means {n * 7} reasons and therefore "
            + " ".join(f"{TOPICS[n % topics]}{n % (k + 2)}" for k in range(20)),
            "licence": HOSTILE,
            "source": HOSTILE,
            "origin": origin,
        }
        for n in range(count)
    ]


def save(path: Path, rows: list[dict[str, str]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("audits")
    first = save(folder / "first.jsonl", records(40))
    second = save(folder / "second.jsonl", records(40, topics=1, origin="model"))
    recipe = load("lima")
    cache = folder / "cache"
    found = audit_whole(first, recipe, Wanted(targets=[second], cache=cache))
    write(found, folder)
    answer = lineage([first, second], recipe, cache / "embeddings", 0)
    write_lineage(folder, "generations", answer, None)
    return folder


@pytest.mark.parametrize("page", ["first.html", "generations.html"])
def test_hostile_text_stays_text(page: str, pages: Path):
    html = (pages / page).read_text()
    assert "<img" not in html
    assert html.count("<script") == 1  # the element that holds data
    assert "default-src &#39;none&#39;" in html
    assert "http://" not in html.replace("http://www.w3.org", "")
    if page == "first.html":
        assert "&lt;img src=x onerror" in html


def test_the_json_keeps_its_keys(pages: Path):
    answer = json.loads((pages / "first.json").read_text())
    assert answer["rows"] == 40
    assert {"passed", "reasons", "breaks"} <= set(answer)
    profile = answer["profile"]
    assert profile["origin"] == {"human": 40, "model": 0, "unknown": 0}
    assert profile["targets"][0]["tasks"] == 40
    assert sum(topic["rows"] for topic in profile["space"]["topics"]) == 40


def test_a_collapsed_generation_raises_alarms(pages: Path):
    answer = json.loads((pages / "generations.json").read_text())
    first, second = answer["generations"]
    assert first["alarms"] == []
    assert first["distance"] == pytest.approx(0, abs=1e-3)
    assert first["tail_covered"] == 1
    assert second["model_share"] == 1
    assert second["tail_covered"] < 0.8
    assert second["spread"] < first["spread"]
    assert any("rarest" in said for said in second["alarms"])
    assert any("model's" in said for said in second["alarms"])


def test_a_lineage_of_one_or_of_nothing_is_refused(tmp_path: Path):
    one = save(tmp_path / "one.jsonl", records(3))
    with pytest.raises(SourceError, match="two generations"):
        lineage([one], load("lima"), None, 0)
    with pytest.raises(SourceError, match="fewer than 20"):
        lineage([one, one], load("lima"), None, 0)


def test_bad_input_writes_nothing(tmp_path: Path):
    good = save(tmp_path / "good.jsonl", records(3))
    bad = tmp_path / "bad.jsonl"
    bad.write_text("{")
    with pytest.raises(CurationError, match="line 1"):
        audit_whole(good, load("lima"), Wanted(targets=[bad]))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.jsonl", "good.jsonl"]


@pytest.mark.slow
def test_a_browser_runs_nothing_of_the_set(pages: Path):
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        pytest.skip("needs chromium")
    words = ["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    page = (pages / "first.html").as_uri()
    run = subprocess.run([browser, *words, page], capture_output=True, text=True, timeout=120)
    assert "<title>first.jsonl: audit</title>" in run.stdout


def test_wording_gives_assistants_and_steps_away():
    found = marks(
        pl.Series(
            [
                "As an AI language model, I cannot taste food.",
                "Certainly! Here is a list.\n1. Salt\n2. Flour",
                "1. Mix the flour.\n2. Bake it.\n",
                "The dough rises because yeast makes gas. Therefore wait.\n1. Mix it.\n2. Wait.\n",
                "Let's think about this step by step.",
                "She sells 3 * 4 = 12 eggs, and 12 - 2 = 10 are left.",
                "A river runs to the sea.",
            ]
        )
    )
    assert [len(names) > 0 for names in found["assistant"]] == [True, True] + [False] * 5
    assert found["explains"].to_list() == [False, False, False, True, True, True, False]
