"""Answers with hardly any words of their own: bare code, or a long quotation and a line.

Off in every shipped recipe. Gopher's repetition rules (arXiv 2112.11446, appendix A.1.1:
duplicate lines and paragraphs above 30 %) were tried here too and dropped nothing; see
docs/decisions/0001-lima-rules.md.
"""

from __future__ import annotations

import polars as pl

from filters.rule import Rule

_NOT_LETTERS = r"[^\p{L}]+"


def little_prose(minimum_share: float = 0.2, *, minimum_letters: int = 200) -> Rule:
    """Drop answers whose prose is a smaller share of their letters and shorter than the minimum.

    A long explanation around much code passes by the second condition.
    """
    own = pl.col("prose").str.replace_all(_NOT_LETTERS, "").str.len_chars()
    share = own / pl.col("response").str.replace_all(_NOT_LETTERS, "").str.len_chars()
    return Rule(
        code="low_quality",
        fails=(share < minimum_share) & (own < minimum_letters),
        detail=pl.format(
            f"{{}} letters of prose, {{}} %, at least {minimum_letters} or {minimum_share:.0%}",
            own,
            (share * 100).round(0).cast(pl.Int64),
        ),
        needs=frozenset({"prose", "response"}),
        cost=13,
        source="docs/decisions/0001-lima-rules.md",
    )
