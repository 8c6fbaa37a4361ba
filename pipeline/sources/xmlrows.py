"""The rows of Stack Exchange's XML tables, as frames of lines.

Every `<row .../>` of an official dump is one line, and a quote inside a value is always written
`&quot;`. So ` Score="` on a line can only be the attribute, a regex finds it in any order, and no
XML parser runs: nothing in a file can make one expand entities or open other files.
"""

import re
from collections.abc import Iterator
from typing import BinaryIO

import polars as pl

from pipeline.errors import SourceError
from pipeline.recipe import Limits
from pipeline.sources.base import Tally
from pipeline.sources.opening import line_blocks

_HEAD_BYTES = 1 << 16
_ROOT = re.compile(rb"<([A-Za-z][\w.-]*)[\s>/]")
_ATTRIBUTE = re.compile(rb' ([A-Za-z]+)="')

# A whole row as it should be: attributes in double quotes, no markup or control characters inside.
WELL_FORMED = (
    r'^\s*<row(?:\s+[A-Za-z]+="[^"<\x00-\x08\x0b\x0c\x0e-\x1f]*")+\s*(?:/>|>\s*</row>)\s*$'
)

_NAMED = {
    "&lt;": "<",
    "&gt;": ">",
    "&quot;": '"',
    "&apos;": "'",
    "&amp;": "&",
    "&#xA;": "\n",
    "&#10;": "\n",
    "&#xD;": "\r",
    "&#13;": "\r",
    "&#x9;": "\t",
    "&#9;": "\t",
}
_REFERENCE = re.compile(r"&(?:#x([0-9A-Fa-f]{1,6})|#([0-9]{1,7})|(lt|gt|quot|apos|amp));")


def attribute(name: str) -> pl.Expr:
    """Return the raw text of an attribute of the column `line`; null if the row has none."""
    return pl.col("line").str.extract(rf'\s{name}="([^"]*)"')


def number(name: str) -> pl.Expr:
    """Return an attribute as a number; null if it is missing or no number."""
    return pl.col("line").str.extract(rf'\s{name}="(-?\d{{1,18}})"').cast(pl.Int64)


def moment(name: str) -> pl.Expr:
    """Return an attribute as UTC time in milliseconds; null if it is missing or no time."""
    text = pl.col("line").str.extract(rf'\s{name}="([^"]{{10,40}})"')
    return text.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", time_unit="ms", strict=False)


def unescape(column: pl.Series) -> pl.Series:
    """Undo XML escapes once, so that `&amp;lt;` becomes `&lt;`."""
    plain = column.str.replace_many(list(_NAMED), list(_NAMED.values()))
    usual = column.str.count_matches(r"&#(?:x[aAdD9]|10|13|9);")
    odd = (column.str.count_matches("&#", literal=True) != usual).fill_null(False).arg_true()
    if len(odd):
        mended = [_REFERENCE.sub(_character, text) for text in column.gather(odd)]
        plain = plain.scatter(odd, mended)
    return plain


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

    Lines that are no whole row are noted as malformed. Raises SourceError if the file is not the
    table `root` whose rows have the attributes `needed`, if it declares entities, or if it ends
    before its closing tag.
    """
    tail = b""
    started = False
    for first, block, too_long in line_blocks(stream, limits):
        if not started:
            block = block.removeprefix(b"\xef\xbb\xbf")
            block = _check_head(block, root, needed, label)
            started = True
        for line in too_long:
            tally.bad(label, line, f"longer than {limits.max_line_bytes} bytes")
        tail = (tail + block)[-256:]
        yield _rows(first, block, root, label, tally)
    if not started:
        raise SourceError(f"{label} is empty; it should hold <{root}>.")
    if f"</{root}>".encode() not in tail:
        raise SourceError(
            f"{label} breaks off: there is no </{root}> at its end. Download it again."
        )


def _check_head(block: bytes, root: str, needed: tuple[str, ...], label: str) -> bytes:
    head = block[:_HEAD_BYTES]
    before_row, _, after = head.partition(b"<row ")
    # Some tools write a bare DOCTYPE, which nothing here would load; a DTD inside it is an attack.
    if b"<!ENTITY" in before_row or re.search(rb"<!DOCTYPE[^>]*\[", before_row):
        raise SourceError(f"{label} declares entities; no dump does, so it is refused.")
    body = re.sub(rb"<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^>]*>", b"", before_row, flags=re.DOTALL)
    match = _ROOT.search(body)
    found = match.group(1).decode("ascii", "replace") if match else "no element"
    if found != root:
        shown = f"<{found}>" if match else found
        raise SourceError(f"{label} is not a Stack Exchange table: {shown} where <{root}> belongs.")
    if after:
        row = block[len(before_row) :].split(b"\n", 1)[0]
        names = {name.decode("ascii") for name in _ATTRIBUTE.findall(row[:1_000_000])}
        missing = [name for name in needed if name not in names]
        if missing:
            raise SourceError(
                f"{label} is not the official <{root}> table: its first row has no "
                f"{', '.join(missing)} (it has {', '.join(sorted(names)[:12]) or 'no attributes'})."
            )
    # A hand-cut file may have its first row on the line of the root element.
    opening = f"<{root}>".encode()
    return block.replace(opening + b"<row ", b" " * len(opening) + b"<row ", 1)


def _rows(first: int, block: bytes, root: str, label: str, tally: Tally) -> pl.DataFrame:
    # A separator that no XML file may hold makes each line one field.
    lines = pl.read_csv(
        block,
        separator="\x01",
        quote_char=None,
        has_header=False,
        schema={"line": pl.String},
        encoding="utf8-lossy",
        truncate_ragged_lines=True,
    )
    frame = lines.with_row_index("number", first).with_columns(pl.col("line").fill_null(""))
    stripped = pl.col("line").str.strip_chars()
    is_row = pl.col("line").str.contains(r"^\s*<row\s")
    whole = pl.col("line").str.contains(r"(?:/>|</row>)\s*$")
    rows = frame.filter(is_row & whole)
    tally.read(label, len(rows))
    if len(rows) < len(frame):
        furniture = stripped.is_in(["", f"<{root}>", f"</{root}>"]) | stripped.str.contains(
            r"^<[?!]"
        )
        for row in frame.filter(~(is_row & whole) & ~furniture).iter_rows(named=True):
            tally.read(label)
            tally.bad(
                label, row["number"], f"no whole row on this line: {row['line'].strip()[:80]!r}"
            )
    return rows
