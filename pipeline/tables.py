"""Read and write the Parquet files of a global stage without holding all its text at once.

A global stage reads the few columns it decides by, for all rows; then it writes file by file.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl
import xxhash

from pipeline.errors import StageError
from pipeline.record import dropped_frame
from pipeline.stage import DROPPED_FOLDER, InputFile, Shard

TABLES_FOLDER = "tables"
# Rows that leave a stage, and why.
BOOKS = pl.Schema({"id": pl.String, "reason": pl.String, "detail": pl.String})

# Who survives or comes first where nothing else decides: votes, then the earlier, then the id.
BEST_FIRST = ("votes", "created_at", "id")


def ordered(files: Sequence[InputFile]) -> list[InputFile]:
    """Put files into the order of their labels, which no runner and no folder can change."""
    return sorted(files, key=lambda file: file.label)


def read_columns(
    files: Sequence[InputFile], columns: Sequence[str | pl.Expr], *, stage: str
) -> pl.DataFrame:
    """Read some columns of all rows, sorted by id; refuse an id that is there twice."""
    if not files:
        raise StageError(f"Stage {stage} got no file to read; the stage before it wrote none.")
    frames = [pl.scan_parquet(file.path).select(columns) for file in ordered(files)]
    frame = pl.concat(frames).collect().sort("id")
    twice = frame.filter(pl.col("id").is_duplicated())["id"]
    if len(twice):
        raise StageError(
            f"Stage {stage} got the row {twice[0]!r} more than once; an id must be unique."
        )
    return frame


def best_first(frame: pl.DataFrame) -> pl.DataFrame:
    """Sort by votes (none last), then the earlier (unknown last), then id."""
    return frame.sort(BEST_FIRST, descending=[True, False, False], nulls_last=True)


def lot(ids: pl.Series) -> pl.Series:
    """Give each id a number that has nothing to do with it, the same in every run.

    Where rows have no votes, an order by id would prefer the beginning of the alphabet.
    """
    return pl.Series("lot", [xxhash.xxh64_intdigest(item.encode()) for item in ids], pl.UInt64)


def each_file(shard: Shard) -> Iterator[tuple[pl.DataFrame, str]]:
    """Read the files of a shard one after the other, each with the name of its output."""
    for index, file in enumerate(ordered(shard.files)):
        yield pl.read_parquet(file.path), f"{shard.name}-{index:05d}.parquet"


def write(frame: pl.DataFrame, path: Path) -> None:
    """Write one Parquet file; the layout depends on the rows alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.write_parquet(path, compression="zstd", row_group_size=1 << 14)


def write_dropped(frame: pl.DataFrame, stage: str, shard: Shard, out: Path) -> None:
    """Write the books of a shard (`id`, `reason`, `detail`), sorted by id; nothing if empty."""
    if len(frame):
        books = dropped_frame(frame, stage).sort("id")
        write(books, out / DROPPED_FOLDER / f"{shard.name}.parquet")


def count_reasons(frame: pl.DataFrame) -> dict[str, int]:
    """Count the dropped rows by reason."""
    return dict(frame.group_by("reason").len().sort("reason").iter_rows())
