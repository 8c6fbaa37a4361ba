"""Votes of the response, where its source has votes.

LIMA (arXiv 2305.11206) section 2.1 takes the top answer of a question "if it has a strong
positive score (at least 10)".
"""

from __future__ import annotations

import polars as pl

from filters.rule import Rule


def low_votes(minimum: int = 10) -> Rule:
    """Drop rows of fewer votes; a source without votes leaves null, which passes."""
    votes = pl.col("votes")
    return Rule(
        code="low_votes",
        fails=votes < minimum,
        detail=pl.format(f"{{}} votes, at least {minimum}", votes),
        needs=frozenset({"votes"}),
        cost=1,
        source="LIMA (arXiv 2305.11206), section 2.1",
    )
