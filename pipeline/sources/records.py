"""Records of text files, one after the other: JSON lines and CSV tables, in bounded memory.

What cannot be read comes as a ValueError in its place, for the reader to book with its line.
"""

import csv
import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from pipeline.errors import SourceError
from pipeline.recipe import Limits
from pipeline.sources.base import parse_json
from pipeline.sources.opening import lines, open_stream


def json_lines(path: Path, limits: Limits, label: str) -> Iterator[tuple[int, object]]:
    """Yield (line, value or ValueError) of each line that is not empty."""
    for number, line in lines(path, limits, label):
        if line is None:
            yield number, ValueError("longer than ingest.limits.max_line_bytes")
        elif line.strip():
            try:
                yield number, parse_json(line)
            except ValueError as error:
                yield number, error


def csv_rows(
    path: Path, limits: Limits, label: str, check: Callable[[list[str]], None]
) -> Iterator[tuple[int, dict[str, str] | ValueError]]:
    """Yield (line, row by column, or ValueError) of a table with a header.

    `check` sees the header first and may raise SourceError.
    """
    csv.field_size_limit(min(limits.max_line_bytes, sys.maxsize >> 32))
    with open_stream(path, limits, label) as stream:
        text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="replace", newline="")
        # In pieces, so that no line fills the memory; the parser joins them again.
        rows = csv.reader(iter(lambda: text.readline(limits.max_line_bytes), ""))
        try:
            header = next(rows, [])
        except csv.Error as error:
            raise SourceError(f"{label} is no CSV table ({error}).") from error
        check(header)
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
