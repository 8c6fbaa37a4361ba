"""Small frames of candidates, and a way to run one stage on them."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from pipeline.manifest import Manifest, digest_file
from pipeline.record import CANDIDATE, conform
from pipeline.stage import DROPPED_FOLDER, InputFile, Stage, run_stage
from pipeline.vectors import column, snap

# Columns of later stages, which a frame has only if a row names them.
MORE = {
    "cluster": pl.Int32,
    "quality": pl.Float64,
    "domain_rows": pl.Int64,
}


@pytest.fixture
def make_rows() -> Callable[..., pl.DataFrame]:
    """Build candidates from mappings; what is left out gets a plain value."""

    def make(rows: list[dict[str, Any]], vectors: np.ndarray | None = None) -> pl.DataFrame:
        plain = [
            {
                "id": f"r{i:03d}",
                "source": "s",
                "group": "stem",
                "domain": "d",
                "prompt": f"prompt {i}",
                "response": f"response {i}",
                "votes": 10,
                "created_at": datetime(2015, 1, 1) + timedelta(days=i),
                "history": [],
                **row,
            }
            for i, row in enumerate(rows)
        ]
        later = {k: v for k, v in MORE.items() if any(k in row for row in rows)}
        schema = {**CANDIDATE, **later}
        wide = pl.DataFrame(plain, schema_overrides=schema, orient="row")
        frame = conform(wide, pl.Schema(schema))
        if vectors is not None:
            grid = snap(vectors)
            has = pl.col("response").is_not_null()
            frame = frame.with_columns(
                column("prompt_vector", grid), column("response_vector", grid)
            ).with_columns(pl.when(has).then("response_vector").alias("response_vector"))
        return frame

    return make


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., tuple[pl.DataFrame, pl.DataFrame, Manifest]]:
    """Run a stage on frames (one file each); returns kept rows, books, manifest; checks the sums."""
    calls = iter(range(1000))

    def go(stage: Stage, *frames: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame, Manifest]:
        folder = tmp_path / f"call-{next(calls)}"
        (folder / "in").mkdir(parents=True)
        files = []
        for number, frame in enumerate(frames):
            path = folder / "in" / f"all-{number:05d}.parquet"
            frame.write_parquet(path)
            files.append(InputFile(path, digest_file(path), path.name))
        out = folder / stage.name
        manifest, _ = run_stage(stage, files, out)
        kept = pl.read_parquet(sorted(out.glob("*.parquet")))
        books = sorted((out / DROPPED_FOLDER).glob("*.parquet"))
        dropped = (
            pl.read_parquet(books)
            if books
            else pl.DataFrame(schema={"id": pl.String, "reason": pl.String, "detail": pl.String})
        )
        before = sorted(name for frame in frames for name in frame["id"])
        assert sorted([*kept["id"], *dropped["id"]]) == before
        assert manifest.rows_out == len(kept)
        assert sum(manifest.dropped.values()) == len(dropped)
        return kept, dropped, manifest

    return go
