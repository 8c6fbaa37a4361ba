"""Read any local table: JSON lines, JSON, Parquet, CSV, or a saved `datasets` folder.

The recipe maps our columns to theirs. Parquet and `datasets` come in batches of a thousand rows,
text files line by line; a JSON file that is one list is read whole, up to 64 MiB.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.errors import SourceError
from pipeline.recipe import Ingest, Table
from pipeline.record import RAW, raw_frame
from pipeline.sources.base import Found, Tally, forgiving, found, printable
from pipeline.sources.table.formats import Values, rows
from pipeline.sources.table.values import value_of

_BATCH = 1000


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
            for number, values in rows(path, label, settings, table):
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


def _row(values: Values, number: int, table: Table, seen: set[str]) -> dict[str, Any]:
    row: dict[str, Any] = {
        "author": "anonymous",
        # Rows that call themselves a model's are that, whatever the mapping leaves out.
        "origin": "model" if str(values.get("origin")).lower() == "model" else "unknown",
        "domain": table.name,
        **table.values,
        **{ours: values.get(theirs) for ours, theirs in table.columns.items()},
    }
    row = {ours: value_of(ours, value) for ours, value in row.items()}
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
