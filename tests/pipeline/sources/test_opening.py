import bz2
import gzip
import io
import lzma
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import SourceError
from pipeline.recipe import Limits
from pipeline.sources import opening
from pipeline.sources.opening import line_blocks, lines, open_stream

TEXT = b"".join(b"line %d\n" % number for number in range(5000)) + os.urandom(3000)
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".zst": zstandard.ZstdCompressor().compress,
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".bz2": bz2.compress,
}


def content(path: Path, limits: Limits | None = None) -> bytes:
    with open_stream(path, limits or Limits(), path.name) as stream:
        return stream.read()


@pytest.mark.parametrize("suffix", PACKERS)
def test_each_compression_gives_the_same_bytes(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(PACKERS[suffix](TEXT))
    assert content(path) == TEXT


@pytest.mark.parametrize("suffix", [suffix for suffix in PACKERS if suffix])
def test_a_file_that_breaks_off_anywhere_is_refused(suffix: str, tmp_path: Path) -> None:
    packed = PACKERS[suffix](TEXT)
    path = tmp_path / f"a{suffix}"
    for size in [*range(1, len(packed), 97), len(packed) - 1]:
        path.write_bytes(packed[:size])
        with pytest.raises(SourceError, match="breaks off") as caught:
            content(path)
        assert str(caught.value).startswith(path.name)


def test_zst_frames_of_all_kinds_are_read_to_their_end(tmp_path: Path) -> None:
    path = tmp_path / "a.zst"
    skippable = b"\x5a\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"hello"
    stream = io.BytesIO()
    compressor = zstandard.ZstdCompressor(write_checksum=True, write_content_size=False)
    with compressor.stream_writer(stream, closefd=False) as writer:
        writer.write(b"\x00" * 1_000_000 + TEXT)
    window = zstandard.ZstdCompressionParameters(window_log=31, enable_ldm=True)
    long_window = zstandard.ZstdCompressor(compression_params=window).compressobj()
    path.write_bytes(
        stream.getvalue() + skippable + long_window.compress(TEXT) + long_window.flush()
    )
    assert content(path) == b"\x00" * 1_000_000 + TEXT + TEXT


def test_what_follows_the_last_zst_frame_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zst"
    path.write_bytes(PACKERS[".zst"](TEXT) + b"rubbish")
    with pytest.raises(SourceError, match=r"a\.zst (is damaged|breaks off)"):
        content(path)


@pytest.mark.parametrize("suffix", [".zst", ".gz", ".xz", ".bz2"])
def test_a_bomb_is_refused_in_little_memory(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"bomb{suffix}"
    path.write_bytes(PACKERS[suffix](bytes(80 << 20)))
    tracemalloc.start()
    try:
        with (
            open_stream(path, Limits(max_ratio=10), "bomb") as stream,
            pytest.raises(SourceError, match="bomb expands to more than 10 times its size"),
        ):
            all(iter(lambda: stream.read(1 << 20), b""))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 16 << 20
    with pytest.raises(SourceError, match=r"more than 2048 bytes.*raise ingest\.limits"):
        content(path, Limits(max_expanded_bytes=2048))


@given(
    st.lists(st.binary(max_size=30).map(lambda line: line.replace(b"\n", b"")), max_size=20),
    st.integers(1, 40),
    st.booleans(),
)
def test_blocks_hold_all_lines_with_their_numbers(rows: list[bytes], size: int, ends: bool) -> None:
    data = b"\n".join(rows) + (b"\n" if ends else b"")
    seen: dict[int, bytes] = {}
    for first, block, too_long in line_blocks(io.BytesIO(data), Limits(), size):
        assert not too_long
        for offset, line in enumerate(block.removesuffix(b"\n").split(b"\n")):
            seen[first + offset] = line
    wanted = data.removesuffix(b"\n").split(b"\n") if data else []
    assert seen == dict(enumerate(wanted, 1))


def test_a_line_of_50_mb_is_left_out_in_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "long.txt"
    path.write_bytes(b"one\n" + b"x" * (50 << 20) + b"\n\nfour\r\n" + b"y" * (9 << 20))
    tracemalloc.start()
    try:
        got = [(n, line and line[:5]) for n, line in lines(path, Limits(), "long.txt")]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert got == [(1, b"one"), (2, None), (3, b""), (4, b"four"), (5, None)]
    assert peak < 48 << 20


def test_lines_of_an_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "empty"
    path.touch()
    assert list(lines(path, Limits(), "empty")) == []


def test_small_files_are_read_whole_and_large_ones_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"\xef\xbb\xbf{\xff}")
    assert opening.read_text(path, Limits(), "a.json") == "{\ufffd}"
    with pytest.raises(SourceError, match=r"a\.json is larger than 4 bytes"):
        opening.read_text(path, Limits(), "a.json", max_bytes=4)
