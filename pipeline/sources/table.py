"""Read any local table: JSON lines, JSON, Parquet, CSV, or a saved `datasets` folder.

The recipe maps our columns to theirs. Parquet and `datasets` come in batches of a thousand rows,
text files line by line; a JSON file that is one list is read whole, up to 64 MiB.
"""

import csv
import io
import sys
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.errors import SourceError
from pipeline.recipe import Ingest, Table
from pipeline.record import RAW, raw_frame
from pipeline.sources.base import Found, Tally, forgiving, found, parse_json, printable
from pipeline.sources.opening import bare_name, lines, open_stream, read_text

_BATCH = 1000
_ROLES = frozenset({"user", "assistant"})
Values = Mapping[str, object]
# (number of the row or line, values), or an exception for what cannot be read
Numbered = Iterator[tuple[int, Values | ValueError]]


def find(dumps: Path, settings: Ingest) -> list[Found]:
    """Find the tables of the recipe, each a piece; raises SourceError for one that is not there."""
    return [
        found("table", table.name, _files(_inside(table, dumps), table), dumps.resolve())
        for table in settings.tables
    ]


def read(found: Found, settings: Ingest, tally: Tally, scratch: Path) -> Iterator[pl.DataFrame]:
    """Read one table with its mapping."""
    table = next(t for t in settings.tables if found.name == f"table-{t.name}")
    _check_mapping(table)
    seen: set[str] = set()
    batch: list[dict[str, Any]] = []
    for path in [found.files[0].parent] if _is_saved(found.files) else found.files:
        with forgiving(settings):
            label = found.labels[0] if path not in found.files else found.label(path)
            for number, values in _rows(path, label, settings, table):
                tally.read(label)
                try:
                    if isinstance(values, ValueError):
                        raise values
                    batch.append(_row(values, number, table, seen))
                except ValueError as error:
                    tally.bad(label, number, str(error))
                if len(batch) == _BATCH:
                    yield raw_frame(batch)
                    batch = []
            tally.check(label)
    if batch:
        yield raw_frame(batch)


def _inside(table: Table, dumps: Path) -> Path:
    path = (dumps / table.path).resolve()
    if not path.is_relative_to(dumps.resolve()):
        raise SourceError(
            f"ingest.tables, {table.name}: path {printable(table.path)!r} leads out of the dumps "
            "folder; put the table in it."
        )
    if not path.exists():
        raise SourceError(
            f"ingest.tables, {table.name}: there is no {printable(table.path)!r} in the dumps folder."
        )
    return path


def _files(path: Path, table: Table) -> list[Path]:
    if path.is_file():
        return [path]
    if saved := _state_files(path):
        return saved
    raise SourceError(
        f"ingest.tables, {table.name}: the folder {printable(table.path)!r} was not written by "
        "`save_to_disk` of datasets; name a file in it."
    )


def _state_files(folder: Path) -> list[Path]:
    """List a saved dataset's files, a marker first; empty if the folder is none."""
    markers = [folder / name for name in ("dataset_dict.json", "state.json")]
    marker = next((path for path in markers if path.is_file()), None)
    if marker is None:
        return []
    rest = sorted(p for p in folder.rglob("*") if p.is_file() and p != marker)
    return [marker, *rest]


def _is_saved(files: tuple[Path, ...]) -> bool:
    return files[0].name in ("dataset_dict.json", "state.json") and len(files) > 1


def _check_mapping(table: Table) -> None:
    allowed = set(RAW) - {"source", "markup"}
    for ours in (*table.columns, *table.values):
        if ours not in allowed:
            raise SourceError(
                f"ingest.tables, {table.name}: {printable(ours)!r} is none of our columns, which "
                f"are {', '.join(sorted(allowed))}."
            )
    for needed in ("title", "response"):
        if needed not in table.columns:
            raise SourceError(f"ingest.tables, {table.name}: columns must name one for {needed}.")


def _check_columns(names: Iterable[str], label: str, table: Table) -> None:
    there = list(names)
    missing = [theirs for theirs in table.columns.values() if theirs not in there]
    if missing:
        raise SourceError(
            f"{label} has no column {printable(missing[0])!r}; it has "
            f"{printable(', '.join(there))[:300]}. Correct ingest.tables, {table.name}, columns."
        )


