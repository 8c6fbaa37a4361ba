"""Text that says one sentence again and again, or that lost its numbers on the way here.

Some collections were made by machines that put one sentence under every step, or dropped what
stood in links and templates: "Preheat the oven to degrees. Bake for minutes."
docs/decisions/0013-lost-and-repeated-text.md shows what the rule drops.
"""

from __future__ import annotations

import polars as pl

from filters.rule import Rule
from filters.text import fast, snippet

# What ends a sentence, with the marks and spaces after it; a line ends one, too.
_END = r"([.!?])[*_)\]\"'”’]*\s+"
_MARKS = " \t*_#>-+|0123456789.)("

_SPAN = r"(?:seconds?|minutes?|hours?|days?|weeks?|months?)"
_TIME = r"(?:seconds|minutes?|hour)"
_SIZE = r"(?:inch(?:es)?|feet|centimet(?:er|re)s?|millimet(?:er|re)s?|cm|mm)"
_SPOON = r"(?:tablespoons?|teaspoons?|ounces?|cups? of)"
_SCALE = r"(?:f|c|fahrenheit|celsius)"
# A preposition and a unit with no number between. Good English that must pass: "for hours",
# "for days", "within minutes", "for minutes on end", "every day", "a matter of minutes",
# "for another minute", "from radians to degrees", "feet to inches".
_LOST = fast(
    r"(?i)\b(?:pre-?heat|heat|oven|bake|roast|cook|cool|reach|reaches) (?:[\w']+ ){0,5}"
    r"(?:to|at|about|around|of) degrees?\b"
    rf"|\bat degrees\b|\b(?:around|approximately) degrees?(?:[.,;)]| (?:{_SCALE}|for)\b)"
    rf"|\babout degrees? {_SCALE}\b"
    rf"|\bfor (?:about )?{_TIME}(?:[.,;)]| (?:or (?:until|so|more|longer|less)|until|before|per|each"
    r"|on each|at a time)\b)"
    rf"|\b(?:about|approximately|at least|up to|after) {_SPAN}[.,;)]"
    rf"|\b(?:about|approximately|at least|than|at|of) {_SIZE} (?:thick|wide|long|deep|tall|apart|square"
    r"|in (?:length|width|diameter))\b"
    rf"|\b(?:add|combine|mix|(?:add|mix|stir|whisk|pour|beat) in) {_SPOON} \w"
)


def repeated_or_lost(
    repeats: int = 3, *, minimum_share: float = 0.15, minimum_characters: int = 30, losses: int = 2
) -> Rule:
    """Drop texts that hold a sentence too often, or `losses` units without their numbers.

    Too often: `repeats` times, and as `minimum_share` of all sentences; articles with several
    methods repeat a step here and there. Shorter sentences ("Click on Save.") may be repeated, unless
    one of them is a third of the text and stands there six times.
    """
    prose = pl.col("prose")
    lines = prose.str.replace_all(_END, "${1}\n").str.split("\n")
    sentences = lines.list.eval(
        pl.element().str.strip_chars(_MARKS).pipe(lambda text: text.filter(text != ""))
    )
    times = pl.len().over(pl.element())
    often = (times >= repeats) & (times >= minimum_share * pl.len())
    long = pl.element().str.len_chars() >= minimum_characters
    mostly = (times >= 6) & (times * 3 >= pl.len())
    repeated = sentences.list.eval(pl.element().filter((often & long) | mostly)).list.first()
    lost = prose.str.count_matches(_LOST)
    return Rule(
        code="low_quality",
        fails=repeated.is_not_null() | (lost >= losses),
        detail=pl.coalesce(
            pl.format("said again and again: {}", repeated.str.slice(0, 80)),
            pl.format("{} numbers are lost: {}", lost, snippet(prose, _LOST)),
        ),
        needs=frozenset({"prose"}),
        cost=15,
        source="docs/decisions/0013-lost-and-repeated-text.md",
    )
