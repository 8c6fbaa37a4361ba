import re

import polars as pl
import pytest
import yaml
from markdown_it import MarkdownIt

from pipeline import loading as recipes
from pipeline.manifest import Manifest
from pipeline.release import scoring
from pipeline.release.attribution import render
from pipeline.release.build import build
from pipeline.release.card_text import limits
from pipeline.release.escape import address, code, markdown
from pipeline.release.licences import parse, refused, summarise

from .conftest import HOSTILE, ROWS, STAGES, TINY, candidate, make_run


def html(text):
    return MarkdownIt("gfm-like", {"linkify": False}).render(text)


def release_text(run, recipe, tmp_path, name):
    path = build(run, recipe, tmp_path / "releases", stages=STAGES).path
    return (path / name).read_text(encoding="utf-8")


def test_attribution_meets_what_stack_exchange_asks(run, tiny, tmp_path):
    text = release_text(run, tiny, tmp_path, "ATTRIBUTION.md")
    section = text[text.index("## Stack Exchange") :]
    assert "[Stack Exchange](https://stackexchange.com) network" in section
    line = next(line for line in html(section).splitlines() if "/a/2" in line)
    assert re.findall(r'<a href="([^"]*)">', line) == [
        "https://cooking.stackexchange.com/q/20",
        "https://cooking.stackexchange.com/users/20",
        "https://cooking.stackexchange.com/a/2",
        "https://cooking.stackexchange.com/users/2",
        "https://creativecommons.org/licenses/by-sa/3.0/",
    ]
    assert "asked by" in line
    assert ">_Asker_</a>" in line
    assert ">Eve] | @all &lt;b&gt;</a>" in line
    assert "The rows were changed" in " ".join(text.split())


@pytest.mark.parametrize(
    "text",
    [
        HOSTILE,
        "a](javascript:alert(1)) [b",
        "![x](http://evil/x.png)",
        "1. one",
        "- two",
        "# three",
        "<img src=x onerror=alert(1)>",
        "`tick` | pipe || \\",
        "*a* __b__ ~~c~~ &lt;script&gt;",
        "\u202ereversed",
    ],
)
def test_hostile_text_stays_text(text):
    shown = html(f"- [{markdown(text)}](https://ok/) {code(text)}\n\n{markdown(text)}")
    tags = set(re.findall(r"<(/?\w+)", shown))
    assert tags <= {"ul", "/ul", "li", "/li", "a", "/a", "code", "/code", "p", "/p"}
    assert re.findall(r'href="([^"]*)"', shown) == ["https://ok/"]
    assert "\u202e" not in shown


@pytest.mark.parametrize("url", ["javascript:alert(1)", "urn:thousand:a", "//x", "http://[x", ""])
def test_only_web_addresses_are_linked(url):
    assert address(url) is None


def test_an_address_cannot_leave_its_link():
    assert address("https://a/b c)<>\"'|") == "https://a/b%20c%29%3C%3E%22%27%7C"


def test_hostile_rows_do_not_break_the_card(tmp_path):
    rows = [candidate(n, prompt=HOSTILE, domain=f"a|b\n{n}: [x]", title=HOSTILE) for n in (1, 2, 4)]
    run = make_run(tmp_path, rows, {}, {row["id"]: "train" for row in rows})
    recipe = recipes.parse(TINY | {"description": HOSTILE}, "tiny")
    text = release_text(run, recipe, tmp_path, "README.md")
    head = yaml.safe_load(text.split("---\n")[1])
    assert head["license"] == "cc-by-sa-4.0"
    assert head["size_categories"] == ["n<1K"]
    body = html(text.split("---\n", 2)[2])
    assert "<script>" not in body
    rows = re.findall(r"<tr>(.*?)</tr>", body, re.S)
    domains = [row for row in rows if "a|b" in row]
    assert len(domains) == 3
    assert all(row.count("<td") == 4 for row in domains)


def test_the_card_counts(run, tiny, tmp_path):
    text = release_text(run, tiny, tmp_path, "README.md")
    assert (
        "picked from 12 records in 1 file. It holds 5 rows (3 train, 1 validation, 1 test)" in text
    )
    assert "| filter | 8 | 7 | too_short 1 |" in text
    assert "| other | train | 2 | 2 | 0 |" in text
    reddit = "<code>LicenseRef-Reddit</code>"
    assert f"| {reddit} | LicenseRef-Reddit | 1 | 20.0% | no public licence" in text
    assert "| <code>CC BY-SA 4.0</code> | CC-BY-SA-4.0 | 2 | 40.0% | share alike |" in text
    assert f"**Part of this set comes without a public licence** ({reddit})" in text
    assert "| random | 0.50 | 1 | 1,234 |" in text


def test_the_card_tells_how_rows_were_scored(run, tiny, tmp_path):
    text = release_text(run, tiny, tmp_path, "README.md")
    assert "| votes | 0.35 | 4 |" in text  # all but the test prompt
    assert "| fit | 0.25 | 0 |" in text
    assert "language model" not in text
    assert "whether a row is found in an evaluation set" in text


