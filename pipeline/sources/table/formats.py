"""Open tables of any format as numbered rows of values."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from pipeline.errors import SourceError
from pipeline.recipe import Ingest, Table
from pipeline.sources.base import parse_json, printable
from pipeline.sources.opening import bare_name, open_stream, read_text
from pipeline.sources.records import csv_rows, json_lines

_BATCH = 1000
Values = Mapping[str, object]
# (number of the row or line, values), or an exception for what cannot be read
Numbered = Iterator[tuple[int, Values | ValueError]]


def rows(path: Path, label: str, settings: Ingest, table: Table) -> Numbered:
    """Read a file, or a folder saved by `datasets`; raises SourceError if it is no such table."""
    if path.is_dir():
        return _saved(path, label, table)
    suffix = Path(bare_name(path)).suffix.lower()
    if suffix == ".parquet":
        return _parquet(path, label, table)
    if suffix == ".csv":
        return _csv(path, label, settings, table)
    if suffix in (".jsonl", ".ndjson", ".json"):
        return _json(path, label, settings, table, whole=suffix == ".json")
    raise SourceError(f"{label} is no table that can be read: .jsonl, .json, .parquet or .csv.")


def _parquet(path: Path, label: str, table: Table) -> Numbered:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            _check_columns(file.schema_arrow.names, label, table)
            number = 0
            own = {"origin"} & set(file.schema_arrow.names)
            wanted = sorted({*table.columns.values(), *own})
            for batch in file.iter_batches(batch_size=_BATCH, columns=wanted):
                for values in batch.to_pylist():
                    number += 1
                    yield number, values
    except (pa.ArrowException, OSError) as error:
        raise SourceError(f"{label} is damaged or no Parquet file ({error}).") from error


def _saved(path: Path, label: str, table: Table) -> Numbered:
    import datasets

    try:
        loaded = datasets.load_from_disk(str(path))
    except Exception as error:
        raise SourceError(f"{label} is no dataset that can be loaded ({error}).") from error
    parts = loaded.values() if isinstance(loaded, datasets.DatasetDict) else [loaded]
    number = 0
    for part in parts:
        _check_columns(part.column_names, label, table)
        for start in range(0, len(part), _BATCH):
            columns = part[start : start + _BATCH]
            for values in zip(*columns.values(), strict=True):
                number += 1
                yield number, dict(zip(columns, values, strict=True))


def _csv(path: Path, label: str, settings: Ingest, table: Table) -> Numbered:
    yield from csv_rows(
        path, settings.limits, label, lambda header: _check_columns(header, label, table)
    )


def _json(path: Path, label: str, settings: Ingest, table: Table, *, whole: bool) -> Numbered:
    if whole and _starts_a_list(path, label, settings):
        try:
            items = parse_json(read_text(path, settings.limits, label))
        except ValueError as error:
            raise SourceError(f"{label} cannot be read: {str(error)[:200]}.") from error
        listed = items if isinstance(items, list) else []
        numbered: Iterator[tuple[int, object]] = enumerate(listed, 1)
    else:
        numbered = json_lines(path, settings.limits, label)
    checked = False
    for number, value in numbered:
        if isinstance(value, dict):
            if not checked:
                _check_columns(value, label, table)
                checked = True
            yield number, value
        elif isinstance(value, ValueError):
            yield number, value
        else:
            yield number, ValueError("not a JSON object")


def _starts_a_list(path: Path, label: str, settings: Ingest) -> bool:
    with open_stream(path, settings.limits, label) as stream:
        return stream.read(1024).removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"["


def _check_columns(names: Iterable[str], label: str, table: Table) -> None:
    there = list(names)
    missing = [theirs for theirs in table.columns.values() if theirs not in there]
    if missing:
        raise SourceError(
            f"{label} has no column {printable(missing[0])!r}; it has "
            f"{printable(', '.join(there))[:300]}. Correct ingest.tables, {table.name}, columns."
        )
