"""Read real dumps for the measurements: answers of a site, lines of a file; count what leaves."""

import io
import json
from pathlib import Path
from typing import Any

import polars as pl
import zstandard
from lxml import etree

from filters.rule import Rule, judge
from pipeline.markdown import html_to_markdown
from pipeline.text import clean_text

SEED = 11
SITES = ("stackoverflow", "travel", "cardano", "datascience", "ai", "coffee")


def opened(path: Path) -> io.BufferedIOBase:
    """The bytes of a plain or compressed file."""
    window = zstandard.ZstdDecompressor(max_window_size=2**31)
    return window.stream_reader(path.open("rb")) if path.suffix == ".zst" else path.open("rb")


def answers(data: Path, site: str, dumps: str = "dumps") -> pl.DataFrame:
    """The answers of one unpacked site, as Markdown."""
    name = "stackoverflow.com" if site == "stackoverflow" else f"{site}.stackexchange.com"
    folder = data / dumps / "stackexchange" / name
    rows = []
    with opened(next(folder.glob("Posts.xml*"))) as stream:
        for _, row in etree.iterparse(stream, tag="row", huge_tree=True):
            if row.get("PostTypeId") == "2":
                text = clean_text(html_to_markdown(row.get("Body", "")))
                rows.append((f"{folder.name.split('.')[0]}:{row.get('Id')}", text))
            row.clear()
    return pl.DataFrame(rows, schema={"id": pl.String, "response": pl.String}, orient="row")


def lines(path: Path) -> list[Any]:
    """The objects of a file of JSON lines."""
    with io.TextIOWrapper(opened(path), encoding="utf-8") as stream:
        return [json.loads(line) for line in stream if line.strip()]


def dropped(frame: pl.DataFrame, *rules: Rule) -> int:
    """How many rows break one of the rules."""
    return len(frame) - judge(frame, list(rules))["reason"].null_count()
