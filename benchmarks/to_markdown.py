"""HTML of answers to Markdown: ours beside markdownify.

Both get the same bodies. They write lists and emphasis in different ways, so words are compared:
the share of documents in which both leave the same words in the same order. What ours makes of
code, lists, tables and quotations is tested by tests/pipeline/test_markdown.py.
"""

import html
import re
from pathlib import Path

import numpy as np

from benchmarks import dumps
from benchmarks.timing import Claim, Result, Way, Work, machine, race

_WORD = re.compile(r"\w+")


def bodies(count: int, source: Path) -> list[str]:
    """Return the HTML of varied answers."""
    threads = dumps.read_threads(source)
    maker = dumps.Maker(threads, np.random.default_rng(0))
    texts = [text for thread in threads for text in thread.texts[1:]]
    return [html.unescape(maker.vary(texts[n % len(texts)])) for n in range(count)]


def by_ours(count: int, source: Path) -> Work:
    """The step of the stage `clean` that turns markup into Markdown."""
    from pipeline.markdown import html_to_markdown

    texts = bodies(count, source)
    return lambda: [html_to_markdown(text) for text in texts]


def by_markdownify(count: int, source: Path) -> Work:
    """Markdownify, told to do with links and pictures as ours does: a link is its text."""
    from markdownify import markdownify

    texts = bodies(count, source)
    return lambda: [markdownify(text, strip=["a", "img"]) for text in texts]


def run(home: Path, rounds: int, count: int = 1_000, source: Path = dumps.SAMPLE) -> Result:
    """Measure both."""
    ways = [
        Way("ours", by_ours, (count, source)),
        Way("markdownify", by_markdownify, (count, source)),
    ]
    measured, answers = race(ways, rounds)
    pairs = list(zip(answers["ours"], answers["markdownify"], strict=True))
    same = sum(_WORD.findall(a) == _WORD.findall(b) for a, b in pairs)
    checked = [f"the same words in the same order in {same:,} of {count:,} documents"]
    what = f"HTML of {count:,} answers to Markdown"
    claims = [Claim("ours", "markdownify", faster=8)]
    facts = {"documents": count, "same_words": same}
    return Result(
        "to_markdown", "HTML to Markdown", what, measured, claims, checked, facts, machine()
    )
