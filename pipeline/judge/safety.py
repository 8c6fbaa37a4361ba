"""Ask a judge of rows whether they do harm; what does, leaves as `unsafe`.

The word lists of filters/unsafe.py are the first line, this is an optional second one. In: rows with
prompt, response and history, and an asker. Out: the books of the rows that leave. A row without a
verdict leaves, too: a guard that did not look must not let pass.
"""

from collections.abc import Sequence
from typing import Any

import polars as pl

from pipeline.errors import ModelError
from pipeline.judge.asking import estimate, request_of
from pipeline.judge.prompts import Asking, Question, harmful, request_in
from pipeline.judge.verdict import FAILURES, Verdict
from pipeline.recipe import Judge
from pipeline.tables import BOOKS

_EVEN = 0.5  # the expected verdict from which a row does harm


def questions(rows: pl.DataFrame, settings: Judge) -> list[Question]:
    """Make the question about each row."""
    asking = Asking(settings.style, settings.max_chars)
    return [harmful(request_in(row), row["response"], asking) for row in rows.iter_rows(named=True)]


def price(asked: Sequence[Question], settings: Judge) -> tuple[int, int]:
    """Return the calls and the tokens that the questions cost at most, whatever was kept.

    Raises ModelError where the budget is not enough for all: a guard cannot look at a part.
    """
    tokens = sum(estimate(request_of(question, settings)) for question in asked)
    for name, cost, limit in (
        ("calls", len(asked), settings.budget_calls),
        ("tokens", tokens, settings.budget_tokens),
    ):
        if limit is not None and cost > limit:
            raise ModelError(
                f"judge.safety asks about {len(asked):,} rows, which takes {cost:,} {name}; "
                f"judge.budget_{name} allows {limit:,}. Raise it, or make the pool smaller."
            )
    return len(asked), tokens


def unsafe_rows(rows: pl.DataFrame, verdicts: Sequence[Verdict], model: str | None) -> pl.DataFrame:
    """Return the books of the rows that leave."""
    lines: list[tuple[Any, ...]] = []
    for name, verdict in zip(rows["id"], verdicts, strict=True):
        if verdict.value is None:
            why = FAILURES.get(verdict.reason or "", verdict.reason)
            lines.append((name, "unsafe", f"no word of the judge {model} that it is safe: {why}"))
        elif verdict.value >= _EVEN:
            lines.append((name, "unsafe", f"the judge {model} says yes ({verdict.value:.2f})"))
    return pl.DataFrame(lines, schema=BOOKS, orient="row")
