"""Length of the response, in characters of its Markdown.

LIMA (arXiv 2305.11206) section 2.1 drops Stack Exchange answers "too short (less than 1200
characters)" or "too long (more than 4096 characters)". Code blocks and list marks count, since
they are part of what is trained on; white space at both ends does not.
"""

from __future__ import annotations

import polars as pl

from filters.rule import Rule

SOURCE = "LIMA (arXiv 2305.11206), section 2.1"


def too_short(minimum_characters: int = 1200, *, column: str = "response") -> Rule:
    """Drop texts of fewer characters; a null response has no length and passes."""
    length = _length(column)
    return Rule(
        code="too_short",
        fails=length < minimum_characters,
        detail=pl.format(f"{{}} characters, at least {minimum_characters}", length),
        needs=frozenset({column}),
        cost=2,
        source=SOURCE,
    )


def too_long(maximum_characters: int = 4096, *, column: str = "response") -> Rule:
    """Drop texts of more characters."""
    length = _length(column)
    return Rule(
        code="too_long",
        fails=length > maximum_characters,
        detail=pl.format(f"{{}} characters, at most {maximum_characters}", length),
        needs=frozenset({column}),
        cost=2,
        source=SOURCE,
    )


def _length(column: str) -> pl.Expr:
    return pl.col(column).str.strip_chars().str.len_chars()
