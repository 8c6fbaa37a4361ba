"""Read members of a .7z archive as streams, in one pass, without unpacking anything to disk.

What bzip2 packed, as in all official dumps, is unpacked on all cores (pipeline.sources.bzip2).
Anything else goes through py7zr, which pushes data into writers; a thread and a short queue turn
that round, so that the reader pulls. Names inside the archive are compared, never used as paths.
"""

import contextlib
import io
import lzma
import queue
import threading
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast

import py7zr
import py7zr.exceptions
from py7zr.io import Py7zIO, WriterFactory
from py7zr.properties import COMPRESSION_METHOD

from pipeline.errors import SourceError
from pipeline.recipe import Limits
from pipeline.sources import bzip2
from pipeline.sources.base import printable
from pipeline.sources.opening import Bounded

_DAMAGED = (
    py7zr.exceptions.ArchiveError,
    lzma.LZMAError,
    zlib.error,
    EOFError,
    OSError,
    ValueError,
    RuntimeError,  # indexed_bzip2 on data that it cannot seek in
    IndexError,  # py7zr on headers that were cut
    KeyError,
    TypeError,
    AttributeError,
)
_PACKED_BYTES = 1 << 17  # that py7zr unpacks at a time, to at most 128 MB if they hold a bomb
_CHUNK_BYTES = 1 << 20
_CHUNKS = 16  # chunks that may wait in the queue


class _Abandoned(Exception):  # noqa: N818
    """The reader has gone away."""


class _Writer(Py7zIO):
    def __init__(self, pump: "_Pump", name: str) -> None:
        self._pump = pump
        self._name = name
        self._size = 0

    def write(self, s: bytes | bytearray) -> int:
        self._size += len(s)
        view = memoryview(s)
        for start in range(0, len(s), _CHUNK_BYTES):
            self._pump.put((self._name, view[start : start + _CHUNK_BYTES]))
        return len(s)

    def read(self, size: int | None = None) -> bytes:
        return b""

    def seek(self, offset: int, whence: int = 0) -> int:
        return offset

    def flush(self) -> None:
        return None

    def size(self) -> int:
        return self._size


class _Pump(WriterFactory):
    """Hands what py7zr writes to the reader's side of the queue, in order."""

    def __init__(self) -> None:
        self.queue: queue.Queue[tuple[str, Any]] = queue.Queue(maxsize=_CHUNKS)
        self.stop = threading.Event()

    def create(self, filename: str) -> Py7zIO:
        return _Writer(self, _file_name(filename))

    def put(self, item: tuple[str, Any]) -> None:
        while not self.stop.is_set():
            try:
                self.queue.put(item, timeout=0.2)
            except queue.Full:
                continue
            return
        raise _Abandoned


class _Member(io.RawIOBase):
    """One member's bytes, pulled from the queue until the next member begins."""

    def __init__(self, reader: "_Reader", name: str) -> None:
        self._reader = reader
        self._name = name
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401
        while not self._rest:
            data = self._reader.more(self._name)
            if data is None:
                return 0
            self._rest = data
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size


class _Reader:
    def __init__(self, pump: _Pump, label: str) -> None:
        self._pump = pump
        self._label = label
        self._ahead: tuple[str, Any] | None = None

    def peek(self) -> tuple[str, Any]:
        if self._ahead is None:
            self._ahead = self._pump.queue.get()
        kind, value = self._ahead
        if kind == "" and value is not None:
            raise damaged(self._label, value)
        return self._ahead

    def more(self, name: str) -> memoryview | None:
        """Return the member's next chunk; None at its end."""
        kind, value = self.peek()
        if kind != name:
            return None
        self._ahead = None
        return cast(memoryview, value)


def damaged(label: str, error: BaseException) -> SourceError:
    """Make the one sentence for an archive that cannot be read."""
    if isinstance(error, py7zr.exceptions.PasswordRequired):
        return SourceError(f"{label} is encrypted; unpack it yourself and give the XML files.")
    reason = str(error).replace("\n", " ") or type(error).__name__
    if isinstance(error, py7zr.exceptions.CrcError):
        reason = "a checksum is wrong"
    return SourceError(f"{label} is damaged or no 7z archive ({reason[:120]}). Download it again.")


