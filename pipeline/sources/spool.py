"""A place for frames that may not fit in memory: split by a key, flushed to Parquet when large."""

from pathlib import Path

import polars as pl

_BUDGET = 96 << 20  # bytes of frames that wait in memory; a site that is read has three of these


class Spool:
    """Collects frames and gives them back part by part; rows of one key share a part.

    The part of a key is the remainder of its division by `parts`.
    """

    def __init__(self, folder: Path, key: str, parts: int) -> None:
        self._folder = folder
        self._key = key
        self.parts = parts
        self._waiting: list[pl.DataFrame] = []
        self._size = 0
        self._flushed = 0

    def add(self, frame: pl.DataFrame) -> None:
        """Take a frame; the key column holds integers."""
        if len(frame):
            self._waiting.append(frame)
            self._size += int(frame.estimated_size())
        if self._size > _BUDGET:
            self._flush()

    def part(self, part: int) -> pl.DataFrame | None:
        """Return the rows of one part in the order in which they came; None if there are none."""
        frames = [
            pl.read_parquet(self._folder / f"{part:04d}-{number:06d}.parquet")
            for number in range(self._flushed)
        ]
        frames += [self._of(frame, part) for frame in self._waiting]
        return pl.concat(frames) if frames else None

    def _of(self, frame: pl.DataFrame, part: int) -> pl.DataFrame:
        return frame.filter(pl.col(self._key) % self.parts == part) if self.parts > 1 else frame

    def _flush(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        frame = pl.concat(self._waiting)
        for part in range(self.parts):
            path = self._folder / f"{part:04d}-{self._flushed:06d}.parquet"
            self._of(frame, part).write_parquet(path, compression="lz4")
        self._flushed += 1
        self._waiting, self._size = [], 0
