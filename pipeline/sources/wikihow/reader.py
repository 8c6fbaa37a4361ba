"""Read wikiHow dumps: find the files, tell their layouts apart, write RAW rows.

A wikiHow dump says nothing of votes and single authors; the licence is the site's, unless a record
names its own.
"""

import logging
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.recipe import Ingest
from pipeline.record import raw_frame
from pipeline.sources.base import Found, Tally, forgiving, found
from pipeline.sources.opening import bare_name
from pipeline.sources.wikihow.article import Article, render
from pipeline.sources.wikihow.html import read_page
from pipeline.sources.wikihow.records import read_records
from pipeline.sources.wikihow.tables import read_table
from pipeline.sources.wikihow.titles import how_to_title, page_url, slug

logger = logging.getLogger(__name__)

LICENCE = "CC BY-NC-SA 3.0"
AUTHOR = "wikiHow contributors"
_READERS = {
    ".csv": read_table,
    ".jsonl": read_records,
    ".ndjson": read_records,
    ".json": read_records,
    ".html": read_page,
    ".htm": read_page,
}
_BATCH = 500


def find(dumps: Path, settings: Ingest) -> list[Found]:
    """Find all wikiHow files, as one piece: ids are unique among all articles."""
    folder = dumps / "wikihow"
    files = sorted(
        path for path in folder.rglob("*") if path.is_file() and _layout(path) in _READERS
    )
    return [found("wikihow", "articles", files, dumps)] if files else []


def read(found: Found, settings: Ingest, tally: Tally, scratch: Path) -> Iterator[pl.DataFrame]:
    """Read articles in the order of the files; what is kept in memory are their slugs."""
    slugs: Counter[str] = Counter()
    batch: list[dict[str, Any]] = []
    for path in found.files:
        with forgiving(settings):
            label = found.label(path)
            for _line, article in _READERS[_layout(path)](path, label, settings, tally):
                if article is None or article.steps() < settings.wikihow.min_steps:
                    tally.leave_out(label, "no_answer")
                    continue
                batch.append(_row(article, slugs, settings))
                if len(batch) == _BATCH:
                    yield raw_frame(batch)
                    batch = []
            tally.check(label)
            logger.info("source=wikihow file=%s rows=%d", label, tally.rows[label])
    if batch:
        yield raw_frame(batch)


def _layout(path: Path) -> str:
    return Path(bare_name(path)).suffix.lower()


def _row(article: Article, slugs: Counter[str], settings: Ingest) -> dict[str, Any]:
    title = how_to_title(article.title)
    name = slug(title)
    slugs[name] += 1
    number = "" if slugs[name] == 1 else f"#{slugs[name]}"
    return {
        "id": f"wikihow:{name}{number}",
        "source": "wikihow",
        "group": "wikihow",
        "domain": article.category or "uncategorised",
        "title": title,
        "response": render(article, settings.wikihow),
        "markup": "markdown",
        "url": article.url or page_url(title),
        "author": article.author or AUTHOR,
        "licence": article.licence or LICENCE,
        "created_at": article.created_at,
        "origin": "human",
    }
