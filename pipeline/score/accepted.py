"""Acceptance: the asker marked the answer as the one that helped."""

import polars as pl


def measure(frame: pl.DataFrame) -> pl.Series:
    """Return 1 for accepted and 0 for not; null where the source has no such mark."""
    return frame["accepted"].cast(pl.Float64)
