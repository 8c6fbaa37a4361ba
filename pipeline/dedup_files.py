"""`thousand dedup`: the pipeline's deduplication for any file of texts.

In: JSONL or Parquet with `id` and `text`. Out: kept.parquet (whole rows), pairs.parquet (every
pair that was measured at or near the threshold, with its Jaccard), clusters.parquet.
"""

import json
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl

from pipeline.copies import RANKED_BY
from pipeline.dedup import find_copies, sketch_field
from pipeline.errors import CurationError
from pipeline.recipe import Dedup

_GROUP = 1 << 12  # rows
_SUFFIXES = (".jsonl", ".ndjson", ".parquet")


def dedup_files(files: Sequence[Path], out: Path, settings: Dedup) -> dict[str, Any]:
    """Deduplicate the files together; returns rows, kept, clusters and seconds.

    Of each group of copies the row with the lowest id stays. Raises CurationError for a file
    that lacks the columns, for ids that are not unique, and if `out` holds other things.
    """
    started = time.perf_counter()
    frames = [_read(path) for path in files]
    _refuse_bad_ids(files, frames)
    rows = pl.concat(frames, how="diagonal_relaxed")
    with TemporaryDirectory(prefix="thousand-") as folder:
        texts, sketches = Path(folder, "texts.parquet"), Path(folder, "sketches.parquet")
        frame = rows.select(
            "id",
            prompt=pl.lit(None, pl.String),
            response="text",
            history=pl.lit(None, pl.List(pl.Struct({"role": pl.String, "content": pl.String}))),
        )
        frame.write_parquet(texts, compression="uncompressed")  # read back at once, in part
        ranked = frame.select(
            "id",
            votes=pl.lit(None, pl.Int64),
            created_at=pl.lit(None, pl.Datetime("ms")),
            has_response=pl.lit(True),
        ).select(RANKED_BY)
        ranked.with_columns(sketch_field(frame["response"], "response", settings)).write_parquet(
            sketches, compression="uncompressed"
        )
        found = find_copies([texts], [sketches], settings, fields=("response",))
    kept = rows.filter(~pl.col("id").is_in(found.dropped["id"].implode()))
    _write(
        out,
        {
            "kept": kept,
            "pairs": found.pairs.drop("field"),
            "clusters": found.clusters,
        },
    )
    return {
        "rows": len(rows),
        "kept": len(kept),
        "clusters": found.count,
        "seconds": round(time.perf_counter() - started, 3),
        "out": str(out),
    }


def _read(path: Path) -> pl.DataFrame:
    if path.suffix not in _SUFFIXES:
        raise CurationError(f"{path}: give a file that ends in {', '.join(_SUFFIXES)}.")
    if not path.is_file():
        raise CurationError(f"There is no file {path}; name JSONL or Parquet files.")
    if not path.stat().st_size:
        raise CurationError(f"{path} is empty; leave it out, or write it again.")
    try:
        frame = (
            pl.read_parquet(path)
            if path.suffix == ".parquet"
            else pl.read_ndjson(path, infer_schema_length=None)
        )
    except (OSError, pl.exceptions.PolarsError) as error:
        bad = None if path.suffix == ".parquet" else _bad_line(path)
        if bad:
            raise CurationError(
                f"{path}, line {bad}: it is not a JSON object; repair or remove the line."
            ) from error
        reason = str(error).split("\n", 1)[0].rstrip(".")
        raise CurationError(
            f"{path} cannot be read as {path.suffix[1:]}: {reason}. Write the file again."
        ) from error
    missing = {"id", "text"} - set(frame.columns)
    if missing:
        raise CurationError(
            f"{path} has no column {' and no column '.join(sorted(missing))}; "
            f"it has {', '.join(frame.columns)}."
        )
    for name in ("id", "text"):
        if frame[name].dtype.is_nested():
            raise CurationError(f"{path}: the column {name} holds lists or objects, not texts.")
    return frame.with_columns(pl.col("id").cast(pl.String), pl.col("text").cast(pl.String))


def _bad_line(path: Path) -> int | None:
    """Return the number of the first line that is no JSON object."""
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                if line.strip() and not isinstance(json.loads(line), dict):
                    return number
            except ValueError:
                return number
    return None


def _refuse_bad_ids(files: Sequence[Path], frames: Sequence[pl.DataFrame]) -> None:
    """Raise CurationError for the first row without an id, and for the first id that is twice."""
    places = [
        frame.select("id").with_row_index("row", 1).with_columns(file=pl.lit(number))
        for number, frame in enumerate(frames)
    ]
    everything = pl.concat(places).with_columns(pl.col("row").cast(pl.Int64))
    empty = everything.filter(pl.col("id").is_null()).head(1)
    for number, row in empty.select("file", "row").iter_rows():
        raise CurationError(f"{files[number]}, row {row}: it has no id; give it one of its own.")
    twice = everything.filter(pl.col("id").is_duplicated())
    if len(twice):
        name = twice["id"][0]
        same = twice.filter(pl.col("id") == name).head(2).select("file", "row").iter_rows()
        where = " and ".join(f"{files[number]}, row {row}" for number, row in same)
        raise CurationError(
            f"{where} have the same id {name!r}; ids must be unique over all files, so change or "
            f"remove one of them."
        )


def _write(out: Path, tables: dict[str, pl.DataFrame]) -> None:
    """Write the tables beside the target first, so that it holds all of them or none."""
    out.mkdir(parents=True, exist_ok=True)
    scratch = out / ".scratch"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    for name, table in tables.items():
        # Groups of rows are packed on several threads.
        table.write_parquet(scratch / f"{name}.parquet", row_group_size=_GROUP)
    for name in tables:
        (scratch / f"{name}.parquet").replace(out / f"{name}.parquet")
    scratch.rmdir()
