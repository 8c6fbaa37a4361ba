"""Give each row a topic: k-means (faiss) on its vector, and words that name the topic.

Input: rows with vectors. Output: the same rows with `cluster`, `cluster_words`,
`cluster_similarity` (cosine to the centre), `x` and `y` (for a map), and tables/clusters.parquet.
Clusters are numbered by size, so that a number means something; ties by their smallest id.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline.recipe import Cluster, Recipe
from pipeline.stage import InputFile, Shard, ShardStats
from pipeline.tables import TABLES_FOLDER, each_file, ordered, read_columns, write
from pipeline.vectors import PROMPT, RESPONSE, Matrix, of_rows
from pipeline.words import count_words, name_clusters

Labels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ClusterStage:
    """Global: one shard sees all vectors, then adds its columns file by file."""

    settings: Cluster
    name: str = "cluster"
    version: int = 1

    @classmethod
    def of(cls, recipe: Recipe) -> "ClusterStage":
        """Make the stage of a recipe; the threshold of semantic duplicates is not its matter."""
        return cls(recipe.cluster.model_copy(update={"semantic_threshold": None}))

    def plan(self, inputs: Sequence[InputFile]) -> list[Shard]:
        """One shard: the centres depend on all rows."""
        return [Shard("all", tuple(ordered(inputs)))]

    def work(self, shard: Shard, out: Path) -> ShardStats:
        """Cluster all rows, name the clusters, add the columns."""
        rows = read_columns(shard.files, ["id", PROMPT, RESPONSE], stage=self.name)
        ids, vectors = rows["id"], of_rows(rows)
        labels, similarity = assign(vectors, self.settings)
        x, y = flatten(vectors)
        placed = pl.DataFrame(
            {
                "id": ids,
                "cluster": pl.Series(labels, dtype=pl.Int32),
                "cluster_similarity": similarity,
                "x": x,
                "y": y,
            }
        )
        table = self._name(shard, placed)
        placed = placed.join(table.select("cluster", cluster_words="words"), on="cluster")
        columns = ["id", "cluster", "cluster_words", "cluster_similarity", "x", "y"]
        for frame, name in each_file(shard):
            added = frame.join(placed.select(columns), on="id", how="left", maintain_order="left")
            write(added, out / name)
        write(table, out / TABLES_FOLDER / "clusters.parquet")
        return ShardStats(len(rows), len(rows), facts={"clusters": len(table)})

    def _name(self, shard: Shard, placed: pl.DataFrame) -> pl.DataFrame:
        """Make the table of clusters: rows, words, and the row nearest to the centre."""
        where = placed.select("id", "cluster")
        counts = [
            count_words(
                pl.read_parquet(file.path, columns=["id", "prompt", "response"]).join(
                    where, on="id"
                )
            )
            for file in shard.files
        ]
        total = pl.concat(counts).group_by("cluster", "word").agg(pl.col("rows").sum())
        table = (
            placed.sort(["cluster", "cluster_similarity", "id"], descending=[False, True, False])
            .group_by("cluster", maintain_order=True)
            .agg(rows=pl.len().cast(pl.Int64), centre_id=pl.col("id").first())
        )
        sizes = dict(table.select("cluster", "rows").iter_rows())
        names = name_clusters(total, sizes, self.settings.words)
        words = pl.Series("words", [names[c] for c in table["cluster"]], dtype=pl.List(pl.String))
        return table.insert_column(2, words)


def cluster_count(rows: int, wanted: int | None) -> int:
    """Return how many clusters to make: as told, else the square root of the rows up to 256."""
    return max(1, min(rows, wanted or min(256, math.isqrt(rows))))


def assign(vectors: Matrix, settings: Cluster) -> tuple[Labels, npt.NDArray[np.float64]]:
    """Return each row's cluster and its cosine to the centre, rounded to 4 digits.

    One OpenMP thread: sums of floats come in the same order whatever the machine's load.
    """
    import faiss

    if not len(vectors):
        return np.zeros(0, np.int64), np.zeros(0)
    count = cluster_count(len(vectors), settings.clusters)
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        means = faiss.Kmeans(
            vectors.shape[1],
            count,
            niter=settings.iterations,
            seed=settings.seed % 2**31,
            spherical=True,
            min_points_per_centroid=1,
        )
        means.train(vectors)
        similarity, found = means.index.search(vectors, 1)
    finally:
        faiss.omp_set_num_threads(threads)
    labels = _by_size(found[:, 0].astype(np.int64))
    return labels, np.asarray(
        np.round(np.clip(similarity[:, 0], -1, 1).astype(np.float64), 4), np.float64
    )


def _by_size(found: Labels) -> Labels:
    """Number clusters from the largest down; of equal ones the one with the first row leads."""
    old, first, sizes = np.unique(found, return_index=True, return_counts=True)
    order = np.lexsort((first, -sizes))
    new = np.zeros(int(old.max()) + 1, np.int64)
    new[old[order]] = np.arange(len(old))
    return np.asarray(new[found], np.int64)


def flatten(vectors: Matrix) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the first two principal components, rounded to 4 digits, the larger sign positive."""
    places = np.zeros((len(vectors), 2))
    if len(vectors) > 1:
        mean = vectors.mean(axis=0, dtype=np.float64)
        # Sums of products on the grid are exact in float64, in any order.
        products = sum(block.T @ block for block in _blocks(vectors))
        spread = products / len(vectors) - np.outer(mean, mean)
        _, axes = np.linalg.eigh(spread)
        top = axes[:, ::-1][:, :2]
        signs = np.sign(top[np.abs(top).argmax(axis=0), np.arange(top.shape[1])])
        places[:, : top.shape[1]] = np.vstack(
            [(b - mean) @ (top * signs) for b in _blocks(vectors)]
        )
    places = np.round(places, 4) + 0.0
    return places[:, 0], places[:, 1]


def _blocks(vectors: Matrix, rows: int = 8192) -> list[npt.NDArray[np.float64]]:
    return [vectors[i : i + rows].astype(np.float64) for i in range(0, len(vectors), rows)]
