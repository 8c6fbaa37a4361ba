"""bzip2 on all cores: what Stack Exchange packs its archives with, and what takes most of their time.

A bzip2 stream is made of blocks of at most 900 kB, none of which needs another; indexed_bzip2 finds
them and unpacks several at a time. docs/decisions/0057-bzip2-on-all-cores.md has the measurements.
"""

import io
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from pipeline.cores import cores

# What the library's C++ raises for data that it cannot read.
_UNREADABLE = (ValueError, RuntimeError, IndexError, EOFError)
_MOST = 8  # threads for one archive; several may be read at once


class _Section(io.RawIOBase):
    """The bytes of a file from one place on; its threads may ask for any of them."""

    def __init__(self, path: Path, start: int, size: int) -> None:
        self._file = path.open("rb", buffering=0)
        self._start, self._size, self._at = start, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        return self._at

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401
        wanted = max(0, min(len(buffer), self._size - self._at))
        self._file.seek(self._start + self._at)
        got = self._file.readinto(memoryview(buffer)[:wanted])
        self._at += got
        return got

    def close(self) -> None:
        self._file.close()
        super().close()


@contextmanager
def unpacked(path: Path, start: int, size: int) -> Iterator[BinaryIO]:
    """Open the bzip2 stream that is a part of a file; it can be read and sought."""
    import indexed_bzip2

    with (
        _Section(path, start, size) as section,
        indexed_bzip2.IndexedBzip2File(section, cores(_MOST)) as stream,
    ):
        yield cast(BinaryIO, stream)


class Member(io.RawIOBase):
    """The next `size` bytes of a stream, whose checksum is compared at their end.

    Reading raises OSError where the stream is damaged or ends early, or where the checksum
    (zlib.crc32) is another.
    """

    def __init__(self, stream: BinaryIO, size: int, checksum: int | None) -> None:
        self._stream, self._left = stream, size
        self._checksum, self._sum = checksum, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401
        if not self._left or not len(buffer):
            return 0
        try:
            data = self._stream.read(min(len(buffer), self._left))
        except _UNREADABLE as error:
            raise OSError(" ".join(str(error).split())) from error
        if not data:
            raise OSError(f"{self._left} bytes of content are missing")
        buffer[: len(data)] = data
        self._left -= len(data)
        self._sum = zlib.crc32(data, self._sum)
        if not self._left and self._checksum not in (None, self._sum):
            raise OSError("a checksum is wrong")
        return len(data)
