"""What a text gives away by its wording: the style of assistants, and explained steps.

Transparent markers, no model: each is a pattern that a reader can check. The phrases of assistants
are those of filters/assistant.py. All are counted on the response without its code and quotations. A marker found proves nothing about one row; its share says something
about a set.
"""

import re
from collections.abc import Iterable

import polars as pl

from filters.assistant import PHRASES
from filters.text import fast, prose

# Orca (arXiv 2306.02707) trains on answers that show their reasoning. Kinds of wording that do.
EXPLAINING: dict[str, str] = {
    "announces its steps": r"(?i)\bstep[- ]by[- ]step\b|\blet(?:'|’)?s (?:break|work|think|look at|go through|start by)\b|\b(?:to see why|here(?:'|’| i)s why|the reason is|this is because|to understand (?:why|this|how))\b",
    "goes in sequence": r"(?im)^\s*(?:\d{1,2}[.)]|step \d+)\s[\s\S]*?^\s*(?:\d{1,2}[.)]|step \d+)\s|\bfirst(?:ly)?,[\s\S]{5,2000}?\b(?:second(?:ly)?|then|next|finally),",
    "gives causes": r"(?i)\b(?:because|therefore|hence|thus|consequently|so that|which means|it follows|as a result|due to)\b[\s\S]*?\b(?:because|therefore|hence|thus|consequently|so that|which means|it follows|as a result|due to)\b",
    "calculates": r"[\d)\]%] *= *[-$€£(]?\d[\s\S]*?[\d)\]%] *= *[-$€£(]?\d",
}
_LONG_CAUSE = 4  # causes from which a response explains whatever its form
_CAUSES = re.compile(
    r"(?i)\b(?:because|therefore|hence|thus|consequently|so that|which means|it follows"
    r"|as a result|due to)\b"
)


def found_in(text: str, patterns: dict[str, re.Pattern[str]]) -> list[str]:
    """Name the markers that stand in a text."""
    return [name for name, pattern in patterns.items() if pattern.search(text)]


def explains(text: str, markers: Iterable[str]) -> bool:
    """Tell whether a response explains its steps.

    It announces them or calculates, or goes in sequence and gives causes, or gives many causes. A
    numbered list alone is a recipe, no reasoning.
    """
    named = set(markers)
    if named & {"announces its steps", "calculates"}:
        return True
    if {"goes in sequence", "gives causes"} <= named:
        return True
    return len(_CAUSES.findall(text)) >= _LONG_CAUSE


def marks(responses: pl.Series) -> pl.DataFrame:
    """Return for each response: `assistant` and `explaining` (names), and `explains`."""
    texts = pl.DataFrame({"response": responses}).select(text=prose("response").fill_null(""))
    said = [
        pl.when(pl.col("text").str.contains(fast(pattern))).then(pl.lit(name))
        for name, pattern in PHRASES.items()
    ]
    phrases = texts.select(assistant=pl.concat_list(said).list.drop_nulls()).to_series()
    of_steps = {name: re.compile(pattern) for name, pattern in EXPLAINING.items()}
    steps = [found_in(text, of_steps) for text in texts["text"]]
    whole = [explains(text, names) for text, names in zip(texts["text"], steps, strict=True)]
    return pl.DataFrame(
        [
            phrases,
            pl.Series("explaining", steps, dtype=pl.List(pl.String)),
            pl.Series("explains", whole, dtype=pl.Boolean),
        ]
    )
