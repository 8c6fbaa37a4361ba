"""Votes: the row's place among the answers of its own site and year, as ingest counted it."""

import polars as pl


def measure(frame: pl.DataFrame) -> pl.Series:
    """Return `votes_rank`; old answers had more years to collect votes, so bare votes mislead."""
    return frame["votes_rank"].cast(pl.Float64)
