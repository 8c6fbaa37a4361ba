"""The rows of Stack Exchange's XML tables, as frames of lines.

Every `<row .../>` of an official dump is one line, and a quote inside a value is always written
`&quot;`. So ` Score="` on a line can only be the attribute, a regex finds it in any order, and no
XML parser runs: nothing in a file can make one expand entities or open other files.
"""

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import BinaryIO, TypeVar

import numpy as np
import polars as pl
import pyarrow as pa

from pipeline.errors import SourceError
from pipeline.recipe import Limits
from pipeline.sources.attributes import pieces, places
from pipeline.sources.base import Tally
from pipeline.sources.opening import line_blocks

S = TypeVar("S")
T = TypeVar("T")

WORKERS = 2  # threads that cut blocks; polars brings its own, one for each core
_SLICE_ROWS = 2_000
_CUT_ROWS = 10_000  # whole rows, a slice
_LEAST_ROWS = 500  # smaller slices cost more calls than two threads save
_BOM = b"\xef\xbb\xbf"
_HEAD_BYTES = 1 << 16
_TAIL_BYTES = 1 << 12
_FIRST_BYTES = 1 << 20
_FIRST_ROW = re.compile(rb'<row (?>(?:[^<">]|"[^"<]*")*)>')
_ATTRIBUTE = re.compile(rb' ([A-Za-z]+)="')
# What may stand before the first row. Atomic, so that no file can make it try all ways.
_PROLOG = re.compile(
    rb"(?>(?:<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^>]*>|\s+)*)<([A-Za-z][\w.-]*)[^>]*>", re.DOTALL
)

_NAMED = {
    "&lt;": "<",
    "&gt;": ">",
    "&quot;": '"',
    "&apos;": "'",
    "&amp;": "&",
    "&#xA;": "\n",
    "&#xa;": "\n",
    "&#10;": "\n",
    "&#xD;": "\r",
    "&#xd;": "\r",
    "&#13;": "\r",
    "&#x9;": "\t",
    "&#9;": "\t",
}
# A reference by number that _NAMED does not have.
_UNUSUAL = r"&#(?:[^x19]|9[^;]|1[^03]|1[03][^;]|x[^aAdD9]|x[aAdD9][^;])"
_REFERENCE = re.compile(r"&(?:#x([0-9A-Fa-f]{1,6})|#([0-9]{1,7})|(lt|gt|quot|apos|amp));")


def unescape(column: pl.Series) -> pl.Series:
    """Undo XML escapes once, so that `&amp;lt;` becomes `&lt;`."""
    plain = column.str.replace_many(list(_NAMED), list(_NAMED.values()))
    odd = column.str.contains(_UNUSUAL).fill_null(False).arg_true()
    if len(odd):
        mended = [_REFERENCE.sub(_character, text) for text in column.gather(odd)]
        plain = plain.scatter(odd, mended)
    return plain


