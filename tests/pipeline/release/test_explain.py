import pytest

from pipeline.chapters import tell
from pipeline.errors import StageError
from pipeline.explain import explain
from pipeline.manifest import Manifest
from pipeline.release.build import build

from .conftest import HOSTILE, STAGES, candidate


def test_a_picked_row(run, tiny, tmp_path):
    built = build(run, tiny, tmp_path / "releases", stages=STAGES)
    text = explain(run, "stackexchange:stem:1", STAGES).render()
    assert text.splitlines()[0] == "stackexchange:stem:1: picked at select"
    assert "found in stackexchange/cooking/Posts.xml" in text
    assert "https://stem.stackexchange.com/a/1, by Author 1, 2020-01-01" in text
    assert "CC BY-SA 4.0, 11 votes; group stem" in text
    assert 'prompt from the title, 25 characters: "How do I do thing 1 well?"' in text
    assert "topic 3: thing, well, times" in text
    assert "quality 0.50: votes 0.70" in text
    assert "without evidence: fit" in text
    assert "for train, rank 1 in stem" in text
    assert text.endswith(f"Released in tiny {built.version}, train.")


def test_a_filtered_row_ends_where_it_left(run):
    story = explain(run, "stackexchange:stem:3", STAGES)
    assert [chapter.stage for chapter in story.chapters] == ["ingest", "clean", "filter"]
    assert story.chapters[-1].lines[:2] == [
        "too_short: The response has fewer characters than the recipe allows.",
        "27 characters, 1200 are asked for",
    ]


def test_a_duplicate_names_the_kept_row_and_its_similarity(run):
    story = explain(run, "stackexchange:cooking:4", STAGES)
    assert story.verdict == "left at dedup"
    assert "in one group with stackexchange:cooking:2, which stays" in story.render()
    assert "response like that of stackexchange:cooking:2: Jaccard 0.83" in story.render()


def test_a_kept_row_names_its_copies_on_one_line(run):
    text = explain(run, "stackexchange:cooking:2", STAGES).render()
    assert "stays; stackexchange:cooking:4, 0.83 like it, left" in text
    assert "in one group" not in text
    assert HOSTILE.replace("\n", " ") in text


SITE = ["s/a/Comments.xml", "s/a/Posts.xml.zst", "s/a/Users.xml"]
PARTS = ["s/a.com-Comments.7z", "s/a.com-Posts.7z", "s/a.com-Users.7z"]
TASKS = ["natural_instructions/task001_x.json", "natural_instructions/task0011_x.json.gz"]
MONTHS = ["reddit/pushshift/RC_1.zst", "reddit/pushshift/RS_1.zst", "reddit/pushshift/a/b.csv"]


@pytest.mark.parametrize(
    ("row", "files", "said"),
    [
        ("stackexchange:a:1", SITE, "found in s/a/Posts.xml.zst"),
        ("stackexchange:a:1", PARTS, "found in s/a.com-Posts.7z"),
        ("stackexchange:a:1", ["s/a.com.7z"], "found in s/a.com.7z"),
        ("stackexchange:a:1", [*SITE, "s/b/Posts.xml"], f"read from {SITE[1]} and s/b/Posts.xml"),
        ("natural_instructions:task001_x:7", TASKS, f"found in {TASKS[0]}"),
        ("natural_instructions:task0011_x:7", TASKS, f"found in {TASKS[1]}"),
        ("reddit:a:1", MONTHS, "read from the 3 files below reddit/pushshift"),
        ("table:1", ["a.csv", "b.csv", "c"], "read from the 3 files below the dumps folder"),
        ("table:1", [], "read as part-00000"),
    ],
)
def test_the_story_names_the_file_only_where_it_is_known(tmp_path, row, files, said):
    facts = {"part": {"inputs": [{"file": name} for name in files]}}
    manifest = Manifest("ingest", "key", [], 1, 1, facts=facts)
    here = candidate(1, id=row, source=row.split(":")[0], accepted=None)
    lines = tell(tmp_path, manifest, {}, here | {"_file": "part-00000.parquet"})
    assert lines[0] == said


def test_a_malformed_record_is_told_of(run):
    story = explain(run, "malformed:cooking/Posts.xml:9", STAGES)
    assert story.verdict == "left at ingest"
    assert "an attribute has no end" in story.render()


@pytest.mark.parametrize("wrong", ["1", "stackexchange:stam:1", "stackexchang:stem:1"])
def test_an_unknown_id_is_met_with_near_ones(run, wrong):
    with pytest.raises(StageError, match=r"Near it: .*stackexchange:stem:1\b"):
        explain(run, wrong, STAGES)
