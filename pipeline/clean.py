"""Clean: markup becomes Markdown, and a row gets its prompt.

In: RAW files. Out: CANDIDATE files. A row whose text is empty without its markup leaves.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
import xxhash

from pipeline.markdown import html_to_markdown, reddit_to_markdown
from pipeline.recipe import Clean, Recipe
from pipeline.record import CANDIDATE, conform, dropped_frame
from pipeline.stage import DROPPED_FOLDER, InputFile, Shard, ShardStats
from pipeline.text import clean_text, plain_title

CONVERT: dict[str, Callable[[str], str]] = {
    "html": lambda text: clean_text(html_to_markdown(text)),
    "reddit": lambda text: clean_text(reddit_to_markdown(text)),
    "markdown": clean_text,
}

# LIMA, section 2.1: "This article ..." becomes "The following answer ...".
_OPENING = re.compile(r"\A(?:(In )t|T)his (?:wikiHow article|wikiHow|article)\b")


@dataclass(frozen=True)
class CleanStage:
    """Cleans each file on its own."""

    settings: Clean
    name: str = field(default="clean", init=False)
    version: int = field(default=1, init=False)

    @classmethod
    def of(cls, recipe: Recipe) -> "CleanStage":
        """Take the stage's part of the recipe."""
        return cls(recipe.clean)

    def plan(self, inputs: Sequence[InputFile]) -> list[Shard]:
        return [Shard(entry.path.stem, (entry,)) for entry in inputs]

    def work(self, shard: Shard, out: Path) -> ShardStats:
        raw = pl.read_parquet(shard.files[0].path)
        rows = clean(raw, self.settings)
        is_kept = pl.col("reason").is_null()
        kept, dropped = rows.filter(is_kept), rows.filter(~is_kept)
        conform(kept, CANDIDATE).write_parquet(out / f"{shard.name}.parquet")
        lines = dropped_frame(dropped, self.name)
        lines.write_parquet(out / DROPPED_FOLDER / f"{shard.name}.parquet")
        counts = dict(lines["reason"].value_counts().sort("reason").iter_rows())
        return ShardStats(len(raw), len(kept), counts)


def clean(raw: pl.DataFrame, settings: Clean) -> pl.DataFrame:
    """Return the candidates of a RAW frame with `reason` and `detail` for those that leave."""
    markup = raw["markup"].to_list()
    titles = [plain_title(text) if text else "" for text in raw["title"]]
    bodies = _convert(raw["body"], markup)
    responses = _convert(raw["response"], markup)
    if settings.opening:
        responses = [
            _with_opening(text, settings.opening) if source == "wikihow" and text else text
            for source, text in zip(raw["source"], responses, strict=True)
        ]
    ways = _ways(raw, settings)
    prompts = [
        _prompt(title, body or "", way, settings.min_body_chars)
        for title, body, way in zip(titles, bodies, ways, strict=True)
    ]
    rows = raw.with_columns(
        pl.Series("title", titles, pl.String),
        pl.Series("response", responses, pl.String),
        pl.Series("prompt", prompts, pl.String),
    )
    reason = (
        pl.when(pl.col("response") == "")
        .then(pl.lit("no_answer"))
        .when(pl.col("prompt") == "")
        .then(pl.lit("not_self_contained"))
    )
    return rows.with_columns(
        reason=reason,
        detail=pl.when(reason.is_not_null()).then(pl.lit("nothing is left without the markup")),
    )


def _convert(texts: pl.Series, markup: list[str]) -> list[str | None]:
    return [
        None if text is None else CONVERT[kind](text)
        for text, kind in zip(texts, markup, strict=True)
    ]


def _with_opening(text: str, opening: str) -> str:
    def replace(match: re.Match[str]) -> str:
        return f"In {opening[0].lower()}{opening[1:]}" if match.group(1) else opening

    return _OPENING.sub(replace, text, count=1)


def _ways(raw: pl.DataFrame, settings: Clean) -> list[str]:
    """Say for each row what its prompt is made of: title, body, both, or the turn of a dialogue.

    Only Stack Exchange's questions have a title and a description that say the same; the body of
    a row that continues a dialogue is what was asked last.
    """
    ways = []
    columns = (raw["id"], raw["source"], raw["history"].list.len())
    for row, source, turns in zip(*columns, strict=True):
        if turns:
            ways.append("turn")
        elif source != "stackexchange":
            ways.append("both")
        elif settings.prompt == "random":
            drawn = xxhash.xxh64_intdigest(f"{settings.seed}:{row}".encode()) / 2**64
            ways.append("title" if drawn < settings.title_share else "body")
        else:
            ways.append(settings.prompt)
    return ways


def _prompt(title: str, body: str, way: str, min_body: int) -> str:
    if way == "turn":
        return body
    if way == "both":
        return f"{title}\n\n{body}".strip()
    if way == "title" or (title and len(body) < min_body):
        return title or body
    return body