def unescape_columns(frame: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """Unescape some columns on several threads."""
    starts = range(0, max(len(frame), 1), _SLICE_ROWS)
    with ThreadPoolExecutor(WORKERS, "texts") as pool:
        plain = {
            name: [pool.submit(unescape, frame[name].slice(at, _SLICE_ROWS)) for at in starts]
            for name in names
        }
        return frame.with_columns(
            pl.concat([future.result() for future in parts], rechunk=False).alias(name)
            for name, parts in plain.items()
        )


def _character(match: re.Match[str]) -> str:
    hexadecimal, decimal, name = match.groups()
    if name:
        return _NAMED[f"&{name};"]
    code = int(hexadecimal, 16) if hexadecimal else int(decimal)
    allowed = code in (9, 10, 13) or 0x20 <= code <= 0xD7FF or 0xE000 <= code <= 0x10FFFF
    return chr(code) if allowed else "\ufffd"


def row_frames(
    stream: BinaryIO, root: str, needed: tuple[str, ...], limits: Limits, label: str, tally: Tally
) -> Iterator[pl.DataFrame]:
    """Yield the rows of a table as frames with `number` (of the line, from 1) and `line`.

    A line still has its end. Lines that are no whole row are noted as malformed. Raises SourceError
    if the file is not the table `root` whose rows have the attributes `needed`, if it declares
    entities, or if it ends before its closing tag.
    """
    return map_rows(stream, root, needed, limits, label, tally, lambda rows, _: rows)


def map_rows(
    stream: BinaryIO,
    root: str,
    needed: tuple[str, ...],
    limits: Limits,
    label: str,
    tally: Tally,
    work: Callable[[pl.DataFrame, Tally], T],
) -> Iterator[T]:
    """Yield what `work` makes of each frame that `row_frames` would yield, in the same order.

    Threads work on several frames at once while this one reads on, and unpacks what is packed.
    Each call of `work` has books of its own, which are added to the tally in the order of the file.
    """

    def cut(place: tuple[int, bytes], books: Tally) -> T:
        return work(_rows(*place, root, limits, label, books), books)

    return _map(_blocks(stream, root, needed, limits, label, tally), tally, cut)


def map_slices(
    frame: pl.DataFrame, tally: Tally, work: Callable[[pl.DataFrame, Tally], T]
) -> Iterator[T]:
    """Yield what `work` makes of slices of a frame, in order; threads and books as in map_rows."""
    size = min(_CUT_ROWS, max(_LEAST_ROWS, -(-len(frame) // WORKERS)))
    slices = (frame.slice(start, size) for start in range(0, len(frame), size))
    return _map(slices, tally, work)


def _map(items: Iterable[S], tally: Tally, work: Callable[[S, Tally], T]) -> Iterator[T]:
    def booked(item: S) -> tuple[T, Tally]:
        books = Tally(tally.max_malformed)
        return work(item, books), books

    with ThreadPoolExecutor(WORKERS, "rows") as pool:
        waiting: deque[Future[tuple[T, Tally]]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(booked, item))
                del item  # it is the worker's now
                if len(waiting) > WORKERS + 1:
                    done, books = waiting.popleft().result()
                    tally.add(books)
                    yield done
            while waiting:
                done, books = waiting.popleft().result()
                tally.add(books)
                yield done
        finally:
            for future in waiting:
                future.cancel()


def _blocks(
    stream: BinaryIO, root: str, needed: tuple[str, ...], limits: Limits, label: str, tally: Tally
) -> Iterator[tuple[int, bytes]]:
    """Yield (number of the first line, bytes) of whole lines; checks the file's head and tail."""
    name, tail = root.encode(), b""
    started = False
    for first, block, too_long in line_blocks(stream, limits):
        for line in too_long:
            tally.read(label)
            tally.bad(label, line, f"longer than {limits.max_line_bytes} bytes")
        if not block:
            continue
        if not started:
            started = True
            # The head goes first and alone: to change it in a large block would copy the block.
            cut = block.find(b"\n", _FIRST_BYTES) + 1
            if cut and len(block) - cut > _FIRST_BYTES:  # the tail stays whole
                head, block = block[:cut], block[cut:]
                yield first, _check_head(head.removeprefix(_BOM), root, needed, label)
                first += head.count(b"\n")
            else:
                block = _check_head(block.removeprefix(_BOM), root, needed, label)
        # A hand-cut file may have its last row on the line of the closing tag.
        end = block.rfind(b"></%b" % name, -_TAIL_BYTES) + 1
        if end:
            block = block[:end] + b"\n" + block[end:]
        tail = (tail + block[-_TAIL_BYTES:])[-_TAIL_BYTES:]
        yield first, block
    if not started:
        raise SourceError(f"{label} holds nothing to read; it should hold <{root}>.")
    if not re.search(rb"</%b\s*>|<%b\s*/>" % (name, name), tail):
        raise SourceError(
            f"{label} breaks off: there is no </{root}> at its end. Download it again."
        )


def _check_head(block: bytes, root: str, needed: tuple[str, ...], label: str) -> bytes:
    """Check what stands before the first row; returns the block with spaces in its place."""
    head = block[:_HEAD_BYTES]
    before_row = head.partition(b"<row ")[0]
    # Some tools write a bare DOCTYPE, which nothing here would load; a DTD inside it is an attack.
    if b"<!ENTITY" in before_row or re.search(rb"<!DOCTYPE[^>]*\[", before_row):
        raise SourceError(f"{label} declares entities; no dump does, so it is refused.")
    match = _PROLOG.match(head)
    found = match.group(1).decode("ascii", "replace") if match else ""
    if match is None or found != root:
        shown = f"<{found}>" if match else "no element"
        raise SourceError(f"{label} is not a Stack Exchange table: {shown} where <{root}> belongs.")
    row = _FIRST_ROW.search(block[len(before_row) : len(before_row) + _FIRST_BYTES])
    if row:
        names = {name.decode("ascii") for name in _ATTRIBUTE.findall(row.group())}
        missing = [name for name in needed if name not in names]
        if missing:
            raise SourceError(
                f"{label} is not the official <{root}> table: its first row has no "
                f"{', '.join(missing)} (it has {', '.join(sorted(names)[:12]) or 'no attributes'})."
            )
    if not match.group().endswith(b"/>"):
        # A hand-cut file may have its first row on the line of the root element.
        return re.sub(rb"[^\n]", b" ", match.group()) + block[match.end() :]
    return block


def _rows(
    first: int, block: bytes, root: str, limits: Limits, label: str, tally: Tally
) -> pl.DataFrame:
    frame = _lines(block).to_frame().with_row_index("number", first)
    line = pl.col("line")
    # Plain text is found faster than a pattern; what is unlike the official dumps gets the pattern.
    usual = line.str.starts_with("  <row ") & (
        line.str.ends_with(" />\n") | line.str.ends_with("/>\r\n")
    )
    fits = line.str.len_bytes() <= limits.max_line_bytes
    kept = frame.select((usual & fits).fill_null(False)).to_series()
    if kept.all():
        tally.read(label, len(frame))
        return frame
    is_row = line.str.contains(r"^\s*<row\s") & line.str.contains(r"(?:/>|</row>)\s*$")
    ended = line.str.strip_suffix("\n").str.len_bytes() <= limits.max_line_bytes
    odd = frame.filter(~kept)
    odd_kept = odd.select((is_row & ended).fill_null(False)).to_series()
    kept = kept.scatter((~kept).arg_true(), odd_kept)
    rows = frame.filter(kept)
    tally.read(label, len(rows))
    if not odd_kept.all():
        furniture = line.str.contains(rf"^\s*(?:$|</?{root}\s*/?>\s*$|<[?!])").fill_null(False)
        for number, text in odd.filter(~odd_kept & ~odd.select(furniture).to_series()).iter_rows():
            tally.read(label)
            tally.bad(label, number, _why(text, limits))
    return rows


def _lines(block: bytes) -> pl.Series:
    """Return the lines as text, with their ends; null where the bytes are no UTF-8."""
    data = np.frombuffer(block, np.uint8)
    borders = np.concatenate([[0], places(data, ord("\n")) + 1])
    if borders[-1] < len(block):
        borders = np.append(borders, len(block))
    lines = pieces(data, borders, pa.large_binary()).alias("line")
    try:
        return lines.cast(pl.String)
    except pl.exceptions.ComputeError:
        pass
    texts: list[str | None] = []
    for line in lines:
        try:
            texts.append(line.decode())
        except UnicodeDecodeError:
            texts.append(None)
    return pl.Series("line", texts, pl.String)


def _why(line: str | None, limits: Limits) -> str:
    if line is None:
        return "not valid UTF-8"
    if len(line.removesuffix("\n").encode()) > limits.max_line_bytes:
        return f"longer than {limits.max_line_bytes} bytes"
    return f"no whole row on this line: {line.strip()[:80]!r}"
