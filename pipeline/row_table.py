"""Write the table that a command was asked for with --table."""

from collections.abc import Callable
from pathlib import Path

import polars as pl

from pipeline.errors import CurationError


def writer_for(path: Path) -> Callable[[pl.DataFrame], None]:
    """Return what writes a table to `path`, whole or not at all.

    Raises CurationError where that is another kind of file, or a place that cannot be written.
    """
    kinds: dict[str, Callable[[pl.DataFrame, Path], object]] = {
        ".parquet": lambda table, to: table.write_parquet(to),
        ".csv": lambda table, to: table.write_csv(to),
        ".jsonl": lambda table, to: table.write_ndjson(to),
    }
    if path.suffix not in kinds:
        raise CurationError(f"{path}: the table can be .parquet, .csv or .jsonl.")
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch()
        temporary.unlink()
    except OSError as error:
        raise CurationError(
            f"{path}: no table can be written there ({error.strerror}); name another place."
        ) from error
    if path.is_dir():
        raise CurationError(f"{path} is a folder; name a file for the table.")

    def write(table: pl.DataFrame) -> None:
        kinds[path.suffix](table, temporary)
        temporary.replace(path)

    return write
