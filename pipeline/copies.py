"""Groups of copies, and which of each group stays.

The rule, declared once for all kinds of duplicates: a row with a response before a prompt alone,
then more votes, then the earlier one, then the lower id. Chance has no part in it.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

# The columns that the rule reads.
RANKED_BY = ("id", "votes", "created_at", "has_response")

CLUSTERS = pl.Schema(
    {"cluster": pl.Int64, "id": pl.String, "keeps": pl.Boolean, "similarity_to_kept": pl.Float64}
)


@dataclass(frozen=True)
class Groups:
    """Which rows belong together; `survivor[i]` is the row that stays for row i (often i)."""

    survivor: NDArray[np.int64]

    @property
    def dropped(self) -> NDArray[np.int64]:
        """The rows that leave, ascending."""
        return np.flatnonzero(self.survivor != np.arange(len(self.survivor)))


def preference(rows: pl.DataFrame) -> NDArray[np.int64]:
    """Return the place of each row in the order of the rule, 0 for the best. Ids are unique."""
    order = rows.with_row_index("row").sort(
        pl.col("has_response"),
        pl.col("votes"),
        pl.col("created_at"),
        pl.col("id"),
        descending=[True, True, False, False],
        nulls_last=True,
    )["row"]
    place = np.empty(len(rows), np.int64)
    place[order.to_numpy()] = np.arange(len(rows))
    return place


def group(rows: pl.DataFrame, links: Iterable[NDArray[np.int64]]) -> Groups:
    """Join rows that are linked, directly or through others, and choose each group's survivor."""
    pairs = np.concatenate([np.zeros((0, 2), np.int64), *links])
    size = len(rows)
    matrix = coo_array((np.ones(len(pairs), np.int8), (pairs[:, 0], pairs[:, 1])), (size, size))
    _, label = connected_components(matrix, directed=False)
    place = preference(rows)
    best = np.full(size, size, np.int64)
    np.minimum.at(best, label, place)
    row_at = np.empty(size, np.int64)
    row_at[place] = np.arange(size)
    return Groups(row_at[best[label]] if size else np.zeros(0, np.int64))


def cluster_table(ids: pl.Series, groups: Groups, similarity: dict[int, float]) -> pl.DataFrame:
    """List the members of each group with more than one; survivors have similarity 1."""
    members = np.union1d(groups.dropped, groups.survivor[groups.dropped])
    table = pl.DataFrame(
        {
            "survivor": ids.gather(groups.survivor[members]),
            "id": ids.gather(members),
            "keeps": groups.survivor[members] == members,
            "similarity_to_kept": [similarity.get(int(row), 1.0) for row in members],
        },
        schema_overrides={"similarity_to_kept": pl.Float64},
    ).sort("survivor", "id")
    return table.select(
        (pl.col("survivor").rle_id().cast(pl.Int64)).alias("cluster"),
        "id",
        "keeps",
        pl.col("similarity_to_kept").round(4),
    ).match_to_schema(CLUSTERS)


def why_kept(row: dict[str, object], kept: dict[str, object]) -> str:
    """Say by which part of the rule `kept` stays and `row` leaves."""
    if row["has_response"] != kept["has_response"]:
        return "which has a response"
    if row["votes"] != kept["votes"]:
        lost = "none" if row["votes"] is None else row["votes"]
        return f"which has more votes ({kept['votes']} against {lost})"
    if row["created_at"] != kept["created_at"]:
        return "which is earlier"
    return "which has the lower id"
