"""Evaluation text in rows: copies are found however they are dressed, common words are not."""

import json
from pathlib import Path

import polars as pl
import pytest

from pipeline.contamination.match import Index, evidence, find

QUESTION = (
    "A gardener plants nine rows of tulips with fourteen bulbs each, gives a third of them to her "
    "neighbour and loses twelve to the frost; how many tulips flower in spring?"
)
ANSWER = (
    "She begins with one hundred and twenty-six bulbs, the neighbour carries away forty-two of them, "
    "and after the frost seventy-two flower."
)
TEMPLATE = (
    "Answer the following question as well as you can and explain every step of your thinking:"
)


@pytest.fixture
def index(tmp_path: Path) -> Index:
    records = [{"id": "q1", "question": QUESTION, "answer": ANSWER}]
    subjects = ("rain", "iron", "tea", "owls", "salt", "glass")
    records += [{"id": f"t-{what}", "question": f"{TEMPLATE} {what}"} for what in subjects]
    path = tmp_path / "held_out.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return Index.of([path])


def hits(index: Index, prompt: str, response: str | None) -> list[tuple[str, str, str, str]]:
    frame = pl.DataFrame({"id": ["r"], "prompt": [prompt], "response": [response]})
    return find(frame, index).select("row", "method", "ours", "theirs").rows()


def test_the_same_prompt_in_other_case_and_punctuation(index: Index):
    dressed = QUESTION.upper().replace(",", " --").replace(";", "...")
    assert hits(index, dressed, "Seventy-two.") == [("q1", "exact", "prompt", "prompt")]


def test_a_question_inside_a_response_and_ours_inside_an_answer(index: Index):
    response = f"Here is a riddle for long evenings. {QUESTION} Think before you look."
    assert hits(index, "Tell me a riddle.", response) == [("q1", "13-gram", "response", "prompt")]
    assert hits(index, "How many?", f"Well: {ANSWER}") == [("q1", "13-gram", "response", "answer")]


def test_a_changed_copy_is_found_by_its_pairs_of_words(index: Index):
    words = QUESTION.split()
    for place in range(9, len(words), 10):
        words[place] = "violet"
    found = hits(index, " ".join(words), None)
    assert [(row, ours) for row, _, ours, _ in found] == [("q1", "prompt")]


@pytest.mark.parametrize(
    "text",
    [
        f"{TEMPLATE} What do bees eat?",  # the template of many rows of the set
        "A gardener plants nine rows of tulips every year.",  # a phrase, shorter than 8 words in a row
        "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16",
        "",
    ],
)
def test_common_words_do_not_alarm(index: Index, text: str):
    assert hits(index, "What do you say?", text) == []


def test_the_evidence_names_set_row_method_and_words(index: Index):
    frame = pl.DataFrame({"id": ["r"], "prompt": ["Why?"], "response": [f"So. {QUESTION}"]})
    (line,) = evidence(find(frame, index))["detail"]
    assert line.startswith(
        "the prompt of row q1 of held_out in our response (13-gram, 1.0): A gard"
    )
