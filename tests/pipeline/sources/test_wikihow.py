import csv
import gzip
import json
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import SourceError
from pipeline.recipe import Ingest
from pipeline.sources import wikihow
from pipeline.sources.base import Tally
from pipeline.sources.wikihow.mend import mend
from pipeline.sources.wikihow.titles import how_to_title, page_url, slug

DUMPS = Path(__file__).parents[4] / "shared" / "data" / "dumps"
SHARE_OF_ANY = 1.0


def read(dumps: Path, settings: Ingest | None = None) -> tuple[pl.DataFrame, Tally]:
    settings = settings or Ingest()
    tally = Tally(SHARE_OF_ANY)
    (found,) = wikihow.find(dumps, settings)
    return pl.concat([pl.DataFrame(), *wikihow.read(found, settings, tally, dumps)]), tally


def write(dumps: Path, name: str, text: str) -> Path:
    path = dumps / "wikihow" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="")
    return path


def write_csv(dumps: Path, name: str, rows: Sequence[Sequence[str]]) -> None:
    path = write(dumps, name, "")
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


@pytest.mark.parametrize(
    ("found", "title"),
    [
        ("3 Ways to Grill Zucchini - wikiHow", "How to Grill Zucchini"),
        (
            "How to Grill Flank Steak: 15 Steps (with Pictures) - wikiHow",
            "How to Grill Flank Steak",
        ),
        ("Simple Ways to Know if You Are in Ketosis: 9 Steps", "How to Know if You Are in Ketosis"),
        ("4 Easy Ways to Get Rid of a Botfly", "How to Get Rid of a Botfly"),
        ("How to Extract Oil from Peels: 2 Best Ways", "How to Extract Oil from Peels"),
        ("Expert Advice on How to Get Thicker Wrists - wikiHow", "How to Get Thicker Wrists"),
        ("Kill Flying Termites: 3 Ways to Get Rid of Them", "How to Kill Flying Termites"),
        ("Train a Dog", "How to Train a Dog"),
        ("Train Travel", "Train Travel"),
        ("Why Do You Get Sleepy? 8 Reasons", "Why Do You Get Sleepy?"),
        ("How to Draw a Sphere1", "How to Draw a Sphere"),
        ("How to Play Halo 2", "How to Play Halo 2"),
        ("How to Play Mario Kart: Double Dash", "How to Play Mario Kart: Double Dash"),
        ("How To Tell if It Rains", "How to Tell if It Rains"),
    ],
)
def test_titles_become_how_to(found: str, title: str) -> None:
    assert how_to_title(found) == title
    assert how_to_title(title) == title


def test_slugs_and_addresses_are_safe() -> None:
    assert slug("How to Do a Fireman's Carry") == "do-a-firemans-carry"
    assert slug("如何") == slug("如何") != slug("如")
    assert page_url("How to Do a Fireman's Carry") == (
        "https://www.wikihow.com/Do-a-Fireman%27s-Carry"
    )


@pytest.mark.parametrize(
    ("broken", "mended"),
    [
        ("Do n't wait ; you ca n't know :", "Don't wait; you can't know:"),
        ('Press " on " twice. it ’s $ 5 ( 3 % )', 'Press "on" twice. it’s $5 (3%)'),
        ("Add an extra 1 \" here, do n't", "Add an extra 1\" here, don't"),
        ("Grow it.[4] It grows.[5]", "Grow it. It grows."),
        ("Run.[1] X Research source Here are some.", "Run. Here are some."),
        ("Go.[2] X Trustworthy Source Mayo Clinic Known hospital Go to source If so", "Go. If so"),
        (
            "Eat.[5] X Expert Source Amy WongCoach Expert Interview. 30 April 2020. Even",
            "Eat. Even",
        ),
        ("he sits.Once he is", "he sits. Once he is"),
        ("youre right, it doesnt", "you're right, it doesn't"),
        ("print(a[1]) and e.g. x[2]", "print(a[1]) and e.g. x[2]"),
        ("Visit Necronomi.Co or System.IO", "Visit Necronomi.Co or System.IO"),
    ],
)
def test_mending(broken: str, mended: str) -> None:
    assert mend(broken) == mended


