"""Judge each row by what the dump and its vectors tell.

Input: rows with vectors. Output: the same rows with `quality` in [0, 1] and `quality_parts`, which
holds each part by its name; both are null where a row has nothing to judge, such as a bare prompt.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from pipeline.recipe import Recipe, Score
from pipeline.score.combine import combine
from pipeline.score.parts import PARTS, parts_for
from pipeline.stage import InputFile, Shard, ShardStats
from pipeline.tables import each_file, ordered, write


@dataclass(frozen=True)
class ScoreStage:
    """Global, since ranks need the whole group; texts are read file by file."""

    settings: Score
    name: str = "score"
    version: int = 1

    @classmethod
    def of(cls, recipe: Recipe) -> "ScoreStage":
        """Make the stage of a recipe."""
        return cls(recipe.score)

    def plan(self, inputs: Sequence[InputFile]) -> list[Shard]:
        """One shard: a rank depends on all rows of the group."""
        return [Shard("all", tuple(ordered(inputs)))]

    def work(self, shard: Shard, out: Path) -> ShardStats:
        """Measure file by file, rank over all, write file by file."""
        measured = pl.concat([measure(frame) for frame, _ in each_file(shard)]).sort("id")
        parts = [part for part in PARTS if part.name in measured.columns]
        scores = combine(measured, self.settings.weights.model_dump(), parts)
        for frame, name in each_file(shard):
            write(frame.join(scores, on="id", how="left", maintain_order="left"), out / name)
        facts = {
            group: {"rows": rows, "quality": quality}
            for group, rows, quality in measured.join(scores, on="id")
            .group_by("group")
            .agg(pl.col("quality").count(), mean=pl.col("quality").mean().round(4))
            .sort("group")
            .iter_rows()
        }
        return ShardStats(len(measured), len(measured), facts=facts)


def measure(frame: pl.DataFrame) -> pl.DataFrame:
    """Measure the parts that the frame has columns for; rows without a response get nulls."""
    parts = parts_for(frame.columns)
    answered = pl.col("response").is_not_null()
    measured = frame.select("id", "group", "response").with_columns(
        part.measure(frame).alias(part.name) for part in parts
    )
    return measured.select(
        "id", "group", *(pl.when(answered).then(part.name).alias(part.name) for part in parts)
    )
