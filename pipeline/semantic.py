"""Drop rows that say the same in other words (SemDeDup, arXiv 2303.09540).

Input: rows with vectors and clusters. Two rows of one cluster with a cosine above the threshold
are duplicates; of each chain of duplicates one row stays. The paper keeps the row farthest from
the centre; here the better one stays, by the rule of `dedup`: votes, then earlier, then id.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from pipeline.recipe import Part, Recipe
from pipeline.stage import InputFile, Shard, ShardStats
from pipeline.tables import (
    TABLES_FOLDER,
    best_first,
    count_reasons,
    each_file,
    ordered,
    read_columns,
    write,
    write_dropped,
)
from pipeline.vectors import PROMPT, RESPONSE, Matrix, of_rows

BLOCK = 1024

TABLE = pl.Schema(
    {
        "cluster": pl.Int64,
        "id": pl.String,
        "keeps": pl.Boolean,
        "similarity_to_kept": pl.Float64,
    }
)


class SemanticSettings(Part):
    """What the stage reads of the recipe."""

    threshold: float = 0.93


@dataclass(frozen=True)
class SemanticStage:
    """Global, though each cluster is judged alone; only in a run whose recipe sets a threshold."""

    settings: SemanticSettings
    name: str = "semantic"
    version: int = 1

    @classmethod
    def of(cls, recipe: Recipe) -> "SemanticStage":
        """Make the stage of a recipe; a run leaves it out where the threshold is null."""
        threshold = recipe.cluster.semantic_threshold
        return cls(
            SemanticSettings() if threshold is None else SemanticSettings(threshold=threshold)
        )

    def plan(self, inputs: Sequence[InputFile]) -> list[Shard]:
        """One shard: a cluster's rows are in all files."""
        return [Shard("all", tuple(ordered(inputs)))]

    def work(self, shard: Shard, out: Path) -> ShardStats:
        """Find the copies, write the rest file by file and the table of copies."""
        kind = pl.col("response").is_null().alias("prompt_only")
        columns: list[str | pl.Expr] = ["id", "cluster", "votes", "created_at", kind]
        rows = best_first(read_columns(shard.files, [*columns, PROMPT, RESPONSE], stage=self.name))
        table = find_copies(rows, self.settings.threshold)
        dropped = _books(table)
        for frame, name in each_file(shard):
            write(frame.join(dropped, on="id", how="anti", maintain_order="left"), out / name)
        write_dropped(dropped, self.name, shard, out)
        write(table, out / TABLES_FOLDER / "clusters.parquet")
        facts = {"sets_of_copies": table["cluster"].n_unique()}
        return ShardStats(len(rows), len(rows) - len(dropped), count_reasons(dropped), facts)


def find_copies(rows: pl.DataFrame, threshold: float) -> pl.DataFrame:
    """Return the table of copies; `rows` come best first.

    A row is a copy if it is above the threshold to a better row of its cluster that stays, so
    that each dropped row is near the row that is kept for it. Prompts are compared with prompts.
    """
    lines: list[tuple[int, str, bool, float]] = []
    number = 0
    for part in rows.partition_by("cluster", "prompt_only", maintain_order=True):
        keepers = nearest_kept(of_rows(part), threshold)
        ids = part["id"].to_list()
        copies: dict[int, list[tuple[int, float]]] = {}
        for place, (keeper, similarity) in keepers.items():
            copies.setdefault(keeper, []).append((place, similarity))
        for keeper in sorted(copies):
            lines.append((number, ids[keeper], True, 1.0))
            lines += [(number, ids[place], False, round(s, 4)) for place, s in copies[keeper]]
            number += 1
    return pl.DataFrame(lines, schema=TABLE, orient="row")


def nearest_kept(vectors: Matrix, threshold: float) -> dict[int, tuple[int, float]]:
    """Map each copy to the nearest better row that stays, and their cosine; best rows come first.

    Works block by block: no matrix of all pairs is made.
    """
    copies: dict[int, tuple[int, float]] = {}
    kept: list[int] = []
    for start in range(0, len(vectors), BLOCK):
        block = vectors[start : start + BLOCK]
        best = np.full(len(block), -1.0, np.float32)
        nearest = np.zeros(len(block), np.int64)
        for chunk in range(0, len(kept), BLOCK):
            against = kept[chunk : chunk + BLOCK]
            products = block @ vectors[against].T
            top = products.argmax(axis=1)
            value = products[np.arange(len(block)), top]
            better = value > best
            nearest[better] = np.asarray(against)[top[better]]
            best = np.maximum(best, value)
        inside = block @ block.T
        for place in range(len(block)):
            if best[place] > threshold:
                copies[start + place] = (int(nearest[place]), min(1.0, float(best[place])))
                continue
            kept.append(start + place)
            later = inside[place] > best
            later[: place + 1] = False
            best[later] = inside[place][later]
            nearest[later] = start + place
    return copies


def _books(table: pl.DataFrame) -> pl.DataFrame:
    keepers = table.filter("keeps").select("cluster", survivor="id")
    return (
        table.filter(~pl.col("keeps"))
        .join(keepers, on="cluster")
        .select(
            "id",
            reason=pl.lit("duplicate_semantic"),
            detail=pl.format(
                "says the same as {}, which has more votes or came first (cosine {})",
                "survivor",
                pl.col("similarity_to_kept").round(3),
            ),
        )
    )
