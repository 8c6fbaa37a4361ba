import pytest

from pipeline.errors import StageError
from pipeline.explain import explain
from pipeline.release.build import build

from .conftest import HOSTILE, STAGES


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
    assert "response like that of stackexchange:cooking:2: Jaccard 0.83" in story.render()


def test_a_kept_row_names_its_copies_on_one_line(run):
    text = explain(run, "stackexchange:cooking:2", STAGES).render()
    assert "in one group with stackexchange:cooking:4, 0.83 like the row that stays" in text
    assert HOSTILE.replace("\n", " ") in text


def test_a_malformed_record_is_told_of(run):
    story = explain(run, "malformed:cooking/Posts.xml:9", STAGES)
    assert story.verdict == "left at ingest"
    assert "an attribute has no end" in story.render()


@pytest.mark.parametrize("wrong", ["1", "stackexchange:stam:1", "stackexchang:stem:1"])
def test_an_unknown_id_is_met_with_near_ones(run, wrong):
    with pytest.raises(StageError, match=r"Near it: .*stackexchange:stem:1\b"):
        explain(run, wrong, STAGES)
