"""Cut rows of XML into their attributes, all rows of a block in a few passes over its bytes.

A quote inside a value is always written `&quot;`, so the quotes of a row alternate between the
start and the end of a value. The places of all quotes tell everything: what stands between a value
and the next is a name, which must be one of those that dumps have. A row where anything is unlike
the official dumps is left to regexes, which decide; the fast way never judges a row malformed.
"""

from collections.abc import Callable, Sequence
from typing import cast

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

# A whole row as it should be: attributes in double quotes, no markup or control characters inside.
WELL_FORMED = r'^\s*<row(?: +[A-Za-z]+="[^"<\x00-\x08\x0b\x0c\x0e-\x1f]*")+ *(?:/>|>\s*</row>)\s*$'

# Names that official dumps have. Others cost time, not rows.
_NAMES = [
    "Id",
    "PostTypeId",
    "ParentId",
    "AcceptedAnswerId",
    "CreationDate",
    "DeletionDate",
    "Score",
    "ViewCount",
    "Body",
    "OwnerUserId",
    "OwnerDisplayName",
    "LastEditorUserId",
    "LastEditorDisplayName",
    "LastEditDate",
    "LastActivityDate",
    "Title",
    "Tags",
    "AnswerCount",
    "CommentCount",
    "FavoriteCount",
    "ClosedDate",
    "CommunityOwnedDate",
    "ContentLicense",
    "Reputation",
    "DisplayName",
    "LastAccessDate",
    "WebsiteUrl",
    "Location",
    "AboutMe",
    "Views",
    "UpVotes",
    "DownVotes",
    "ProfileImageUrl",
    "EmailHash",
    "AccountId",
    "Age",
    "PostId",
    "Text",
    "UserDisplayName",
    "UserId",
]
_NAME_BYTES = 24  # longer names are left to the regexes
_QUOTE, _LESS, _SPACE, _EQUALS = b'"< ='
_COMPACT = pl.CompatLevel.oldest()  # one buffer of bytes, not views of others
_STRIDE = 1 << 18  # bytes that stay in the cache of a core


def places(data: NDArray[np.uint8], byte: int) -> NDArray[np.int64]:
    """Return where a byte stands."""
    return _chunked(data, lambda chunk: np.flatnonzero(chunk == byte))


def pieces(data: NDArray[np.uint8], borders: NDArray[np.int64], kind: pa.DataType) -> pl.Series:
    """Return what stands between one border and the next, without copying it."""
    buffers = [None, pa.py_buffer(borders), pa.py_buffer(data)]
    array = pa.Array.from_buffers(kind, max(len(borders) - 1, 0), buffers)
    return cast(pl.Series, pl.from_arrow(array))


def compact(lines: pl.Series) -> pl.Series:
    """Copy lines, so that they do not hold on to the block that they were cut from."""
    return cast(pl.Series, pl.from_arrow(lines.to_arrow(compat_level=_COMPACT))).alias(lines.name)


def attribute(name: str) -> pl.Expr:
    """Return the raw text of an attribute of the column `line`; null if the row has none."""
    # Searching for plain text and cutting bytes is five times as fast as a regex with a group.
    line, start = pl.col("line"), f' {name}="'
    rest = line.cast(pl.Binary).bin.slice(line.str.find(start, literal=True) + len(start))
    return rest.bin.head(rest.cast(pl.String).str.find('"', literal=True)).cast(pl.String)


def as_number(text: pl.Expr) -> pl.Expr:
    """Read a whole number; null where the text is none."""
    return pl.when(text.str.contains(r"^-?[0-9]{1,18}$")).then(text).cast(pl.Int64)


def cut(lines: pl.Series, names: Sequence[str]) -> pl.DataFrame:
    """Return for each line whether it is a well-formed row (`sound`), and attributes as raw text.

    An attribute that a row does not have is null; what a row gives that is not sound is undefined.
    """
    frame, regular = _cut_regular(lines, names)
    if regular.all():
        return frame
    odd = lines.filter(pl.Series(~regular)).to_frame("line")
    slow = odd.select(
        pl.col("line").str.contains(WELL_FORMED).alias("sound"),
        *(attribute(name).alias(name) for name in names),
    )
    both = pl.concat([frame.filter(pl.Series(regular)), slow])
    order = np.concatenate([np.flatnonzero(regular), np.flatnonzero(~regular)])
    return both.with_columns(row=pl.Series(order)).sort("row").drop("row")


