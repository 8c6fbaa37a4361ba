"""Ingest: dumps become raw candidates.

In: a dumps folder. Out: one or more Parquet files per shard with the RAW columns, and the books:
malformed rows one by one, everything else that was left out as counts by file and reason.
"""

import logging
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from pipeline.errors import SourceError
from pipeline.recipe import Ingest, Recipe
from pipeline.record import RAW
from pipeline.sources import (
    authored,
    natural_instructions,
    reddit,
    stackexchange,
    table,
    wikihow,
)
from pipeline.sources.base import Found, Source, Tally
from pipeline.stage import DROPPED_FOLDER, InputFile, Shard, ShardStats

logger = logging.getLogger(__name__)

SOURCES: dict[str, Source] = {
    "stackexchange": stackexchange,
    "wikihow": wikihow,
    "reddit": reddit,
    "natural_instructions": natural_instructions,
    "authored": authored,
    "table": table,
}

# Tables lie wherever the recipe says.
_FOLDERS = tuple(name for name in SOURCES if name != "table")

# A file of the stage holds at most this many rows, so that later stages need little memory.
_FILE_ROWS = 20_000


def find(dumps: Path, settings: Ingest) -> list[Found]:
    """List what there is to read, a Found a shard; raises SourceError if there is nothing."""
    if not dumps.is_dir():
        raise SourceError(f"There is no dumps folder {dumps}; name one with --dumps.")
    everything = [item for source in SOURCES.values() for item in source.find(dumps, settings)]
    skipped = stackexchange.left_out(dumps, settings)
    if not everything and skipped:
        raise SourceError(
            f"{dumps}: nothing is left to read; the recipe leaves out {', '.join(skipped[:5])}"
            f"{' and more' if len(skipped) > 5 else ''}. Meta sites are read with "
            "ingest.stackexchange.meta=true, others by their group in ingest.stackexchange.sites."
        )
    if not everything:
        raise SourceError(
            f"{dumps} holds no dumps: expected one of the folders {', '.join(_FOLDERS)} in it."
        )
    if skipped:
        logger.info(
            "source=stackexchange not_read=%d (meta or skip): %s", len(skipped), ", ".join(skipped)
        )
    return everything


@dataclass(frozen=True)
class IngestStage:
    """Reads each Found on its own. `inputs` of the plan are all their files, digested."""

    settings: Ingest
    found: tuple[Found, ...]
    name: str = field(default="ingest", init=False)
    version: int = field(default=4, init=False)

    @classmethod
    def of(cls, recipe: Recipe, dumps: Path) -> "IngestStage":
        """Look at the dumps folder and make the stage."""
        return cls(recipe.ingest, tuple(find(dumps, recipe.ingest)))

    def plan(self, inputs: Sequence[InputFile]) -> list[Shard]:
        by_path = {entry.path: entry for entry in inputs}
        return [
            Shard(item.name, tuple(by_path[path] for path in item.files)) for item in self.found
        ]

    def work(self, shard: Shard, out: Path) -> ShardStats:
        found = next(item for item in self.found if item.name == shard.name)
        books = out / DROPPED_FOLDER
        tally = Tally(self.settings.limits.max_malformed, books, shard.name)
        scratch = out / "scratch"
        scratch.mkdir()
        facts: dict[str, object] = {}
        try:
            rows, facts["groups"] = self._write(found, tally, out, scratch)
        except SourceError as error:
            if self.settings.on_bad_file == "fail":
                raise
            logger.warning("skipped: %s", error)
            for path in [*out.glob("*.parquet"), *books.glob("*.parquet")]:
                path.unlink()
            tally, rows = Tally(1.0), 0
            facts |= {"skipped": str(error), "groups": []}
        shutil.rmtree(scratch)
        tally.flush()
        dropped: Counter[str] = Counter()
        for (_, reason), count in tally.left_out.items():
            dropped[reason] += count
        if tally.malformed_rows:
            dropped["malformed"] = tally.malformed_rows.total()
        facts["inputs"] = [
            {"file": entry.label, "sha256": entry.sha256, "bytes": entry.path.stat().st_size}
            for entry in shard.files
        ]
        facts["rows"] = dict(sorted(tally.rows.items()))
        facts["left_out"] = [
            {"file": label, "reason": reason, "rows": count}
            for (label, reason), count in sorted(tally.left_out.items())
        ]
        return ShardStats(rows + sum(dropped.values()), rows, dict(dropped), facts)

    def _write(self, found: Found, tally: Tally, out: Path, scratch: Path) -> tuple[int, list[str]]:
        """Write what the source reads; returns the number of rows and the groups they are of."""
        source = SOURCES[found.source]
        rows, groups = 0, set[str]()
        frames = source.read(found, self.settings, tally, scratch)
        for number, piece in enumerate(_pieces(frames)):
            piece.match_to_schema(RAW).write_parquet(out / f"{found.name}-{number:05d}.parquet")
            rows += len(piece)
            groups.update(piece["group"])
        return rows, sorted(groups)


def _pieces(frames: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """Cut and join frames into pieces of _FILE_ROWS rows, whatever sizes a source yields."""
    waiting: list[pl.DataFrame] = []
    size = 0
    for frame in frames:
        waiting.append(frame)
        size += len(frame)
        while size >= _FILE_ROWS:
            joined = pl.concat(waiting)
            yield joined.head(_FILE_ROWS)
            waiting = [joined.slice(_FILE_ROWS)]
            size -= _FILE_ROWS
    if size:
        yield pl.concat(waiting)
