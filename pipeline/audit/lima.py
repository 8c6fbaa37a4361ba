"""LIMA's own figures, to set others beside: numbers only, no text of LIMA.

`python benchmarks/audit.py --lima FILE` computes them from a user's copy and writes lima.json; the
file says from which rows. What the paper itself gives stands in TABLE_1.
"""

import json
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("lima.json")

# LIMA (arXiv 2305.11206), table 1: rows, mean tokens of prompt and response.
TABLE_1: dict[str, tuple[int, int, int]] = {
    "Stack Exchange (STEM)": (200, 117, 523),
    "Stack Exchange (other)": (200, 119, 530),
    "wikiHow": (200, 12, 1811),
    "Pushshift r/WritingPrompts": (150, 34, 274),
    "Natural Instructions": (50, 236, 92),
    "Paper authors (group A)": (200, 40, 334),
}


def figures() -> dict[str, Any]:
    """Return the figures that were measured on LIMA's rows."""
    found: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return found


def of_profile(profile: dict[str, Any], rows: int, source: str) -> dict[str, Any]:
    """Take out of a profile what other sets are set beside."""
    place = profile["space"]
    neighbours = {key: value for key, value in place["neighbours"].items() if key != "closest"}
    return {
        "source": source,
        "rows": rows,
        "lengths": profile["lengths"],
        "vendi": place["vendi"],
        "neighbours": neighbours,
        "quality": place["quality"],
        "topics": len(place["topics"]),
        "effective_topics": place["effective_topics"],
        "style_share": profile["style"]["share"],
        "explains_share": profile["explanation"]["share"],
    }