def test_wikihow_all_finds_the_joints_among_the_commas(tmp_path: Path) -> None:
    headline = '\nSoak it, slowly.,\nWait.\n\n,Add "salt".,\nServe\n\n\nUse a plate.'
    text = ' Use water, not oil.;\n,, Not pepper, "please", or so.\n\n\nOne spoon.\n, A big one.'
    write_csv(
        tmp_path, "wikihowAll.csv", [("headline", "title", "text"), (headline, "Soak Peas", text)]
    )
    rows, tally = read(tmp_path)
    assert rows["response"].item() == (
        "1. **Soak it, slowly.** Use water, not oil.\n"
        "2. **Wait.**\n"
        '3. **Add "salt".** Not pepper, "please", or so.\n'
        "   - One spoon.\n"
        "4. **Serve.**\n"
        "   - Use a plate. A big one."
    )
    row = rows.row(0, named=True)
    assert (row["id"], row["title"]) == ("wikihow:soak-peas", "How to Soak Peas")
    assert row["domain"] == "uncategorised"
    assert row["url"] == "https://www.wikihow.com/Soak-Peas"
    assert (row["author"], row["licence"]) == ("wikiHow contributors", "CC BY-NC-SA 3.0")
    assert not tally.malformed


def test_wikihow_all_leaves_out_what_does_not_fit_together(tmp_path: Path) -> None:
    rows = [("headline", "title", "text"), ("\nOne.,\nTwo.,\nThree.", "Count", "no joints here")]
    write_csv(tmp_path, "wikihowAll.csv", rows)
    frame, tally = read(tmp_path)
    assert frame.is_empty()
    assert tally.left_out == {("wikihow/wikihowAll.csv", "no_answer"): 1}


def test_tables_with_a_step_a_row(tmp_path: Path) -> None:
    write_csv(
        tmp_path,
        "steps.csv",
        [
            ("title", "heading", "paragraph"),
            ("3 Ways to Run", "Stand up.", "Stand up. Then wait.[1]"),
            ("3 Ways to Run", "Go.", ""),
            ("too", "few"),
            ("Sit", "Sit.", ""),
        ],
    )
    write_csv(
        tmp_path,
        "wikihowSep.csv",
        [
            ("overview", "headline", "text", "sectionLabel", "title"),
            ("Why not.", "Breathe.", "In.", "At Home", "How to Run"),
            ("Why not.", "Rest.", "", "At Home", "How to Run"),
            ("Why not.", "Warm up.", "Legs.", "Outside", "How to Run"),
        ],
    )
    rows, tally = read(tmp_path)
    assert rows["id"].to_list() == ["wikihow:run", "wikihow:run#2"]
    assert rows["response"].to_list() == [
        "1. **Stand up.** Then wait.\n2. **Go.**",
        "Why not.\n\n### At Home\n\n1. **Breathe.** In.\n2. **Rest.**\n\n"
        "### Outside\n\n1. **Warm up.** Legs.",
    ]
    assert tally.malformed == [("wikihow/steps.csv", 4, "2 fields instead of 3")]
    assert tally.left_out == {("wikihow/steps.csv", "no_answer"): 1}  # one step is no list
    assert tally.rows == {"wikihow/steps.csv": 3, "wikihow/wikihowSep.csv": 1}


HTML_2008 = """<p>This article is about <a href="/Snow">snow</a>.<sup class="reference">[1]</sup></p>
<div id="steps"><h2><span class="editsection1">[<a>edit</a>]</span> <span>Steps</span></h2></div>
<div id=""><h2>[<span class="editsection1">edit</span>] <span>Shovel</span></h2>
<ol><li><div class="thumb">Photo</div><b>Dig</b>. Slowly.<br/><ul><li>Rest.<ul><li>Drink.</li>
</ul></li></ul></li><li><b>Carry on</b> until dark.</li></ol></div>
<div id="tips"><ul><li>Wear gloves.</li></ul></div><div id="sources"><ol><li>Me</li></ol></div>
<!-- Saved in parser cache with key wikidb and timestamp 20090225211053 -->"""


