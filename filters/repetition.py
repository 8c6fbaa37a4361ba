"""Text that repeats itself, or that is hardly prose at all.

The fractions are those of Gopher (arXiv 2112.11446) appendix A.1.1, "Repetition removal" and
"Quality filtering". They were made for web pages; answers that people voted for break them
rarely, so no shipped recipe turns them on.
"""

from __future__ import annotations

import polars as pl

from filters.rule import Rule

GOPHER = "Gopher (arXiv 2112.11446), appendix A.1.1"


def repeated_lines(maximum: float = 0.3) -> Rule:
    """Drop texts of which more than this share of the lines repeat an earlier line.

    Code is not looked at: closing brackets repeat by right.
    """
    return _repeated("lines", pl.col("prose").str.split("\n"), maximum)


def repeated_paragraphs(maximum: float = 0.3) -> Rule:
    """Drop texts of which more than this share of the paragraphs repeat an earlier one."""
    blocks = pl.col("prose").str.replace_all(r"\n[ \t]*\n\s*", "\x00").str.split("\x00")
    return _repeated("paragraphs", blocks, maximum)


def little_prose(minimum: float = 0.2, *, minimum_characters: int = 200) -> Rule:
    """Drop texts whose prose is less than this share of them and shorter than the minimum.

    Not Gopher's: code with a line of talk teaches no explaining. Code inside a long answer is
    welcome, hence the second condition.
    """
    written = pl.col("prose").str.replace_all(r"[\s\W\d]+", "").str.len_chars()
    whole = pl.col("response").str.replace_all(r"[\s\W\d]+", "").str.len_chars()
    share = written / whole
    return Rule(
        code="low_quality",
        fails=(share < minimum) & (written < minimum_characters),
        detail=pl.format(
            f"{{}} % prose, at least {minimum:.0%}", (share * 100).round(0).cast(pl.Int64)
        ),
        needs=frozenset({"prose", "response"}),
        cost=11,
        source="docs/decisions/0001-lima-rules.md",
    )


def _repeated(what: str, parts: pl.Expr, maximum: float) -> Rule:
    parts = parts.list.eval(pl.element().str.strip_chars().filter(pl.element().str.contains(r"\w")))
    total = parts.list.len()
    repeats = total - parts.list.n_unique()
    share = repeats / total
    return Rule(
        code="low_quality",
        fails=(total > 1) & (share > maximum),
        detail=pl.format(f"{{}} of {{}} {what} repeat an earlier one", repeats, total),
        needs=frozenset({"prose"}),
        cost=15,
        source=GOPHER,
    )