def test_the_card_tells_what_a_machine_chose_for_its_language_model(tiny):
    score = {"lm": {"model": "<m>", "machine_text_limits": {"reddit": 9}}, "weights": {"ifd": 0.5}}
    asked = {"endpoint": "http://127.0.0.1:9/v1", "model": "j"}
    words = {"score": score, "judge": asked, "gates": {"evaluation": ["e.jsonl"]}}
    recipe = recipes.parse(TINY | words, "tiny")
    piece = {"scored": 600, "dtype": "float32", "max_tokens": 112, "cut": 400, "errors": 1}
    judged = {"judged": 7, "failures": {"no_verdict": 2}}
    manifests = [
        Manifest("likelihood", "", [], 2000, 2000, facts={"a": piece, "b": piece | {"cut": 50}}),
        Manifest("judge", "", [], 2000, 2000, facts={"all": judged}),
    ]
    rows = pl.DataFrame(
        {
            "split": ["train", "validation", "test"],
            "quality_parts": [{"votes": 0.5, "ifd": 0.1}, {"votes": None, "ifd": 0.2}, None],
        }
    )
    scores = scoring.describe(manifests, recipe, rows)
    assert scores["parts"] == {
        "votes": {"weight": 0.35, "rows": 1},
        "ifd": {"weight": 0.5, "rows": 2},
    }
    text = scoring.render(scores)
    assert (
        "<code>&lt;m&gt;</code> read 1,200 of the 2,000 rows that could still be picked, in float32"
        in text
    )
    assert "up to 112 tokens; 450 were longer" in text
    assert "Of 2 it gave no numbers." in text
    assert "The judge <code>j</code> marked 7 rows (helpfulness, 1 to 6)." in text
    said = limits(recipe.model_dump(mode="json"), {"reddit", "wikihow"})
    assert "evaluation set" not in said
    assert "whether a text of wikihow was written by a machine" in said
    assert "machine" not in limits(recipe.model_dump(mode="json"), {"reddit"})


def test_each_spelling_of_a_licence_is_shown_as_the_column_has_it():
    summary = summarise(["CC BY 4.0", "cc-by-4.0", "CC BY 4.0", "CC0-1.0"])
    assert summary.written == {
        "CC-BY-4.0": {"CC BY 4.0": 2, "cc-by-4.0": 1},
        "CC0-1.0": {"CC0-1.0": 1},
    }
    assert summary.shares == {"CC-BY-4.0": 3, "CC0-1.0": 1}


def test_the_same_rows_give_the_same_attribution_in_any_order():
    rows = pl.DataFrame(
        [candidate(n) | {"prompt_author": None, "prompt_url": None} for n in (1, 2, 3)]
    ).with_columns(prompt_author_url=pl.lit(None, pl.String))
    assert render(rows) == render(rows.reverse())


@pytest.mark.parametrize(
    ("text", "spdx", "hub", "is_open"),
    [
        ("CC BY-SA 4.0", "CC-BY-SA-4.0", "cc-by-sa-4.0", True),
        ("cc-by-sa-2.5", "CC-BY-SA-2.5", None, True),
        ("CC BY-NC-SA 3.0", "CC-BY-NC-SA-3.0", "cc-by-nc-sa-3.0", False),
        ("https://creativecommons.org/licenses/by-nd/4.0/", "CC-BY-ND-4.0", "cc-by-nd-4.0", False),
        ("CC0 1.0", "CC0-1.0", "cc0-1.0", True),
        ("apache-2.0", "Apache-2.0", "apache-2.0", True),
        ("LicenseRef-Reddit", "LicenseRef-Reddit", None, False),
        ("CC BY-SA", "CC-BY-SA", None, False),
        ("ask me", "ask me", None, False),
    ],
)
def test_licences_have_one_form(text, spdx, hub, is_open):
    licence = parse(text)
    assert (licence.spdx, licence.hub, licence.open) == (spdx, hub, is_open)


@pytest.mark.parametrize(
    ("licences", "hub", "name"),
    [
        (["CC BY-SA 3.0"], "cc-by-sa-3.0", None),
        (["CC BY-SA 2.5", "CC BY-SA 4.0", "CC0-1.0"], "cc-by-sa-4.0", None),
        (["CC BY-SA 2.5"], "other", "cc-by-sa-2.5"),
        (["CC BY 4.0", "CC0-1.0"], "cc-by-4.0", None),
        (["CC BY-NC-SA 3.0"], "cc-by-nc-sa-3.0", None),
        (["CC BY-SA 4.0", "CC BY-NC-SA 3.0"], "other", "mixed-non-commercial"),
        (["LicenseRef-Reddit"], "other", "unlicensed"),
    ],
)
def test_a_set_is_as_strict_as_its_strictest_row(licences, hub, name):
    summary = summarise(licences)
    assert (summary.hub, summary.name) == (hub, name)


def test_a_recipe_can_refuse_licences():
    assert refused("CC BY-NC-SA 3.0", ["*-NC-*"])
    assert refused("LicenseRef-Reddit", ["LicenseRef-*"])
    assert not refused("CC BY-SA 4.0", ["*-NC-*", "LicenseRef-*"])
    assert len({row["licence"] for row in ROWS if refused(row["licence"], ["cc-by-sa-3.0"])}) == 1