def _cut_regular(lines: pl.Series, names: Sequence[str]) -> tuple[pl.DataFrame, NDArray[np.bool_]]:
    """Cut by the places of the quotes; tells also for which rows that was right."""
    data, borders = _packed(lines)
    count = len(lines)
    quotes, less, controls = _marks(data)
    in_row = np.diff(np.searchsorted(quotes, borders))
    regular = (in_row % 2 == 0) & (in_row > 0)
    regular &= np.diff(np.searchsorted(less, borders)) == 1
    regular &= np.diff(np.searchsorted(controls, borders)) == 0
    if not regular.all():
        quotes = quotes[np.repeat(regular, in_row)]
        in_row = np.where(regular, in_row, 0)
    opening, closing = quotes[::2], quotes[1::2]
    row = np.repeat(np.arange(count), in_row // 2)

    # From the second name of a row on, one space stands before it.
    starts = np.empty_like(opening)
    starts[1:] = closing[:-1] + 2
    spaces = starts - 1
    first = np.flatnonzero(np.diff(row, prepend=-1))
    last = np.flatnonzero(np.diff(row, append=count))
    heads = less[np.searchsorted(less, borders[row[first]])]
    starts[first], spaces[first] = heads + 5, heads + 4
    codes = _codes(data, starts, opening - 1)
    strange = (codes < 0) | (data[spaces] != _SPACE) | (data[opening - 1] != _EQUALS)
    regular[row[strange]] = False
    indents = _words(data, borders[row[first]], heads)
    regular[row[first]] &= np.isin(indents, _INDENTS) & (_words(data, heads, heads + 4) == _ROW)
    tails = _words(data, closing[last] + 1, borders[row[last] + 1])
    regular[row[last]] &= np.isin(tails, _TAILS)

    # The values asked for, as views of the bytes; every second piece is what stands between two.
    asked = np.zeros(len(_NAMES) + 1, np.bool_)
    asked[[_NAMES.index(name) for name in names]] = True
    wanted = asked[codes]
    codes, row = codes[wanted], row[wanted]
    ends = np.stack([opening[wanted] + 1, closing[wanted]], axis=1).ravel()
    text = pieces(data, np.append(ends, ends[-1:]), pa.large_string())
    where: dict[str, pl.Series] = {"sound": pl.Series(regular)}
    for name in names:
        mine = np.flatnonzero(codes == _NAMES.index(name))[::-1]  # of two, the first counts
        found = np.full(count, -1)
        found[row[mine]] = 2 * mine
        where[name] = cast(pl.Series, pl.from_arrow(pa.array(found, mask=found < 0)))
    # All at once: a call of polars costs as much as some hundred rows.
    values = pl.lit(text)
    columns = pl.DataFrame(where).select(
        "sound", *(values.gather(pl.col(n)).alias(n) for n in names)
    )
    return columns, regular


def _packed(lines: pl.Series) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the bytes of the lines one after the other, and where each begins and ends."""
    packed = lines.cast(pl.Binary).to_arrow(compat_level=_COMPACT)
    _, ends, content = packed.buffers()
    borders = np.frombuffer(ends, np.int64, len(packed) + 1, packed.offset * 8)
    data = np.zeros(borders[-1] + _NAME_BYTES, np.uint8)  # so that no word leads beyond the end
    data[: borders[-1]] = np.frombuffer(content or b"", np.uint8, borders[-1])
    return data, borders


def _words(
    data: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> NDArray[np.uint64]:
    """Return up to eight bytes from each start as a number, with zeros from the end on."""
    words: NDArray[np.uint64] = np.ndarray(len(data) - 7, "<u8", data, strides=(1,))
    found: NDArray[np.uint64] = words[starts] & _MASKS[np.clip(ends - starts, 0, 8)]
    return found


def _codes(
    data: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the number of each name in the table of names; -1 where it is not there."""
    words = [_words(data, starts + shift, ends) for shift in range(0, _NAME_BYTES, 8)]
    codes = _SLOTS[_slot(words, _MIX)]
    same = ends - starts <= _NAME_BYTES
    for word, known in zip(words, _KNOWN, strict=True):
        same &= word == known[codes]
    return np.where(same, codes, -1)


def _slot(words: Sequence[NDArray[np.uint64]], mix: int) -> NDArray[np.uint64]:
    """Return ten bits that tell the known names apart."""
    key = words[0] + words[1] * np.uint64(3) + words[2] * np.uint64(5)
    slots: NDArray[np.uint64] = key * np.uint64(mix) >> np.uint64(54)
    return slots


def _mix() -> int:
    """Return the first odd number that gives each known name a slot of its own."""
    tries = (0x9E3779B97F4A7C15 + 2 * step for step in range(100_000))
    return next(mix for mix in tries if len(np.unique(_slot(_KNOWN, mix))) == len(_NAMES))


def _number(text: str) -> int:
    return int.from_bytes(text.encode(), "little")


_MASKS = np.array([(1 << 8 * size) - 1 for size in range(9)], np.uint64)
_ALLOWED = np.isin(np.arange(256), [9, 10, 13])
_ROW = _number("<row")
_INDENTS = [_number(" " * size) for size in range(5)]
_TAILS = [_number(f"{space}/>{end}") for space in (" ", "") for end in ("", "\n", "\r\n")]
_KNOWN = [
    np.array([_number(name[shift : shift + 8]) for name in _NAMES], np.uint64)
    for shift in range(0, _NAME_BYTES, 8)
]
_MIX = _mix()
_SLOTS = np.zeros(1 << 10, np.int64)
_SLOTS[_slot(_KNOWN, _MIX)] = np.arange(len(_NAMES))


def _marks(data: NDArray[np.uint8]) -> tuple[NDArray[np.int64], ...]:
    """Return where quotes, signs "less than" and control characters that XML forbids stand."""

    def find(chunk: NDArray[np.uint8]) -> NDArray[np.int64]:
        return np.flatnonzero((chunk == _QUOTE) | (chunk == _LESS) | (chunk < _SPACE))

    marks = _chunked(data, find)
    bytes_ = data[marks]
    controls = (bytes_ < _SPACE) & ~_ALLOWED[bytes_]
    return marks[bytes_ == _QUOTE], marks[bytes_ == _LESS], marks[controls]


def _chunked(
    data: NDArray[np.uint8], find: Callable[[NDArray[np.uint8]], NDArray[np.int64]]
) -> NDArray[np.int64]:
    starts = range(0, max(len(data), 1), _STRIDE)
    return np.concatenate([find(data[start : start + _STRIDE]) + start for start in starts])
