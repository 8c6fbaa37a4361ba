"""The guard of languages on real answers, labelled by scripts and function words."""

import re
from pathlib import Path

import polars as pl

from benchmarks.guarding.real import SITES, answers, dropped
from benchmarks.marked import share, table
from filters.language import language

_FRENCH = re.compile(
    r"(?i)\b(?:le|la|les|des|est|une|que|qui|pour|dans|pas|sur|avec|ne|ce|nous|je|et)\b"
)
_ENGLISH = re.compile(
    r"(?i)\b(?:the|and|is|of|to|that|in|it|for|you|this|are|with|be|not|i|have)\b"
)
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)


def languages(data: Path) -> str:
    """The labels are function words and scripts, which the model does not know of."""
    frames = {
        "French meta": answers(data, "french.meta", "dumps-meta"),
        "Arabic": answers(data, "arabic"),
        **{name: answers(data, name) for name in SITES},
    }
    rows = []
    for name, frame in frames.items():
        groups: dict[str, list[str]] = {}
        for text in frame["response"]:
            groups.setdefault(label(text), []).append(text)
        for kind, texts in sorted(groups.items()):
            rows.append(
                [
                    name,
                    kind,
                    share(dropped(pl.DataFrame({"response": texts}), language()), len(texts)),
                ]
            )
    head = "### Language\n\nAnswers that leave with `languages: [en]`. The kind is told by scripts and function words; code-heavy: half of the characters stand in code.\n\n"
    return head + table(["site", "kind", "leave"], rows)


def label(text: str) -> str:
    """Tell the language of a text by scripts and function words."""
    prose = _CODE.sub(" ", text)
    letters = sum(map(str.isalpha, prose)) or 1
    arabic = len(re.findall(r"[\u0600-\u06ff]", prose)) / letters
    french, english = len(_FRENCH.findall(prose)), len(_ENGLISH.findall(prose))
    if letters < 60:
        return "under 60 letters of prose"
    if arabic > 0.6:
        return "Arabic"
    if arabic > 0.1 or min(french, english) * 3 > max(french, english):
        return "mixed"
    if french > english:
        return "French"
    return "English, code-heavy" if len(prose) * 2 < len(text) else "English"
