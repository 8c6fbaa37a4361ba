"""Grade responses one by one on a scale, with a reference where there is one.

In: rows with id, prompt, response, history. Out: a table with a line for each row: its mark, how it
was read, and why it has none.
"""

from collections.abc import Mapping
from typing import Any

import polars as pl

from pipeline.judge.asking import Asker
from pipeline.judge.prompts import SCALES, Asking, Question, grade, request_in
from pipeline.judge.verdict import Verdict
from pipeline.recipe.judge import Judge

TABLE = pl.Schema(
    {
        "id": pl.String,
        "mark": pl.Float64,  # the expected mark where the tokens tell, else the one that was written
        "written": pl.Int64,  # the mark that the reply holds
        "mass": pl.Float64,  # probability of all marks together; null without log-probabilities
        "reason": pl.String,  # why there is no mark
        "detail": pl.String,
        "cut": pl.Boolean,  # a text was too long and lost its middle
        "chars": pl.Int64,  # of the response
    }
)


def grade_rows(
    rows: pl.DataFrame, asker: Asker, references: Mapping[str, str] | None = None
) -> pl.DataFrame:
    """Grade each row of a frame; with `references` only rows whose prompt has one."""
    settings = asker.settings
    lines: list[dict[str, Any]] = []
    questions: list[Question] = []
    asked: list[int] = []
    for place, row in enumerate(rows.iter_rows(named=True)):
        response = row["response"] or ""
        lines.append({"id": row["id"], "cut": False, "chars": len(response)})
        reference = (references or {}).get(request_in(row))
        if not response.strip():
            lines[-1]["reason"] = "no_response"
        elif references is not None and reference is None:
            lines[-1]["reason"] = "no_reference"
        else:
            questions.append(question(row, settings, reference))
            asked.append(place)
    for place, asked_for, verdict in zip(asked, questions, asker.ask(questions), strict=True):
        lines[place] |= {**_said(verdict), "cut": asked_for.cut}
    return pl.DataFrame(lines, schema=TABLE, orient="row")


def question(row: Mapping[str, Any], settings: Judge, reference: str | None = None) -> Question:
    """Make the question about one row."""
    asking = Asking(settings.style, settings.max_chars)
    return grade(SCALES[settings.scale], request_in(row), row["response"], asking, reference)


def _said(verdict: Verdict) -> dict[str, Any]:
    return {
        "mark": None if verdict.value is None else round(verdict.value, 6),
        "written": None if verdict.label is None else int(verdict.label),
        "mass": None if verdict.mass is None else round(verdict.mass, 6),
        "reason": verdict.reason,
        "detail": verdict.detail,
    }
