"""The wording of chat assistants: what only they say, and what they say too often.

One phrase of the first kind is enough; of the second a row needs several. Quotations and code are
not read, so that a text about assistants passes.
"""

from __future__ import annotations

import polars as pl

from filters.rule import Rule
from filters.text import fast, snippet

_I_AM = r"(?:I(?:'m|’m| am)|being|as)"
# Kinds of wording, by name: an audit counts the same ones that the rule drops by.
TELLING: dict[str, str] = {
    "names itself an AI": rf"(?i:\b{_I_AM} (?:just |only |merely |simply )?an? (?:AI"
    r"|artificial intelligence)(?: (?:language )?model| assistant| system| chatbot)?[,.;: ])",
    "names itself a language model": rf"(?i:\b{_I_AM} (?:just |only )?a (?:large )?language model\b)",
    "speaks of its knowledge or training": r"(?i:\bmy (?:knowledge|training data)(?: was| is)? "
    r"(?:cut[- ]?off|limited to)\b|\b(?:as of|up to) my (?:last|latest) (?:knowledge |training )?"
    r"(?:update|cut[- ]?off|training)\b|\bmy (?:knowledge cut[- ]?off|training data)\b)",
    "has no opinions or access": r"(?i:\bI (?:do not|don't|don’t|cannot|can't|can’t) (?:have|possess) "
    r"(?:personal (?:opinions|beliefs|experiences|feelings|preferences)|access to real[- ]time"
    r"|the ability to (?:browse|feel|access))\b)",
    "refuses by formula": r"(?i:\bI(?:'m|’m| am) sorry,? but (?:as|I(?: cannot|'m unable|’m unable"
    r"| am unable| can't| can’t)) (?:an? (?:AI|language)|(?:to )?(?:assist|fulfil+|provide|generate"
    r"|comply)))",
    "names its maker or its page": r"(?i:\b(?:regenerate response"
    r"|I was (?:trained|developed|created) by OpenAI)\b)",
}
STOCK: dict[str, str] = {
    "opens with assent": r"(?i:\A\W*(?:certainly|absolutely|of course|sure)(?: thing)?!)",
    "praises the question": r"(?i:\A\W*(?:great|excellent|good|interesting) question!)",
    "announces the answer": r"(?i:\A\W*(?:certainly|sure|of course)?[!,. ]*here(?:'s|’s| is| are) "
    r"(?:an?|the|some|your|my) )",
    "hopes that it helps": r"(?i:\bI hope (?:this|that) helps!? (?:Let|If you|Please|Feel)\b)",
    "asks for further questions": r"(?i:\blet me know if you (?:have any (?:other |further |more "
    r"|additional )?questions|(?:need|would like|want) (?:any )?(?:further|more|additional"
    r"|anything))\b)",
    "invites to ask": r"(?i:\bfeel free to (?:ask|reach out|let me know)\b)",
    "offers more": r"(?i:\bis there anything (?:else|specific) (?:I can|you)\b)",
    "cautions by formula": r"(?i:\bit(?:'s|’s| is) (?:important|worth|essential|crucial) to (?:note"
    r"|remember|mention|recogni[sz]e|consult|keep in mind|acknowledge)\b)",
    "sums up by formula": r"(?i:(?:^|\n)(?:in conclusion|overall|in summary|to summarize|ultimately),)",
    "delves into tapestries": r"(?i:\b(?:delve|delving) (?:into|deeper)\b"
    r"|\b(?:rich|vibrant) tapestry\b|\btestament to\b)",
    "gives a crucial role": r"(?i:\b(?:plays?|playing) an? (?:crucial|vital|pivotal|significant) role\b)",
}
PHRASES = {**TELLING, **STOCK}


def assistant_style(threshold: int = 3, *, column: str = "prose") -> Rule:
    """Drop responses with a phrase that only assistants write, or `threshold` kinds of stock phrase."""
    text = pl.col(column)
    telling = fast("|".join(TELLING.values()))
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
    return pl.sum_horizontal(text.str.contains(fast(p)).cast(pl.Int64) for p in STOCK.values())