def members(
    path: Path, wanted: Collection[str], limits: Limits, label: str
) -> Iterator[tuple[str, BinaryIO]]:
    """Yield (file name, stream) of the wanted members, in the archive's order.

    Each stream must be read before the next one is asked for; what is left of it is skipped.
    Raises SourceError for damaged, encrypted and over-large archives, and for links.
    """
    try:
        # An open file keeps py7zr in one thread: the order of the archive is ours, too.
        with (
            path.open("rb") as raw,
            py7zr.SevenZipFile(raw, "r", blocksize=_PACKED_BYTES) as archive,
        ):
            packed = path.stat().st_size
            _check_size(archive, packed, limits, label)
            targets = _targets(archive, wanted, label)
            if targets and _only_bzip2(archive):
                yield from _unpack(path, archive, targets, limits, label)
            elif targets:
                yield from _stream(archive, targets, packed, limits, label)
    except _DAMAGED as error:
        raise damaged(label, error) from error


def _file_name(name: str) -> str:
    return PurePosixPath(name.replace("\\", "/")).name


def _check_size(archive: py7zr.SevenZipFile, packed: int, limits: Limits, label: str) -> None:
    """Refuse a bomb before unpacking: what the wanted members follow is unpacked, too."""
    size = sum(info.uncompressed or 0 for info in archive.list())
    Bounded(io.BytesIO(), packed, limits, label).count(size)


def _targets(archive: py7zr.SevenZipFile, wanted: Collection[str], label: str) -> list[str]:
    """Return the full names of the wanted members."""
    targets: dict[str, str] = {}
    for info in archive.list():
        name = _file_name(info.filename)
        if name not in wanted or info.is_directory:
            continue
        if info.is_symlink:
            raise SourceError(f"{label}: {printable(info.filename)} is a link; links are refused.")
        if name in targets:
            raise SourceError(f"{label} holds two files named {name}; it is no dump of one site.")
        targets[name] = info.filename
    return list(targets.values())


def _only_bzip2(archive: py7zr.SevenZipFile) -> bool:
    """Tell whether every folder (a run of members, packed together) was packed by bzip2 alone."""
    streams = archive.header.main_streams
    return streams is not None and all(
        [coder["method"] for coder in folder.coders] == [COMPRESSION_METHOD.MISC_BZIP2]
        for folder in streams.unpackinfo.folders
    )


def _unpack(
    path: Path, archive: py7zr.SevenZipFile, targets: list[str], limits: Limits, label: str
) -> Iterator[tuple[str, BinaryIO]]:
    streams = archive.header.main_streams
    packed = path.stat().st_size
    for number, folder in enumerate(streams.unpackinfo.folders):
        members = [info for info in archive.files if info.folder is folder]
        start = archive.afterheader + streams.packinfo.packpos
        start += streams.packinfo.packpositions[number]
        with bzip2.unpacked(path, start, streams.packinfo.packsizes[number]) as whole:
            at = 0
            for info in members:
                if info.filename in targets and info.uncompressed:
                    whole.seek(at)
                    name = _file_name(info.filename)
                    member = bzip2.Member(whole, info.uncompressed, info.crc32)
                    bounded = Bounded(cast(BinaryIO, member), packed, limits, f"{label}:{name}")
                    stream = io.BufferedReader(bounded, buffer_size=1 << 20)
                    yield name, cast(BinaryIO, stream)
                    while stream.read(1 << 20):  # to the end, where its checksum is
                        pass
                at += info.uncompressed


def _stream(
    archive: py7zr.SevenZipFile,
    targets: list[str],
    packed: int,
    limits: Limits,
    label: str,
) -> Iterator[tuple[str, BinaryIO]]:
    pump = _Pump()

    def extract() -> None:
        try:
            archive.extract(targets=targets, factory=pump)
            pump.put(("", None))
        except _Abandoned:
            pass
        except Exception as error:  # noqa: BLE001 - handed to the reader, who raises it
            with contextlib.suppress(_Abandoned):
                pump.put(("", error))

    thread = threading.Thread(target=extract, name=f"7z {label}", daemon=True)
    thread.start()
    reader = _Reader(pump, label)
    try:
        while True:
            kind, _ = reader.peek()
            if kind == "":
                return
            member = _Member(reader, kind)
            bounded = Bounded(cast(BinaryIO, member), packed, limits, f"{label}:{kind}")
            stream = io.BufferedReader(bounded, buffer_size=1 << 20)
            yield kind, cast(BinaryIO, stream)
            while stream.read(1 << 20):
                pass
    finally:
        pump.stop.set()
        thread.join()
