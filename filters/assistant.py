"""The wording of chat assistants: what only they say, and what they say too often.

One phrase of the first kind is enough; of the second a row needs several. Quotations and code are
not read, so that a text about assistants passes.
"""

from __future__ import annotations

import polars as pl

from filters.rule import Rule
from filters.text import fast, snippet

_I_AM = r"(?:I(?:'m|’m| am)|being|as)"
TELLING: tuple[str, ...] = (
    rf"(?i:\b{_I_AM} (?:just |only |merely |simply )?an? (?:AI|artificial intelligence)"
    r"(?: (?:language )?model| assistant| system| chatbot)?[,.;: ])",
    rf"(?i:\b{_I_AM} (?:just |only )?a (?:large )?language model\b)",
    r"(?i:\bmy (?:knowledge|training data)(?: was| is)? (?:cut[- ]?off|limited to)\b)",
    r"(?i:\b(?:as of|up to) my (?:last|latest) (?:knowledge |training )?(?:update|cut[- ]?off|training)\b)",
    r"(?i:\bmy (?:knowledge cut[- ]?off|training data)\b)",
    r"(?i:\bI (?:do not|don't|don’t|cannot|can't|can’t) (?:have|possess) (?:personal (?:opinions|beliefs"
    r"|experiences|feelings|preferences)|access to real[- ]time|the ability to (?:browse|feel|access))\b)",
    r"(?i:\bI(?:'m|’m| am) sorry,? but (?:as|I(?: cannot|'m unable|’m unable| am unable| can't|"
    r" can’t)) (?:an? (?:AI|language)|(?:to )?(?:assist|fulfil+|provide|generate|comply)))",
    r"(?i:\b(?:regenerate response|I was (?:trained|developed|created) by OpenAI)\b)",
)
STOCK: tuple[str, ...] = (
    r"(?i:\A\W*(?:certainly|absolutely|of course|sure)(?: thing)?!)",
    r"(?i:\A\W*(?:great|excellent|good|interesting) question!)",
    r"(?i:\A\W*(?:certainly|sure|of course)?[!,. ]*here(?:'s|’s| is| are) (?:an?|the|some|your|my) )",
    r"(?i:\bI hope (?:this|that) helps!? (?:Let|If you|Please|Feel)\b)",
    r"(?i:\blet me know if you (?:have any (?:other |further |more |additional )?questions"
    r"|(?:need|would like|want) (?:any )?(?:further|more|additional|anything))\b)",
    r"(?i:\bfeel free to (?:ask|reach out|let me know)\b)",
    r"(?i:\bis there anything (?:else|specific) (?:I can|you)\b)",
    r"(?i:\bit(?:'s|’s| is) (?:important|worth|essential|crucial) to (?:note|remember|mention|recogni[sz]e"
    r"|consult|keep in mind|acknowledge)\b)",
    r"(?i:(?:^|\n)(?:in conclusion|overall|in summary|to summarize|ultimately),)",
    r"(?i:\b(?:delve|delving) (?:into|deeper)\b|\b(?:rich|vibrant) tapestry\b|\btestament to\b)",
    r"(?i:\b(?:plays?|playing) an? (?:crucial|vital|pivotal|significant) role\b)",
)


def assistant_style(threshold: int = 3, *, column: str = "prose") -> Rule:
    """Drop responses with a phrase that only assistants write, or `threshold` kinds of stock phrase."""
    text = pl.col(column)
    telling = fast("|".join(TELLING))
    kinds = stock_phrases(text)
    said = text.str.contains(telling)
    return Rule(
        code="machine_text",
        fails=said | (kinds >= threshold),
        detail=pl.when(said)
        .then(pl.format("says: {}", snippet(text, telling)))
        .otherwise(
            pl.format(
                f"{{}} kinds of stock phrases of assistants, below {threshold} allowed", kinds
            )
        ),
        needs=frozenset({column}),
        cost=15,
        source="docs/guards.md",
    )


def stock_phrases(text: pl.Expr) -> pl.Expr:
    """Count the kinds of stock phrases in a text."""
    return pl.sum_horizontal(text.str.contains(fast(p)).cast(pl.Int64) for p in STOCK)
