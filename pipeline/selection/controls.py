"""The controls that every method must beat: chance, length alone, votes alone."""

import polars as pl

from pipeline.selection.candidates import Candidates, Pick


def pick_random(candidates: Candidates, count: int) -> Pick:
    """Pick by lot, among rows in the order of their ids."""
    by_id = candidates.frame.with_row_index("place").sort("id")["place"].to_list()
    lots = candidates.random("random").permutation(len(by_id))[:count]
    return Pick([by_id[lot] for lot in lots])


def pick_longest(candidates: Candidates, count: int) -> Pick:
    """Pick the longest responses; for bare prompts the longest prompts."""
    ranked = candidates.frame.with_row_index("place").sort(
        pl.col("chars"), pl.col("id"), descending=[True, False]
    )
    return Pick(ranked["place"].to_list()[:count])


def pick_votes(candidates: Candidates, count: int) -> Pick:
    """Pick by votes, then the earlier, then id."""
    return Pick(candidates.by_votes()[:count])
