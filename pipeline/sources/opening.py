"""Open dumps: plain, .zst, .gz, .xz or .bz2, within limits on what they may expand to.

Everything is a stream; nothing is unpacked to disk, nothing is kept in memory beyond a block.
"""

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import zstandard

from pipeline.errors import SourceError
from pipeline.recipe import Limits

SUFFIXES = (".zst", ".gz", ".xz", ".bz2")
BLOCK = 1 << 24  # bytes; smaller ones cost more calls than they save memory
_STRIDE = 1 << 18  # bytes that stay in the cache of a core
_LINE_END = ord("\n")
_RATIO_FROM = 64 << 20  # small files may be very regular

# What the libraries raise for a file that is damaged or is no such archive.
DAMAGED = (zstandard.ZstdError, EOFError, lzma.LZMAError, zlib.error, gzip.BadGzipFile, OSError)


def bare_name(path: Path) -> str:
    """Return the file's name without the suffix of its compression."""
    return path.stem if path.suffix in SUFFIXES else path.name


class Bounded(io.RawIOBase):
    """A readable stream that refuses to give more bytes than the limits allow."""

    def __init__(
        self,
        stream: BinaryIO,
        packed: int,
        limits: Limits,
        label: str,
        is_whole: Callable[[], bool] | None = None,
    ) -> None:
        self._stream = stream
        self._is_whole = is_whole
        self._packed = max(packed, 1)
        self._limits = limits
        self._label = label
        self._given = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(cast(bytearray, buffer))
        try:
            size = cast(io.RawIOBase, self._stream).readinto(view) or 0
        except DAMAGED as error:
            raise SourceError(
                f"{self._label} is damaged or breaks off after {self._given} bytes of content "
                f"({error}). Download it again."
            ) from error
        if not size and len(view) and self._is_whole and not self._is_whole():
            raise SourceError(
                f"{self._label} breaks off after {self._given} bytes of content. Download it again."
            )
        self.count(size)
        return size

    def count(self, size: int) -> None:
        """Add bytes given; raises SourceError beyond the limits."""
        self._given += size
        limits = self._limits
        if self._given > limits.max_expanded_bytes:
            raise SourceError(
                f"{self._label} expands to more than {limits.max_expanded_bytes} bytes. If that "
                "is right for this file, raise ingest.limits.max_expanded_bytes."
            )
        if self._given > _RATIO_FROM and self._given > limits.max_ratio * self._packed:
            raise SourceError(
                f"{self._label} expands to more than {limits.max_ratio:g} times its size, like "
                "an archive bomb. If the file is sound, raise ingest.limits.max_ratio."
            )

    def close(self) -> None:
        self._stream.close()
        super().close()


def open_stream(path: Path, limits: Limits, label: str) -> BinaryIO:
    """Open a file for reading its content as bytes, uncompressed by its suffix.

    Reading raises SourceError where the file is damaged or expands beyond the limits.
    """
    raw: BinaryIO
    is_whole = None
    if path.suffix == ".zst":
        # Pushshift's archives are written with windows of up to 2 GiB.
        decompressor = zstandard.ZstdDecompressor(max_window_size=2**31)
        raw = cast(
            BinaryIO,
            decompressor.stream_reader(path.open("rb"), read_across_frames=True, closefd=True),
        )
        is_whole = partial(_frames_end, path)
    elif path.suffix == ".gz":
        raw = cast(BinaryIO, gzip.open(path))
    elif path.suffix == ".xz":
        raw = cast(BinaryIO, lzma.open(path))
    elif path.suffix == ".bz2":
        raw = cast(BinaryIO, bz2.open(path))
    else:
        raw = path.open("rb", buffering=0)
    bounded = Bounded(raw, path.stat().st_size, limits, label, is_whole)
    return cast(BinaryIO, io.BufferedReader(bounded, buffer_size=1 << 20))


def _frames_end(path: Path) -> bool:
    """Tell whether a .zst file ends where its last frame does (RFC 8878, section 3.1).

    The library gives what there is of a file that breaks off, and says nothing. Only the heads of
    the blocks are read.
    """
    at, size = 0, path.stat().st_size
    with path.open("rb") as file:
        while at < size:
            file.seek(at)
            head = file.read(18)
            magic = int.from_bytes(head[:4], "little")
            if magic >> 4 == 0x184D2A5:  # a frame to be skipped
                at += 8 + int.from_bytes(head[4:8], "little")
                continue
            if magic != 0xFD2FB528 or len(head) < 6:
                return False
            at += zstandard.frame_header_size(head)
            block = 0
            while not block & 1:  # the mark of the last block
                file.seek(at)
                block = int.from_bytes(file.read(3).ljust(3, b"\x01"), "little")
                repeated = block >> 1 & 3 == 1
                at += 3 + (1 if repeated else block >> 3)
            at += 4 if head[4] & 4 else 0  # a checksum
    return at == size


def read_text(
    path: Path, limits: Limits, label: str, max_bytes: int = 64 << 20, *, strict: bool = False
) -> str:
    """Read a small file whole, as UTF-8 with or without BOM; invalid bytes become U+FFFD.

    Raises SourceError if it holds more than `max_bytes`, or with `strict` invalid bytes.
    """
    with open_stream(path, limits, label) as stream:
        data = stream.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise SourceError(f"{label} is larger than {max_bytes} bytes, too large for its kind.")
    try:
        return data.decode("utf-8-sig", "strict" if strict else "replace")
    except UnicodeDecodeError as error:
        raise SourceError(f"{label} is not UTF-8 (byte {error.start + 1}); convert it.") from error


def line_blocks(
    stream: BinaryIO, limits: Limits, size: int = BLOCK
) -> Iterator[tuple[int, bytes, list[int]]]:
    """Cut a stream into blocks of whole lines of about `size` bytes.

    Yields (number of the first line, bytes, numbers of lines left out for their length). The
    memory needed is a block and one line of `limits.max_line_bytes`.
    """
    first, rest = 1, b""
    too_long: list[int] = []
    skipping = False
    while data := stream.read(size):
        if skipping:
            end = data.find(b"\n")
            if end < 0:
                continue
            data, skipping = data[end + 1 :], False
            too_long.append(first)
            first += 1
        cut = data.rfind(b"\n") + 1
        if cut:
            block = rest + memoryview(data)[:cut]  # the one copy
            rest, data = data[cut:], b""
            yield first, block, too_long
            too_long = []
            first += _count_lines(block)
            del block
        else:
            rest += data
        if len(rest) > limits.max_line_bytes:
            rest, skipping = b"", True
    if skipping:
        too_long.append(first)
    if rest or too_long:
        yield first, rest, too_long


def _count_lines(block: bytes) -> int:
    """Count line ends, faster than bytes.count where they are far apart."""
    data = np.frombuffer(block, np.uint8)
    return sum(
        int(np.count_nonzero(data[start : start + _STRIDE] == _LINE_END))
        for start in range(0, len(data), _STRIDE)
    )


def lines(path: Path, limits: Limits, label: str) -> Iterator[tuple[int, bytes | None]]:
    """Yield (number, line without its end); None for a line beyond `limits.max_line_bytes`."""
    with open_stream(path, limits, label) as stream:
        for first, block, too_long in line_blocks(stream, limits, 1 << 22):
            for number in too_long:
                yield number, None
            if not block:
                continue
            for offset, line in enumerate(block.removesuffix(b"\n").split(b"\n")):
                line = line.removesuffix(b"\r")
                yield first + offset, line if len(line) <= limits.max_line_bytes else None
