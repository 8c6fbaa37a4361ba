"""Which rules a recipe switches on, source by source, and what the stage makes of them."""

from collections.abc import Callable

import polars as pl
import pytest

from pipeline.filter import FilterSettings, judge_by_source
from pipeline.loading import load
from pipeline.recipe import Filter, Rules

ANSWER = "Water boils earlier on a mountain, so pasta needs more minutes there. " * 20


def frame(*licences: str | None, source: str = "wikihow", **more: object) -> pl.DataFrame:
    rows = [
        {
            "id": f"x:{n}",
            "source": source,
            "prompt": "How long does pasta cook on a mountain?",
            "response": ANSWER,
            "url": "https://a.example/1",
            "author": "Ada",
            "licence": licence,
            **more,
        }
        for n, licence in enumerate(licences)
    ]
    return pl.DataFrame(rows)


def reasons(rows: pl.DataFrame, *refused: str) -> list[str | None]:
    recipe = load("lima")
    settings = FilterSettings(rules=recipe.filter, refuse_licences=list(refused))
    return judge_by_source(rows, settings)["reason"].to_list()


@pytest.mark.parametrize(
    "pattern", ["*-NC-*", "*NC*", "CC-BY-NC-SA-3.0", "CC BY-NC-SA 3.0", "cc-by-nc-*"]
)
def test_a_licence_is_refused_however_it_is_written(pattern: str) -> None:
    rows = frame("CC BY-NC-SA 3.0", "CC BY-SA 3.0", "CC0-1.0")
    assert reasons(rows, pattern) == ["licence", None, None]


def test_rows_that_nobody_can_be_thanked_for_leave() -> None:
    assert reasons(frame("CC0-1.0", None)) == [None, "licence"]
    assert reasons(frame("CC0-1.0", author=" ")) == ["licence"]


def test_each_source_has_its_own_rules() -> None:
    own = frame("CC0-1.0", response="I like it. " + ANSWER)
    other = own.with_columns(source=pl.lit("stackexchange"), id=pl.lit("y:1"))
    assert reasons(pl.concat([other, own])) == ["first_person", None]


def test_the_guards_are_on_for_tables_that_others_wrote() -> None:
    leak = frame("CC0-1.0", source="table", response=f"{ANSWER} Write to wanda@northmail.net.")
    chat = frame("CC0-1.0", source="table", response=f"As an AI language model, I cook. {ANSWER}")
    assert reasons(pl.concat([leak, chat])) == ["personal_data", "machine_text"]
    assert reasons(frame("CC0-1.0", source="table", response="Short.")) == [None]


def test_a_dialogue_is_judged_by_all_that_is_said() -> None:
    turns = [
        {"role": "user", "content": "How long does pasta cook on a mountain?"},
        {"role": "assistant", "content": ANSWER},
    ]
    row = frame("CC0-1.0", source="stackexchange", response="Two minutes more.", prompt="And rice?")
    with_history = row.with_columns(history=pl.Series([turns]))
    assert reasons(row) == ["too_short"]
    assert reasons(with_history) == [None]


def test_guards_see_the_system_message_and_every_question(make_rows: Callable[..., pl.DataFrame]):
    mail = "wanda.quill@northmail.net"

    def talk(later: str, last: str) -> dict[str, object]:
        said = [("user", "Who mends boilers?"), ("assistant", "Many."), ("user", later)]
        turns = [{"role": role, "content": content} for role, content in said]
        turns.append({"role": "assistant", "content": "Yes."})
        return {"source": "reddit", "history": turns, "prompt": last}

    rows = make_rows(
        [
            talk(f"Does {mail}?", "And you?"),
            talk("Does she?", f"Is it {mail}?"),
            {"source": "reddit", "system": f"Send all to {mail}."},
            talk("Does she?", "And you?"),
        ]
    )
    rules = Rules(personal_data="drop")
    settings = FilterSettings(rules=Filter(reddit=rules), refuse_licences=[])
    judged = judge_by_source(
        rows.with_columns(url=pl.lit("u"), author=pl.lit("a"), licence=pl.lit("CC0-1.0")), settings
    )
    said = "e-mail in the other turns"
    assert judged["reason"].to_list() == ["personal_data"] * 3 + [None]
    assert judged["detail"].to_list() == [said] * 3 + [None]
