"""Judge: the mark that a language model gave the response, in a run whose recipe names one."""

import polars as pl


def measure(frame: pl.DataFrame) -> pl.Series:
    """Return `judge_mark`; null for a row that was not judged or got no verdict."""
    return frame["judge_mark"].cast(pl.Float64)