def test_html_of_2008_in_json_lines(tmp_path: Path) -> None:
    record = {
        "url": "https://www.wikihow.com/X",
        "title": "How to Clear Snow",
        "category": "Home-and-Garden",
        "html": HTML_2008,
    }
    path = tmp_path / "wikihow" / "a.jsonl.gz"
    path.parent.mkdir()
    path.write_bytes(gzip.compress(json.dumps(record).encode()))
    settings = Ingest.model_validate({"wikihow": {"tips": True}})
    rows, _ = read(tmp_path, settings)
    assert rows["response"].item() == (
        "This article is about snow.\n\n1. **Dig.** Slowly.\n   - Rest.\n     - Drink.\n"
        "2. **Carry on** until dark.\n\n### Tips\n\n- Wear gloves."
    )
    assert rows["domain"].item() == "Home and Garden"
    assert str(rows["created_at"].item()) == "2009-02-25 00:00:00"


HTML_2020 = """<html><head><title>3 Ways to Grill - wikiHow</title>
<link rel="canonical" href="https://www.wikihow.com/Grill"></head><body><h1>How to Grill</h1>
<ul id="breadcrumb"><li><a>Categories</a></li><li><a>Food</a></li><li><a>Meat</a></li></ul>
<div id="byline_info">Last Updated: August 6, 2020</div>
<div class="mf-section-0" id="mf-section-0"><div class="mwimg">Image</div><p>Grilling is easy.</p></div>
<div class="section steps"><h3><div class="altblock">Method 1</div><span class="mw-headline">Gas</span>
</h3><ol><li><div class="step_num">1</div><div class="step"><b class="whb">Heat it.</b> Wait
<span class="frac"><sup>1</sup>⁄<sub>4</sub></span> hour.<script>WH.x()</script>
<ul><li>Close the <a href="/Lid">lid</a>.<sup class="reference">[3]</sup></li></ul></div></li></ol></div>
<div class="section steps"><h3><span class="mw-headline">Coal</span></h3><ol><li><div class="step">
<b class="whb">Light it.</b></div></li></ol></div>
<div id="warnings"><ul><li><div>It is hot.</div><div class="wh_vote_container">Helpful 1</div></li></ul>
</div></body></html>"""


def test_saved_page_of_2020(tmp_path: Path) -> None:
    write(tmp_path, "page.html", HTML_2020)
    rows, _ = read(tmp_path, Ingest.model_validate({"wikihow": {"warnings": True}}))
    assert rows["response"].item() == (
        "Grilling is easy.\n\n### Gas\n\n1. **Heat it.** Wait 1/4 hour.\n   - Close the lid.\n\n"
        "### Coal\n\n1. **Light it.**\n\n### Warnings\n\n- It is hot."
    )
    assert rows.select("title", "domain", "url").row(0) == (
        "How to Grill",
        "Food",
        "https://www.wikihow.com/Grill",
    )


def test_json_lines_with_steps_or_text(tmp_path: Path) -> None:
    records = [
        {
            "title": "Bake Bread",
            "category": ["Featured Articles", "Food"],
            "steps": [{"headline": "Mix it.", "text": "Mix it. Well."}, "Bake it."],
            "tips": ["Wait."],
        },
        {"title": "Fly", "text": "An idea.\n1. Jump.\n- High.\n2. Flap."},
        {
            "title": "Hop",
            "steps": [{"headline": "Text her.", "text": "Be kind. Say this :"}, "Go."],
        },
    ]
    write(tmp_path, "a.jsonl", "\n".join(map(json.dumps, records)))
    rows, _ = read(tmp_path)
    assert rows["domain"][0] == "Food"
    assert rows["response"].to_list() == [
        "1. **Mix it.** Well.\n2. Bake it.",
        "An idea.\n\n1. Jump.\n   - High.\n2. Flap.",
        "1. **Text her.** Be kind.\n2. Go.",
    ]


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.csv", "city,people\nX,3\n", "is no wikiHow table"),
        ("a.html", "<html><h1>Menu</h1><p>Fish</p></html>", "is no wikiHow article"),
        ("a.html", "<div>" * 10_000, "nested more than"),
        ("a.html", f"<div {' '.join(f'a{i}=1' for i in range(100_000))}>", "500 attributes"),
    ],
)
def test_what_is_no_wikihow_dump_is_refused(
    tmp_path: Path, name: str, text: str, says: str
) -> None:
    write(tmp_path, name, text)
    with pytest.raises(SourceError, match=says):
        read(tmp_path)
    settings = Ingest.model_validate({"on_bad_file": "skip"})
    assert read(tmp_path, settings)[0].is_empty()


