"""The story of every candidate, as one table: kept or dropped, where, why.

In: the books of each stage of a run, and the picked rows. Out: decisions.parquet, in the order of
the stages and of their books, kept rows last: an order that needs no sorting, so that sixty million
rows pass through memory in blocks.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from pipeline.errors import ReleaseError
from pipeline.stage import DROPPED_FOLDER

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS = ("id", "stage", "verdict", "reason", "detail")
_BLOCK = 1 << 17  # rows in a row group


def write(run: Path, stages: Sequence[str], kept: pl.DataFrame, path: Path) -> Counter[str]:
    """Write the table; returns the number of rows by stage, kept ones under `kept`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([(name, pa.string()) for name in COLUMNS])
    counts: Counter[str] = Counter()
    waiting: list[pa.Table] = []
    size = 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for stage, table in _tables(run, stages, kept):
            counts[stage] += table.num_rows
            waiting.append(table.select(list(COLUMNS)).cast(schema))
            size += table.num_rows
            if size >= _BLOCK:
                # Row groups have one size whatever the blocks that were read.
                whole = pa.concat_tables(waiting)
                full = size - size % _BLOCK
                writer.write_table(whole.slice(0, full).combine_chunks(), row_group_size=_BLOCK)
                waiting, size = [whole.slice(full)], size - full
        if size:
            writer.write_table(pa.concat_tables(waiting).combine_chunks(), row_group_size=_BLOCK)
    return counts


def _tables(
    run: Path, stages: Sequence[str], kept: pl.DataFrame
) -> Iterator[tuple[str, "pa.Table"]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    for stage in stages:
        for path in sorted((run / stage / DROPPED_FOLDER).glob("*.parquet")):
            try:
                with pq.ParquetFile(path) as source:
                    for batch in source.iter_batches(_BLOCK):
                        table = pa.Table.from_batches([batch])
                        verdict = pa.array(["dropped"] * table.num_rows, pa.string())
                        yield stage, table.append_column("verdict", verdict)
            except (OSError, pa.ArrowInvalid) as error:
                raise ReleaseError(
                    f"The books in {path} cannot be read ({error}); delete the folder "
                    f"{run / stage} and run again."
                ) from error
    if len(kept):
        yield "kept", kept_decisions(kept).to_arrow()


def kept_decisions(kept: pl.DataFrame) -> pl.DataFrame:
    """Make the lines of the picked rows, such as "train, rank 12 in stem"."""
    place = pl.format("{}, rank {} in {}", "split", "rank", "group")
    said = pl.lit("")
    if "review" in kept.columns:
        said = pl.format("; {} by a reviewer", "review").fill_null("")
    return kept.sort("id").select(
        "id",
        stage=pl.lit("select"),
        verdict=pl.lit("kept"),
        reason=pl.lit(None, pl.String),
        detail=pl.when(pl.col("rank").is_null())
        .then(pl.format("{}, {}", "split", "group"))
        .otherwise(place)
        + said,
    )


def check(counts: Counter[str], funnel: Sequence[dict[str, Any]]) -> None:
    """Raise ReleaseError unless each candidate has exactly one line.

    Rows that ingest leaves out are counted, not listed; of its books only malformed rows remain.
    """
    for line in funnel:
        stage, listed = line["stage"], counts[line["stage"]]
        dropped = line["dropped"]
        wanted = dropped.get("malformed", 0) if stage == "ingest" else sum(dropped.values())
        if listed != wanted:
            raise ReleaseError(
                f"The books of {stage} list {listed} rows, its manifest says {wanted}; delete "
                f"that stage's folder and run again."
            )
    out = funnel[-1]["rows_out"] if funnel else 0
    if counts["kept"] != out:
        raise ReleaseError(
            f"Selection picked {out} rows by its manifest and {counts['kept']} by its table; "
            f"delete its folder and run again."
        )