def _rows(path: Path, label: str, settings: Ingest, table: Table) -> Numbered:
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
            wanted = sorted(set(table.columns.values()))
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
    limit = settings.limits.max_line_bytes
    csv.field_size_limit(min(limit, sys.maxsize >> 32))
    with open_stream(path, settings.limits, label) as stream:
        text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="replace", newline="")
        rows = csv.reader(iter(lambda: text.readline(limit), ""))
        try:
            header = next(rows, [])
        except csv.Error as error:
            raise SourceError(f"{label} is no CSV table ({error}).") from error
        _check_columns(header, label, table)
        while True:
            number = rows.line_num + 1
            try:
                row = next(rows)
            except StopIteration:
                return
            except csv.Error as error:
                yield number, ValueError(f"no CSV row: {error}")
                continue
            if len(row) == len(header):
                yield number, dict(zip(header, row, strict=True))
            elif row:
                yield number, ValueError(f"{len(row)} fields instead of {len(header)}")


def _json(path: Path, label: str, settings: Ingest, table: Table, *, whole: bool) -> Numbered:
    if whole and _starts_a_list(path, label, settings):
        try:
            items = parse_json(read_text(path, settings.limits, label))
        except ValueError as error:
            raise SourceError(f"{label} cannot be read: {str(error)[:200]}.") from error
        listed = items if isinstance(items, list) else []
        numbered: Iterator[tuple[int, object]] = enumerate(listed, 1)
    else:
        numbered = _json_lines(path, label, settings)
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


def _json_lines(path: Path, label: str, settings: Ingest) -> Iterator[tuple[int, object]]:
    for number, line in lines(path, settings.limits, label):
        if line is None:
            yield number, ValueError("longer than ingest.limits.max_line_bytes")
        elif line.strip():
            try:
                yield number, parse_json(line)
            except ValueError as error:
                yield number, error


def _starts_a_list(path: Path, label: str, settings: Ingest) -> bool:
    with open_stream(path, settings.limits, label) as stream:
        return stream.read(1024).removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"["


def _row(values: Values, number: int, table: Table, seen: set[str]) -> dict[str, Any]:
    row: dict[str, Any] = {
        "author": "anonymous",
        "origin": "unknown",
        "domain": table.name,
        **table.values,
        **{ours: values.get(theirs) for ours, theirs in table.columns.items()},
    }
    row = {ours: _value(ours, value) for ours, value in row.items()}
    for needed in ("title", "response"):
        if not (row[needed] or "").strip() and not (needed == "title" and row.get("body")):
            raise ValueError(f"no {needed} in {table.columns[needed]!r}")
    identity = printable(str(row.get("id") or number))[:200]
    if identity in seen:
        raise ValueError(f"the id {identity!r} stands for another row already")
    seen.add(identity)
    if "\n" in row["title"] and not row.get("body"):
        row["title"], row["body"] = None, row["title"]  # a title is one line
    return {
        **row,
        "id": f"table:{table.name}:{identity}",
        "source": "table",
        "group": row.get("group") or table.group,
        "markup": table.markup,
    }


def _value(ours: str, value: object) -> Any:  # noqa: ANN401 - whatever the column holds
    """Give a value the type of our column; raises ValueError if it cannot be meant."""
    kind = RAW[ours]
    if value is None or (value == "" and kind != pl.String):
        return None
    if ours == "history":
        return _history(value)
    if kind == pl.List(pl.String):
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return value
        raise ValueError(f"{ours} is no list of texts")
    try:
        return _scalar(kind, value)
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError(f"{ours} cannot be {str(value)[:60]!r}") from error


def _scalar(kind: pl.DataType, value: object) -> object:
    if kind == pl.String:
        if isinstance(value, (str, int, float)) and not isinstance(value, bool):
            return str(value)
    elif kind == pl.Boolean:
        named = {"true": True, "1": True, "false": False, "0": False}
        return named.get(str(value).lower())
    elif kind == pl.Int64 and isinstance(value, (int, float, str)):
        whole = int(float(value))
        if abs(whole) < 2**63:
            return whole
    elif kind == pl.Float64 and isinstance(value, (int, float, str)):
        return float(value)
    elif kind == pl.Datetime("ms"):
        return _moment(value)
    raise TypeError(type(value).__name__)


def _moment(value: object) -> datetime:
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    elif isinstance(value, (int, float)):
        value = datetime.fromtimestamp(value, UTC)
    elif isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    if not isinstance(value, datetime):
        raise TypeError("no date")
    return value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value


def _history(value: object) -> list[dict[str, str]]:
    turns: list[Any] = value if isinstance(value, list) else [value]
    for turn in turns:
        if (
            not isinstance(turn, dict)
            or turn.get("role") not in _ROLES
            or not isinstance(turn.get("content"), str)
        ):
            raise ValueError("history is no list of turns with role and content")
    return [{"role": turn["role"], "content": turn["content"]} for turn in turns]
