"""Measure what LIMA's rules let pass: LIMA's own Stack Exchange rows beside ordinary answers.

    python benchmarks/lima_rules.py DATA_DIR --dumps DIR

DATA_DIR holds LIMA's rows (`*.jsonl` or `*.jsonl.zst` with `source`, `instruction`, `output`),
DIR a dumps folder with `stackexchange/<site>/Posts.xml[.zst]` or `stackexchange/<site>.7z`.
Ordinary answers are all answers of those sites with at least 600 characters, of any score, with
the title of their question as prompt. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO
from xml.etree import ElementTree

import html_to_markdown
import polars as pl
import py7zr
import zstandard

from filters.length import too_long, too_short
from filters.prompt import not_self_contained
from filters.references import refers_to_other_answers
from filters.rule import Rule, judge, judge_all
from filters.voice import first_person

ORDINARY_CHARACTERS = 600
RULES = (
    too_short(),
    too_long(),
    first_person(),
    refers_to_other_answers(),
    not_self_contained(),
)
VARIANTS = {
    "first_person, once allowed": first_person(1),
    "first_person, also in quotes and code": Rule(
        code="first_person",
        fails=pl.col("response").str.contains(r"\bI\b|\b[Mm]y\b"),
        detail=pl.lit(""),
        needs=frozenset({"response"}),
        cost=10,
        source="",
    ),
    "refers_to_other_answers, wider": refers_to_other_answers(wider=True),
}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder with LIMA's rows")
    parser.add_argument("--dumps", type=Path, required=True, help="folder with stackexchange/")
    words = parser.parse_args()
    lima = read_lima(words.data)
    ordinary = read_answers(words.dumps / "stackexchange")
    print(table(lima, ordinary))


def read_lima(folder: Path, source: str = "stackexchange") -> pl.DataFrame:
    """LIMA's rows of a source; `half` splits them by a hash of the prompt."""
    rows = []
    for path in sorted([*folder.glob("*.jsonl"), *folder.glob("*.jsonl.zst")]):
        with opened(path) as stream:
            rows += [json.loads(line) for line in io.TextIOWrapper(stream, encoding="utf-8")]
    return pl.DataFrame(
        [
            {
                "source": row["source"].removeprefix("stackexchange_"),
                "prompt": row["instruction"],
                "response": row["output"],
                "half": int(hashlib.sha256(row["instruction"].encode()).hexdigest(), 16) % 2,
            }
            for row in rows
            if row["source"].split("_")[0] == source
        ]
    )


def read_answers(folder: Path) -> pl.DataFrame:
    """All answers long enough, with the titles of their questions."""
    rows: list[dict[str, str]] = []
    for site in sorted(folder.iterdir()):
        titles: dict[str, str] = {}
        for post in posts(site):
            if post.get("PostTypeId") == "1":
                titles[post["Id"]] = post["Title"]
            elif post.get("PostTypeId") == "2" and post.get("ParentId", "") in titles:
                rows.append({"prompt": titles[post["ParentId"]], "response": post["Body"]})
    frame = pl.DataFrame(rows).with_columns(
        pl.col("response").map_elements(markdown, return_dtype=pl.String)
    )
    return frame.filter(pl.col("response").str.len_chars() >= ORDINARY_CHARACTERS)


def posts(site: Path) -> Iterator[dict[str, str]]:
    """The attributes of each post, one at a time."""
    with tempfile.TemporaryDirectory() as folder:
        if site.suffix == ".7z":
            with py7zr.SevenZipFile(site) as archive:
                archive.extract(path=folder, targets=["Posts.xml"])
            site = Path(folder)
        path = next(site.glob("Posts.xml*"))
        with opened(path) as stream:
            rows = ElementTree.iterparse(stream, events=("start", "end"))
            _, root = next(rows)
            for event, element in rows:
                if event == "end" and element.tag == "row":
                    yield dict(element.attrib)
                    root.clear()


def opened(path: Path) -> IO[bytes]:
    """The bytes of a plain or zstd-compressed file."""
    return zstandard.open(path, "rb") if path.suffix == ".zst" else path.open("rb")


def markdown(html: str) -> str:
    """Markdown without images and link targets."""
    html = re.sub(r"</?a\b[^>]*>|<img\b[^>]*>", "", html)
    return (html_to_markdown.convert(html).content or "").strip()


def table(lima: pl.DataFrame, ordinary: pl.DataFrame) -> str:
    """One line per rule, with what it lets pass of each set."""
    sets = {
        "LIMA STEM": lima.filter(source="stem"),
        "LIMA other": lima.filter(source="other"),
        "LIMA together": lima,
        "tuning half": lima.filter(half=0),
        "held-out half": lima.filter(half=1),
        "ordinary answers": ordinary,
    }
    lines = [
        "| rule | " + " | ".join(f"{name} ({len(frame):,})" for name, frame in sets.items()) + " |",
        "|---|" + "---:|" * len(sets),
    ]
    alone = {rule.code: (rule,) for rule in RULES}
    together = {"**all together**": RULES}
    variants = {f"*{name}*": (rule,) for name, rule in VARIANTS.items()}
    for name, rules in (alone | together | variants).items():
        cells = [passing(frame, rules) for frame in sets.values()]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def passing(frame: pl.DataFrame, rules: tuple[Rule, ...]) -> str:
    """Rate and count of the rows that break none of the rules."""
    broken = judge_all(frame, rules).select(pl.any_horizontal(pl.all()).sum()).item()
    kept = len(frame) - broken
    assert kept == judge(frame, rules)["reason"].null_count()
    return f"{kept / len(frame):.1%} ({kept:,})"


if __name__ == "__main__":
    main()
