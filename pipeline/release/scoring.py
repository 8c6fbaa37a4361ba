"""How the rows of a release were scored: an entry of its manifest, and a section of its card.

What a machine chose by itself is named here, since no recipe has it: the number type and the window
in which a language model read (decision 0063).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
from polars import selectors as cs

from pipeline.manifest import Manifest
from pipeline.recipe import Recipe
from pipeline.release.card_text import table
from pipeline.release.escape import code


def describe(manifests: Sequence[Manifest], recipe: Recipe, rows: pl.DataFrame) -> dict[str, Any]:
    """Return `parts` (weight, and released rows that have it), `language_model` and `judge`, or null."""
    facts = {item.stage: list(item.facts.values()) for item in manifests}
    rows_in = {item.stage: item.rows_in for item in manifests}
    weights = recipe.score.weights.model_dump()
    answered = rows.filter(pl.col("split") != "test")
    parts = answered.select(cs.by_name("quality_parts", require_all=False)).unnest(cs.all())
    scores: dict[str, Any] = {
        "parts": {
            part.name: {"weight": weights[part.name], "rows": part.count()} for part in parts
        },
        "language_model": None,
        "judge": None,
    }
    if recipe.score.lm.model:
        pieces = facts["likelihood"]
        scores["language_model"] = {
            "model": recipe.score.lm.model,
            **{name: pieces[0][name] for name in ("dtype", "max_tokens")},
            **{name: sum(piece[name] for piece in pieces) for name in ("scored", "cut", "errors")},
            "pool": rows_in["likelihood"],
        }
    if "judge" in facts:
        (said,) = facts["judge"]
        scores["judge"] = {"model": recipe.judge.model, "scale": recipe.judge.scale} | {
            name: said[name] for name in ("judged", "failures")
        }
    return scores


def render(scores: Mapping[str, Any]) -> str:
    """Write the section of the card; empty where nothing was scored."""
    if not scores.get("parts"):
        return ""
    lines = [
        [name, f"{part['weight']:g}" if part["weight"] else "0: shown only", f"{part['rows']:,}"]
        for name, part in scores["parts"].items()
    ]
    text = (
        "## How rows were scored\n\n`quality` is the weighted mean of these parts, each in [0, 1] and most "
        "of them ranks within the row's group; `quality_parts` has them row by row. A part that a row lacks "
        "counts as its group's mean.\n\n"
        + table(["part", "weight", "rows that have it"], lines, right=(1, 2))
    )
    if model := scores["language_model"]:
        text += (
            f"\n\nThe language model {code(model['model'])} read {model['scored']:,} of the {model['pool']:,} "
            f"rows of the pool in {model['dtype']}, prompt and response together up to "
            f"{model['max_tokens']:,} tokens; {model['cut']:,} were longer and were cut."
        )
        if model["errors"]:
            text += f" Of {model['errors']:,} it gave no numbers."
    if judge := scores["judge"]:
        named = code(judge["model"]) if judge["model"] else "that the endpoint serves"
        text += (
            f"\n\nThe judge {named} marked {judge['judged']:,} rows of the pool ({judge['scale']})."
        )
    return text
