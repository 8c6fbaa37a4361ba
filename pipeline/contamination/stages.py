"""The stages `contamination` and `neighbours`: rows with text of an evaluation set leave.

In: candidates (after dedup), later the pool with vectors (after embed). Out: the same without the
contaminated rows; tables/<shard>.parquet holds each hit with its evidence. Both run only where the
recipe names evaluation sets.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import polars as pl

from pipeline.contamination.match import Index, evidence, find
from pipeline.contamination.neighbours import find_neighbours
from pipeline.dialogue import as_single_turn, every_question
from pipeline.encoder import find_model, model_digest, resolve_dtype
from pipeline.errors import SourceError
from pipeline.manifest import digest_file
from pipeline.recipe import Contamination, Embed, Part, Recipe
from pipeline.stage import InputFile, Shard, ShardStats
from pipeline.tables import TABLES_FOLDER, count_reasons, ordered, write, write_dropped


@dataclass(frozen=True)
class ContaminationStage:
    """Looks for the sets' words, file by file."""

    settings: Contamination
    name: str = "contamination"
    version: int = 2

    @classmethod
    def of(cls, recipe: Recipe) -> "ContaminationStage":
        """Take the stage's part of the recipe."""
        return cls(recipe.contamination)

    def plan(self, inputs: Sequence[InputFile]) -> list[Shard]:
        """One shard per file; the digests of the sets are part of its key."""
        options = set_digests(self.settings)
        return [Shard(file.path.stem, (file,), options) for file in ordered(inputs)]

    def work(self, shard: Shard, out: Path) -> ShardStats:
        """Drop the rows of one file in which something was found."""
        frame = pl.read_parquet(shard.files[0].path)
        asked = every_question(as_single_turn(frame))
        hits = find(asked, _index(self.settings, shard.options))
        return _without(frame, hits, self.name, shard, out)


class NeighbourSettings(Part):
    """What the stage reads of the recipe."""

    contamination: Contamination
    embed: Embed


@dataclass(frozen=True)
class NeighbourStage:
    """Looks for the sets' questions in other words, among the vectors of the pool."""

    settings: NeighbourSettings
    name: str = "neighbours"
    version: int = 1

    @classmethod
    def of(cls, recipe: Recipe) -> "NeighbourStage":
        """Take the stage's parts of the recipe."""
        return cls(NeighbourSettings(contamination=recipe.contamination, embed=recipe.embed))

    def plan(self, inputs: Sequence[InputFile]) -> list[Shard]:
        """One shard per file; the model's digest and number type are part of its key, too."""
        embed = self.settings.embed
        options = (
            *set_digests(self.settings.contamination),
            ("dtype", resolve_dtype(embed.dtype, embed.device)),
            ("model", model_digest(find_model(embed.model))),
        )
        return [Shard(file.path.stem, (file,), options) for file in ordered(inputs)]

    def work(self, shard: Shard, out: Path) -> ShardStats:
        """Drop the rows of one file whose prompt is a neighbour."""
        frame = pl.read_parquet(shard.files[0].path)
        index = _index(self.settings.contamination, shard.options)
        hits = find_neighbours(frame, index, self.settings.embed, shard.option("dtype"))
        return _without(frame, hits, self.name, shard, out)


def set_digests(settings: Contamination) -> tuple[tuple[str, str], ...]:
    """Return the files of the sets with their digests; raises SourceError where one is missing."""
    options = []
    for name in settings.against:
        if not Path(name).is_file():
            raise SourceError(f"There is no evaluation set {name} (contamination.against).")
        options.append((name, digest_file(Path(name))))
    return tuple(options)


@lru_cache(maxsize=2)
def _index(settings: Contamination, options: tuple[tuple[str, str], ...]) -> Index:
    """Read the sets once per process; the digests among the options tell a changed file."""
    return Index.of(settings.against, settings)


def _without(
    frame: pl.DataFrame, hits: pl.DataFrame, stage: str, shard: Shard, out: Path
) -> ShardStats:
    books = evidence(hits).select("id", pl.lit("contaminated").alias("reason"), "detail")
    kept = frame.join(books, on="id", how="anti", maintain_order="left")
    write(kept, out / f"{shard.name}.parquet")
    write_dropped(books, stage, shard, out)
    if len(hits):
        write(hits, out / TABLES_FOLDER / f"{shard.name}.parquet")
    return ShardStats(len(frame), len(kept), count_reasons(books))
