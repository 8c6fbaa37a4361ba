"""What a text gives away by its wording: the style of assistants, and explained steps.

Transparent markers, no model: each is a pattern that a reader can check. They are counted on the
response without its code. A marker found proves nothing about one row; its share says something
about a set.
"""

import re
from collections.abc import Iterable

import polars as pl

from filters.text import prose

# How chat assistants open, hedge and close. Each pattern was written for Thousand.
ASSISTANT: dict[str, str] = {
    "names itself a model": r"(?i)\bas an? (?:AI|artificial intelligence|(?:large )?language model)\b|\bI(?:'|’)?m (?:just )?an? (?:AI|language model)\b|\bI am (?:just )?an? (?:AI|language model)\b",
    "speaks of its training": r"(?i)\bmy (?:knowledge cut-?off|training data)\b|\bI (?:was|am|have been) trained (?:by|on)\b",
    "refuses by formula": r"(?i)\bI(?:'|’)?m sorry, but I (?:can(?:'|’)?t|cannot|can not|am unable)\b|\bI (?:cannot|can(?:'|’)?t|am not able to|am unable to) (?:assist|help|fulfil|fulfill|provide|generate|browse)\b",
    "opens with praise or assent": r"(?i)\A\s*(?:certainly|sure|of course|absolutely|great question|good question|that(?:'|’)s a great question)\s*[!,.:]",
    "announces the answer": r"(?i)\A\s*(?:certainly|sure|of course|absolutely)?[!,. ]*here(?:'|’| i)s? (?:is|are|an?|some|the|your)\b",
    "closes with an offer": r"(?i)\b(?:I hope (?:this|that) helps|let me know if you(?:'|’| )|feel free to (?:ask|reach)|happy to help|is there anything else)[^\n]{0,120}\s*\Z",
    "sums up by formula": r"(?i)(?:\A|\n)\s*(?:overall|in conclusion|in summary|to summarize|to sum up),",
    "cautions by formula": r"(?i)\b(?:it(?:'|’)s|it is) (?:important|worth|essential|crucial) to (?:note|remember|consult|keep in mind)\b",
}

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
    texts = pl.DataFrame({"response": responses}).select(prose("response"))
    of_assistants = {name: re.compile(pattern) for name, pattern in ASSISTANT.items()}
    of_steps = {name: re.compile(pattern) for name, pattern in EXPLAINING.items()}
    rows = []
    for text in texts.to_series().fill_null(""):
        steps = found_in(text, of_steps)
        rows.append((found_in(text, of_assistants), steps, explains(text, steps)))
    schema = pl.Schema(
        {
            "assistant": pl.List(pl.String()),
            "explaining": pl.List(pl.String()),
            "explains": pl.Boolean(),
        }
    )
    return pl.DataFrame(rows, schema=schema, orient="row")
