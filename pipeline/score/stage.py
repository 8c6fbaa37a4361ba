"""Judge each row by what the dump and its vectors tell.

Input: rows with vectors. Output: the same rows with `quality` in [0, 1] and `quality_parts`, which
holds each part by its name; both are null where a row has nothing to judge, such as a bare prompt.
The table `all-parts` keeps what was measured and how it was weighed, for `thousand explain`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import polars as pl

from pipeline.errors import ModelError
from pipeline.recipe import Embed, Recipe, Score
from pipeline.score import breakdown, learned
from pipeline.score.combine import combine
from pipeline.score.parts import PARTS, Evidence, as_it_is, parts_for
from pipeline.stage import InputFile, Shard, ShardStats
from pipeline.tables import TABLES_FOLDER, each_file, ordered, write


@dataclass(frozen=True)
class ScoreStage:
    """Global, since ranks need the whole group; texts are read file by file."""

    settings: Score
    name: str = "score"
    version: int = 4
    embed: Embed = field(default_factory=Embed)  # what a learned score must have been trained with

    @classmethod
    def of(cls, recipe: Recipe) -> "ScoreStage":
        """Make the stage of a recipe."""
        return cls(recipe.score, embed=recipe.embed)

    def plan(self, inputs: Sequence[InputFile]) -> list[Shard]:
        """One shard: a rank depends on all rows of the group."""
        options: tuple[tuple[str, str], ...] = ()
        if self.settings.learned:
            model = learned.load(Path(self.settings.learned))
            learned.check_embedding(model, self.embed)
            options = (("learned", model.about["sha256"]),)
        return [Shard("all", tuple(ordered(inputs)), options)]

    def work(self, shard: Shard, out: Path) -> ShardStats:
        """Measure file by file, rank over all, write file by file."""
        known = known_parts(self.settings, dict(shard.options).get("learned"))
        measured = pl.concat([measure(frame, known) for frame, _ in each_file(shard)]).sort("id")
        parts = [part for part in known if part.name in measured.columns]
        weights = self.settings.weights.model_dump()
        scores = combine(measured, weights, parts)
        for frame, name in each_file(shard):
            frame = frame.drop(learned.STATE, strict=False)  # evidence, of no use to later stages
            write(frame.join(scores, on="id", how="left", maintain_order="left"), out / name)
        write(breakdown.table(measured, weights, parts), out / TABLES_FOLDER / breakdown.TABLE)
        facts = {
            group: {"rows": rows, "quality": quality}
            for group, rows, quality in measured.join(scores, on="id")
            .group_by("group")
            .agg(pl.col("quality").count(), mean=pl.col("quality").mean().round(4))
            .sort("group")
            .iter_rows()
        }
        return ShardStats(len(measured), len(measured), facts=facts)


def measure(frame: pl.DataFrame, known: Sequence[Evidence] = PARTS) -> pl.DataFrame:
    """Measure the parts that the frame has columns for; rows without a response get nulls."""
    parts = parts_for(frame.columns, known)
    answered = pl.col("response").is_not_null()
    measured = frame.select("id", "group", "response").with_columns(
        part.measure(frame).alias(part.name) for part in parts
    )
    return measured.select(
        "id", "group", *(pl.when(answered).then(part.name).alias(part.name) for part in parts)
    )


def known_parts(settings: Score, planned: str | None = None) -> tuple[Evidence, ...]:
    """Return the kinds of evidence that a recipe can have: those built in, and its learned score.

    Raises ModelError where the learned score is not the one, by its digest, that was planned with.
    """
    if settings.learned is None:
        return PARTS
    model = learned.load(Path(settings.learned))
    if planned not in (None, model.about["sha256"]):
        raise ModelError(f"{settings.learned} was trained anew during the run; run again.")
    return (*PARTS, Evidence("learned", partial(learned.measure, model=model), as_it_is))
