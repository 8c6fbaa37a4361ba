"""The whole audit of one set: the verdict by rules and everything around it, as one JSON object."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.audit import familiarity, lima, space, target, texts
from pipeline.audit.verdict import Audit, audit_rows, looked_for, name_of
from pipeline.contamination.match import Index
from pipeline.contamination.sets import names_of
from pipeline.errors import RecipeError
from pipeline.instructions import ORIGINS, read_instructions
from pipeline.recipe import Recipe

SAMPLE = 500


@dataclass(frozen=True)
class Wanted:
    """What an audit looks at besides the rules. `origin` overrules what shapes say."""

    against: Sequence[Path] = ()
    targets: Sequence[Path] = ()
    model: str | None = None  # of familiarity
    unseen: Path | None = None  # texts that the model cannot have seen
    sample: int = SAMPLE  # rows that are embedded; 0 is all
    judged: int = 0  # responses of which the recipe's judge is asked whether they explain
    replies: Path | None = None  # where the judge's replies are kept
    origin: str | None = None
    cache: Path | None = None


def audit_whole(
    path: Path, recipe: Recipe, wanted: Wanted, said: Callable[[str], None] = lambda _: None
) -> Audit:
    """Audit one set; `said` hears what is being done."""
    name = name_of(path)
    rows = read_set(path, wanted.origin)
    index = Index.of(wanted.against, recipe.contamination) if wanted.against else None
    others = [(file, read_set(file)) for file in wanted.targets]
    unseen = read_set(wanted.unseen) if wanted.unseen else None
    said(f"{name}: {len(rows):,} rows, topics and diversity")
    vectors = wanted.cache and wanted.cache / "embeddings"
    placed = space.embed(rows, recipe, vectors, wanted.sample)
    anew = space.in_other_words(placed, index, recipe, vectors)
    said(f"{name}: rules, duplicates and evaluation text")
    found = audit_rows(path, rows, recipe, index, anew)
    profile: dict[str, Any] = {
        **texts.describe(rows),
        "max_model_share": recipe.select.max_model_share,
        "against": names_of(wanted.against),
        "looked_for": looked_for(recipe),
    }
    if wanted.judged:
        said(f"{name}: the judge reads {wanted.judged} responses")
        profile["explanation"]["judge"] = _judged(rows, recipe, wanted)
    profile["space"] = space.describe(placed, recipe)
    profile["targets"] = [
        {"name": file.name, **target.distance(placed, other, recipe, vectors, wanted.sample)}
        for file, other in others
    ]
    if wanted.model:
        said(f"{name}: familiarity of {wanted.model}")
        models = wanted.cache and wanted.cache / "models"
        profile["familiarity"] = familiarity.measure(
            rows, wanted.model, unseen, recipe.seed, models, wanted.sample
        )
    profile["lima"] = lima.figures()
    return replace(found, profile=profile)


def _judged(rows: pl.DataFrame, recipe: Recipe, wanted: Wanted) -> dict[str, Any]:
    from pipeline.audit import explaining
    from pipeline.judge.asking import Asker

    if recipe.judge.endpoint is None or wanted.replies is None:
        raise RecipeError(
            "No judge is named: give --endpoint URL and --model NAME, or a recipe whose part judge "
            "names them."
        )
    with Asker(recipe.judge, wanted.replies) as asker:
        return explaining.ask(rows, asker, wanted.judged, recipe.seed)


def read_set(path: Path, origin: str | None = None) -> pl.DataFrame:
    """Read a set; `origin` is taken for all its rows if given."""
    if origin is not None and origin not in ORIGINS:
        raise RecipeError(f"--origin {origin!r} is none of {', '.join(ORIGINS)}.")
    rows = read_instructions(path)
    return rows if origin is None else rows.with_columns(origin=pl.lit(origin))
