"""Length against the group: too short is bad, longer is not always better.

People and judges alike take length for quality, so a score that only grows with it would pick the
longest rows. The score rises to the middle of the group, stays, and falls a little for the longest
tenth, where answers tend to ramble.
"""

import polars as pl

SATURATES = 0.5  # rank in the group from which more length earns nothing
RAMBLES = 0.9  # rank from which it costs
LONGEST = 0.75  # what the longest row of a group still gets


def measure(frame: pl.DataFrame) -> pl.Series:
    """Return the characters of the response (their logarithm would rank the same)."""
    return frame["response"].str.len_chars().cast(pl.Float64)


def shape(rank: pl.Expr) -> pl.Expr:
    """Turn the rank in the group into the score."""
    falling = 1 - (1 - LONGEST) * (rank - RAMBLES) / (1 - RAMBLES)
    return (
        pl.when(rank < SATURATES)
        .then(rank / SATURATES)
        .when(rank <= RAMBLES)
        .then(pl.lit(1.0))
        .otherwise(falling)
    )
