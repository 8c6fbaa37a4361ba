"""How the rows of a release were scored: an entry of its manifest, and a section of its card.

What a machine chose by itself is named here, since no recipe has it: the number type and the window
in which a language model read (decision 0063).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from polars import selectors as cs

from pipeline.manifest import Manifest
from pipeline.recipe import Recipe
from pipeline.release.card_text import table
from pipeline.release.escape import code, markdown
from pipeline.score import learned

_SCALES = {"likert6": "helpfulness, 1 to 6", "accuracy5": "accuracy, 0 to 5"}


def describe(manifests: Sequence[Manifest], recipe: Recipe, rows: pl.DataFrame) -> dict[str, Any]:
    """Return `parts` (the weight of each, and how many rows have it) and who made them, null for nobody."""
    stages = {item.stage: item for item in manifests}
    weights = recipe.score.weights.model_dump()
    answered = rows.filter(pl.col("split") != "test")
    parts = answered.select(cs.by_name("quality_parts", require_all=False)).unnest(cs.all())
    reading, judge = stages.get("likelihood"), stages.get("judge")
    return {
        "parts": {
            part.name: {"weight": weights[part.name], "rows": part.count()} for part in parts
        },
        "language_model": _reader(reading, recipe.score.lm.model) if reading else None,
        "learned": _learned(recipe.score.learned, reading) if recipe.score.learned else None,
        "judge": _judge(judge, recipe) if judge else None,
    }


def _reader(stage: Manifest, model: str | None) -> dict[str, Any] | None:
    if model is None:  # a learned score has one of its own
        return None
    pieces = list(stage.facts.values())
    cut, errors = (sum(piece[name] for piece in pieces) for name in ("cut", "errors"))
    chosen = {name: pieces[0][name] for name in ("dtype", "max_tokens")}
    counts = {"candidates": stage.rows_in, "read": _read(stage), "cut": cut, "errors": errors}
    return {"model": model} | chosen | counts


def _learned(folder: str, reading: Manifest | None) -> dict[str, Any]:
    model = learned.load(Path(folder))
    trained = {name: model.about["trained_on"][name] for name in ("rows", "groups", "grouped_by")}
    by = model.reading and {"model": model.reading.model, "read": reading and _read(reading)}
    return {"sha256": model.about["sha256"], "trained_on": trained, "language_model": by}


def _judge(stage: Manifest, recipe: Recipe) -> dict[str, Any]:
    (said,) = stage.facts.values()
    asked = {"model": recipe.judge.model, "scale": recipe.judge.scale}
    return asked | {name: said[name] for name in ("judged", "failures")}


def _read(stage: Manifest) -> int:
    read: int = sum(piece["scored"] for piece in stage.facts.values())
    return read


def render(scores: Mapping[str, Any]) -> str:
    """Write the section of the card; empty where rows have no parts."""
    if not scores["parts"]:
        return ""
    lines = [
        [name, f"{part['weight']:g}" if part["weight"] else "0: shown only", f"{part['rows']:,}"]
        for name, part in scores["parts"].items()
    ]
    text = (
        "## How rows were scored\n\n`quality` is the weighted mean of these parts, each in [0, 1] and most "
        "of them ranks within the row's group; `quality_parts` has them row by row. A part that a row lacks "
        "counts as its group's mean, and one that its whole group lacks is left out.\n\n"
        + table(["part", "weight", "training and validation rows that have it"], lines, (1, 2))
    )
    if model := scores["language_model"]:
        text += (
            f"\n\nThe language model {code(model['model'])} read {model['read']:,} of the "
            f"{model['candidates']:,} rows that could still be picked, in {model['dtype']}, prompt and response "
            f"together up to {model['max_tokens']:,} tokens; {model['cut']:,} were longer and were cut."
        )
        if model["errors"]:
            text += f" Of {model['errors']:,} it gave no numbers."
    if score := scores["learned"]:
        trained = score["trained_on"]
        text += (
            f"\n\nThe part `learned` is a score trained on {trained['rows']:,} labelled rows of "
            f"{trained['groups']:,} groups ({markdown(trained['grouped_by'])}), digest `{score['sha256'][:12]}`"
        )
        by = score["language_model"]
        text += f"; for it {code(by['model'])} read {by['read']:,} rows." if by else "."
    if judge := scores["judge"]:
        text += (
            f"\n\nThe judge {code(judge['model'])} marked {judge['judged']:,} rows "
            f"({_SCALES[judge['scale']]})."
        )
    return text
