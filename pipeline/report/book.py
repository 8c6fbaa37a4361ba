"""What a report is made of: a release, and the run that made it where that is still there.

In: a release's folder in a workspace. Out: frames that are bounded by the recipe, not by the dump.
A later run of the recipe goes on in the same folder, so the run is read only if its key is the
release's; without it a report tells what the release alone knows.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from pydantic import ValidationError

from pipeline.errors import CurationError, ReleaseError
from pipeline.manifest import Manifest, read_manifest
from pipeline.recipe import Recipe
from pipeline.record import shown_title
from pipeline.release import folder
from pipeline.release.build import run_key
from pipeline.release.rows import SPLITS
from pipeline.run import stage_names
from pipeline.stage import outputs
from pipeline.tables import TABLES_FOLDER
from pipeline.vectors import PROMPT, RESPONSE, Matrix, of_rows

SAMPLES = 3  # rows shown for a reason
_BLOCK = 1024
_BATCH = 1 << 17
TITLE = 140

_SAMPLE = pl.Schema({"stage": pl.String, "reason": pl.String, "id": pl.String, "detail": pl.String})


@dataclass(frozen=True)
class Run:
    """A run that made the release: its pool, what was compared, and how long stages took.

    `pool` has a row for each candidate that selection saw, with `split` where it was picked and
    the nearest other picked row (`near`, `cosine`); it is sorted by id.
    """

    folder: Path
    pool: pl.DataFrame
    controls: dict[str, set[str]]
    pairs: pl.DataFrame
    manifests: list[Manifest]


@dataclass(frozen=True)
class Book:
    """Everything that a report shows."""

    manifest: dict[str, Any]
    rows: pl.DataFrame
    samples: pl.DataFrame  # stage, reason, id, detail, title
    run: Run | None
    why_no_run: str = ""


def read(release: Path) -> Book:
    """Read a release and its run; raises ReleaseError if the folder is no release."""
    manifest = folder.read(release)
    try:
        found = [
            pl.read_parquet(release / folder.data_file(split))
            for split in SPLITS
            if manifest["rows"].get(split)
        ]
        rows = pl.concat(found, how="diagonal_relaxed")
        samples = _samples(release / folder.DECISIONS)
    except (OSError, ValueError, pl.exceptions.PolarsError) as error:
        raise ReleaseError(
            f"{release} cannot be read ({error}); `thousand verify {release}` says more."
        ) from error
    place, why = find_run(release, manifest)
    run = _read_run(place, manifest) if place else None
    titles = _titles(run.folder, samples["id"]) if run else _untitled()
    samples = samples.join(titles, on="id", how="left", maintain_order="left")
    return Book(manifest, rows.sort("id"), samples, run, why)


def _samples(path: Path) -> pl.DataFrame:
    """Take the first dropped rows of each stage and reason, batch by batch."""
    import pyarrow.parquet as pq

    kept = pl.DataFrame(schema=_SAMPLE)
    with pq.ParquetFile(path) as source:
        for batch in source.iter_batches(_BATCH, columns=[*_SAMPLE, "verdict"]):
            frame = pl.DataFrame(batch).filter(pl.col("verdict") == "dropped").select(list(_SAMPLE))
            grouped = pl.concat([kept, frame.cast(_SAMPLE)]).group_by(
                "stage", "reason", maintain_order=True
            )
            kept = grouped.head(SAMPLES).select(list(_SAMPLE))
    return kept


def find_run(release: Path, manifest: dict[str, Any]) -> tuple[Path | None, str]:
    """Return the folder of the run that made the release, or why there is none."""
    gone = "The run that made this release is not there any more; what only it knows is left out."
    try:
        recipe = Recipe.model_validate(manifest["recipe"])
        run = release.resolve().parents[2] / "runs" / recipe.name
        stages = stage_names(recipe)
        if run_key(run, recipe, stages) != manifest["key"]:
            return None, gone
    except (ValidationError, CurationError, IndexError):
        return None, gone
    return run, ""


def _read_run(run: Path, manifest: dict[str, Any]) -> Run:
    stages = stage_names(Recipe.model_validate(manifest["recipe"]))
    manifests = [item for name in stages if (item := read_manifest(run / name))]
    controls = pl.read_parquet(run / "select" / TABLES_FOLDER / "controls.parquet")
    sets = {str(name): set(part["id"]) for (name,), part in controls.group_by("set")}
    pairs = run / "dedup" / TABLES_FOLDER / "pairs.parquet"
    return Run(run, _pool(run), sets, _pairs(run, pairs), manifests)


def _pool(run: Path) -> pl.DataFrame:
    chars = pl.coalesce("response", "prompt").str.len_chars().alias("chars")
    title = shown_title(TITLE)
    columns: list[str | pl.Expr] = [
        *("id", "group", "domain", "votes", "quality", "quality_parts", "cluster"),
        *("cluster_words", "x", "y", PROMPT, RESPONSE),
        pl.col("response").is_null().alias("only_prompt"),
    ]
    files = [entry.path for entry in outputs(run / "score")]
    pool = pl.concat([pl.scan_parquet(path).select(*columns, chars, title) for path in files])
    frame = pool.collect().sort("id")
    picked = pl.concat(
        [pl.read_parquet(entry.path, columns=["id", "split"]) for entry in outputs(run / "select")]
    )
    frame = frame.join(picked, on="id", how="left", maintain_order="left")
    near, cosine = _nearest_picked(of_rows(frame), frame["split"].is_not_null().to_numpy())
    names = frame["id"].to_list()
    return frame.drop(PROMPT, RESPONSE).with_columns(
        pl.Series("near", [names[i] if i >= 0 else None for i in near], pl.String),
        pl.Series(
            "cosine",
            [float(c) if i >= 0 else None for i, c in zip(near, cosine, strict=True)],
            pl.Float64,
        ),
    )


def _nearest_picked(vectors: Matrix, picked: "np.ndarray[Any, Any]") -> tuple[Any, Any]:
    """Return for each row the place of the nearest other picked row (-1: none) and the cosine."""
    places = np.flatnonzero(picked)
    near, best = np.full(len(vectors), -1), np.full(len(vectors), -1.0)
    if not len(places):
        return near, best
    column = {int(place): number for number, place in enumerate(places)}
    for start in range(0, len(vectors), _BLOCK):
        products = vectors[start : start + _BLOCK] @ vectors[places].T
        for row in range(len(products)):
            if (own := column.get(start + row)) is not None:
                products[row, own] = -np.inf
        top = products.argmax(axis=1)
        value = products[np.arange(len(products)), top]
        found = np.isfinite(value)
        near[start : start + len(products)] = np.where(found, places[top], -1)
        best[start : start + len(products)] = np.where(found, np.minimum(value, 1.0), -1.0)
    return near, best


def _pairs(run: Path, path: Path, shown: int = 12) -> pl.DataFrame:
    """Take the pairs that people judge a threshold by: the most alike, the least, near misses."""
    scan = pl.scan_parquet(path)
    by = ["jaccard", "a", "b", "field"]
    down, up = [True, False, False, False], [False] * 4
    found = scan.filter("duplicate")
    parts = [
        found.sort(by, descending=down).head(shown).with_columns(kind=pl.lit("most alike")),
        found.sort(by, descending=up).head(shown).with_columns(kind=pl.lit("least alike")),
        scan.filter(~pl.col("duplicate"))
        .sort(by, descending=down)
        .head(shown)
        .with_columns(kind=pl.lit("near miss")),
    ]
    pairs = pl.concat([part.collect() for part in parts])
    titles = _titles(run, pl.concat([pairs["a"], pairs["b"]]).unique())
    for side in ("a", "b"):
        named = titles.select(pl.col("id").alias(side), pl.col("title").alias(f"{side}_title"))
        pairs = pairs.join(named, on=side, how="left", maintain_order="left")
    return pairs


def jaccards(run: Path) -> pl.Series:
    """Return the similarity of every pair of copies."""
    path = run / "dedup" / TABLES_FOLDER / "pairs.parquet"
    return pl.scan_parquet(path).filter("duplicate").select("jaccard").collect()["jaccard"]


def _titles(run: Path, ids: pl.Series) -> pl.DataFrame:
    """Find the titles of some candidates; one pass over two columns."""
    files = [entry.path for entry in outputs(run / "clean")]
    if not files or not len(ids):
        return _untitled()
    scan = pl.scan_parquet(files).filter(pl.col("id").is_in(ids.implode()))
    title = shown_title(TITLE)
    return scan.select("id", title).collect(engine="streaming").unique("id").sort("id")


def _untitled() -> pl.DataFrame:
    return pl.DataFrame(schema={"id": pl.String, "title": pl.String})
