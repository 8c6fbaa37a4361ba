"""Masking changes texts, never attribution, and says so."""

from collections.abc import Callable

import polars as pl

from pipeline.filter import noted
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