def test_bad_lines_cost_themselves(tmp_path: Path) -> None:
    lines = [
        b'{"title": "Go", "steps": ["a", "b"]}',
        b"[" * 100_000,
        b"\xff\x00",
        b'"text"',
        b"{}",
        b'{"title": 7}',
        b'{"title": "x", "steps": [3]}',
        b'{"title": "x", "html": null}',
        b'{"title": "x", "html": "' + b"<ul>" * 1000 + b'"}',
        b'{"title": "a", "text": "\\ud83d"}',
        b"x" * 3000,
    ]
    path = write(tmp_path, "a.jsonl", "")
    path.write_bytes(b"\r\n".join(lines))
    rows, tally = read(tmp_path, Ingest.model_validate({"limits": {"max_line_bytes": 200_000}}))
    assert len(rows) == 1
    assert [line for _, line, _ in tally.malformed] == list(range(2, 12))


@given(
    st.lists(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=20),
            lambda inner: (
                st.lists(inner, max_size=4)
                | st.dictionaries(
                    st.sampled_from(
                        ["title", "steps", "text", "html", "headline", "category", "url"]
                    ),
                    inner,
                    max_size=5,
                )
            ),
            max_leaves=12,
        ),
        max_size=6,
    )
)
def test_any_json_adds_up(tmp_path_factory: pytest.TempPathFactory, values: list[object]) -> None:
    dumps = tmp_path_factory.mktemp("any")
    records = [{"title": "Go", "steps": ["a", "b"]}, *values]
    write(dumps, "a.jsonl", "\n".join(map(json.dumps, records)))
    rows, tally = read(dumps)
    left = sum(tally.left_out.values()) + len(tally.malformed)
    assert tally.rows["wikihow/a.jsonl"] == len(records) == len(rows) + left
    assert rows["id"].n_unique() == len(rows)


@pytest.mark.skipif(not DUMPS.is_dir(), reason="the real dumps are not here")
def test_real_dumps() -> None:
    rows, tally = read(DUMPS)
    counts = {Path(name).parts[1]: 0 for name in tally.rows}
    for name, count in tally.rows.items():
        counts[Path(name).parts[1]] += count
    assert counts == {
        "articles_2008.jsonl.zst": 88,
        "raw_html_2020-08": 8,
        "sep_like": 30,
        "short_articles.jsonl.zst": 700,
        "steps_2024": 105,
        "wikihowAll_excerpt": 50,
    }
    assert sum(tally.left_out.values()) == 11
    assert not tally.malformed
    assert len(rows) == rows["id"].n_unique() == 970
    for junk in (
        r"\[\d+\]",
        "X Research source",
        "Go to source",
        r"\[edit\]",
        "smallUrl",
        r"\bn['’]t\b",
        r"\w [;?!](\s|$)",
        r"\]\(http",
        "<[a-z]+[ >]",
        r"\*\*\*\*",
    ):
        assert rows.filter(pl.col("response").str.contains(junk))["title"].to_list() == [], junk
    assert rows["title"].str.starts_with("How to ").sum() >= 965
    assert rows["response"].str.contains(r"(?m)^1\. ").all()
    assert rows["response"].str.contains(r"(?m)^1\. \*\*").mean() > 0.97
