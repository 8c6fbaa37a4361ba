"""Select 1,000 of a million scored rows with vectors; and beside apricot where it can finish.

The rows are drawn around 500 centres on the unit sphere, in two groups, with qualities, votes and
domains. Ours is the whole stage `select`, certificate included, for two methods. apricot's
FacilityLocationSelection and a plain greedy loop need all pairs: they get 8,000 rows, as does ours.
"""

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.timing import Claim, Result, Way, Work, machine, race
from pipeline.vectors import column, snap

DIMENSIONS, PICKED, SMALL = 384, 1_000, 8_000
SECONDS, MEMORY = 60.0, 4_000_000_000
_CENTRES = 500
_PER_FILE = 50_000


def make_rows(folder: Path, rows: int) -> None:
    """Write Parquet files as the stage `score` does, as far as `select` reads them."""
    random = np.random.default_rng(0)
    centres = random.normal(size=(_CENTRES, DIMENSIONS)).astype(np.float32)
    folder.mkdir(parents=True)
    for start in range(0, rows, _PER_FILE):
        size = min(_PER_FILE, rows - start)
        cluster = random.integers(_CENTRES, size=size)
        noise = random.normal(size=(size, DIMENSIONS)).astype(np.float32)
        vectors = column("response_vector", snap(centres[cluster] + noise))
        number = np.arange(start, start + size)
        made = datetime(2015, 1, 1)
        frame = pl.DataFrame(
            {
                "id": [f"r{n:08d}" for n in number],
                "group": np.where(number % 2 == 0, "stem", "other"),
                "domain": [f"d{n % 40}" for n in number],
                "votes": random.integers(2, 400, size).astype(np.int64),
                "created_at": [made + timedelta(minutes=int(n)) for n in number],
                "domain_rows": np.full(size, rows // 40, np.int64),
                "cluster": cluster.astype(np.int32),
                "quality": random.random(size),
                "split": pl.Series([None] * size, dtype=pl.String),
                "origin": "human",
                "tags": pl.Series([[]] * size, dtype=pl.List(pl.String)),
                "prompt": [f"prompt {n}" for n in number],
                "response": [f"response {n} " * 20 for n in number],
            }
        ).with_columns(
            pl.col("created_at").cast(pl.Datetime("ms")), vectors, vectors.alias("prompt_vector")
        )
        frame.write_parquet(folder / f"all-{start // _PER_FILE:05d}.parquet")


def by_ours(folder: Path, out: Path, method: str) -> Work:
    """The stage `select`."""
    import shutil

    from pipeline.recipe import Select
    from pipeline.select import SelectStage
    from pipeline.stage import InputFile, Shard

    quotas = {"stem": PICKED // 2, "other": PICKED // 2}
    settings = Select(method=method, quotas=quotas, validation={}, test={}, on_shortfall="accept")
    files = tuple(InputFile(path, "", path.name) for path in sorted(folder.glob("*.parquet")))

    def work() -> int:
        shutil.rmtree(out, ignore_errors=True)
        (out / "dropped").mkdir(parents=True)
        stats = SelectStage(settings).work(Shard("all", files), out)
        return stats.rows_out

    return work


def _vectors(folder: Path) -> list[np.ndarray]:
    frame = pl.concat([pl.read_parquet(path) for path in sorted(folder.glob("*.parquet"))])
    return [
        np.stack(part["response_vector"].to_numpy()).astype(np.float32)
        for part in frame.partition_by("group", maintain_order=True)
    ]


def by_apricot(folder: Path) -> Work:
    """Apricot's FacilityLocationSelection with lazy greedy, group by group."""
    from apricot import FacilityLocationSelection

    groups = _vectors(folder)

    def work() -> int:
        picked = 0
        for vectors in groups:
            similar = np.clip(vectors @ vectors.T, 0, None).astype(np.float64)
            model = FacilityLocationSelection(
                PICKED // 2, metric="precomputed", optimizer="lazy", verbose=False
            )
            picked += len(model.fit(similar).ranking)
        return picked

    return work


def by_loop(folder: Path) -> Work:
    """A plain greedy loop over the matrix of all pairs, with numpy."""
    groups = _vectors(folder)

    def work() -> int:
        picked = 0
        for vectors in groups:
            similar = np.clip(vectors @ vectors.T, 0, None)
            covered = np.zeros(len(vectors), np.float32)
            order: list[int] = []
            for _ in range(PICKED // 2):
                gains = np.maximum(similar - covered[:, None], 0).sum(axis=0)
                gains[order] = -1
                order.append(int(gains.argmax()))
                covered = np.maximum(covered, similar[:, order[-1]])
            picked += len(order)
        return picked

    return work


def run(home: Path, rounds: int, rows: int = 1_000_000, loop: bool = False) -> Result:
    """Measure all; the plain loop takes minutes and is left out unless asked for."""
    large, small = home / "large", home / "small"
    make_rows(large, rows)
    make_rows(small, SMALL)
    big = f"{rows:,} rows"
    ways = [
        Way(f"quality_diversity, {big}", by_ours, (large, home / "a", "quality_diversity"), 1),
        Way(f"facility_location, {big}", by_ours, (large, home / "b", "facility_location"), 1),
        Way(
            f"facility_location, {SMALL:,} rows", by_ours, (small, home / "c", "facility_location")
        ),
        Way(f"apricot lazy greedy, {SMALL:,} rows", by_apricot, (small,)),
    ]
    if loop:
        ways.append(Way(f"plain greedy loop, {SMALL:,} rows", by_loop, (small,), 1))
    measured, answers = race(ways, rounds)
    checked = [f"{name}: {count:,} picked" for name, count in answers.items()]
    claims = [
        Claim(ways[0].name, seconds=SECONDS, memory=MEMORY),
        Claim(ways[1].name, seconds=SECONDS, memory=MEMORY),
        *(Claim(ways[2].name, way.name) for way in ways[3:]),
    ]
    what = f"{PICKED:,} of {rows:,} rows with vectors, the whole stage"
    return Result(
        "selecting", "Selection", what, measured, claims, checked, {"rows": rows}, machine()
    )
