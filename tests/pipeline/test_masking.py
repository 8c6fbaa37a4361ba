"""Masking changes texts, never attribution, and says so."""

from collections.abc import Callable
from datetime import date, datetime

import polars as pl

from pipeline.filter import noted, rules_for
from pipeline.recipe import Filter, Rules

MAIL = "wanda.quill@northmail.net"


def test_masked_rows_are_noted_and_attribution_stays(make_rows: Callable[..., pl.DataFrame]):
    turns = [{"role": "user", "content": f"I am {MAIL}."}, {"role": "assistant", "content": "Hm."}]
    rows = make_rows(
        [
            {"source": "reddit", "response": f"Ask {MAIL}.", "author": MAIL, "history": turns},
            {"source": "reddit", "response": "Ask me."},
            {"source": "wikihow", "response": f"Ask {MAIL}."},
        ]
    )
    rules = Filter(reddit=Rules(personal_data="mask"), wikihow=Rules())
    frame, notes = noted(rows, rules)
    assert frame["response"].to_list() == ["Ask [e-mail address].", "Ask me.", f"Ask {MAIL}."]
    assert frame["history"][0][0]["content"] == "I am [e-mail address]."
    assert frame["author"].equals(rows["author"])
    assert notes.rows() == [("r000", "personal_data: masked 2 e-mail")]
    assert frame.schema == rows.schema
    again, none = noted(frame, rules)
    assert again.equals(frame)
    assert len(none) == 0


def test_the_style_of_assistants_can_be_marked_alone(make_rows: Callable[..., pl.DataFrame]):
    rows = make_rows([{"source": "reddit", "response": "As an AI language model, I bake."}])
    frame, notes = noted(rows, Filter(reddit=Rules(assistant_style="mark")))
    assert frame.equals(rows)
    assert notes["note"][0].startswith("machine_text: says: As an AI language model")


def test_rows_after_the_cut_off_can_be_marked_alone(make_rows: Callable[..., pl.DataFrame]):
    days = [datetime(2022, 11, 29), datetime(2023, 3, 1)]
    rows = make_rows([{"source": "reddit", "created_at": day} for day in days])
    cut = {"written_before": date(2022, 11, 30)}
    _, notes = noted(rows, Filter(reddit=Rules(**cut, after_cutoff="mark")))
    assert notes["id"].to_list() == ["r001"]
    assert notes["note"][0].startswith("after_cutoff: ")
    codes = {
        how: [rule.code for rule in rules_for(Rules(**cut, after_cutoff=how))]
        for how in ("mark", "drop")
    }
    assert ("after_cutoff" in codes["mark"], "after_cutoff" in codes["drop"]) == (False, True)
