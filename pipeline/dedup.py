"""Dedup: of rows that say the same, letter for letter or nearly so, the best one stays.

Prompts and responses are compared separately and together: a text that answers two questions, a
question that was asked twice, and a post that two dumps hold in two versions are each one row.
`signatures` sketches each file on its own; `dedup` compares everything with everything.
Beside the kept rows it writes tables/pairs.parquet (verified, near misses included) and
tables/clusters.parquet.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.copies import RANKED_BY, Groups, cluster_table, group, why_kept
from pipeline.cores import cores
from pipeline.dialogue import as_single_turn
from pipeline.minhash import (
    band_keys,
    banding,
    candidate_pairs,
    exact_keys,
    jaccard,
    shingle,
    signatures,
)
from pipeline.recipe import Dedup, Recipe
from pipeline.record import dropped_frame
from pipeline.stage import DROPPED_FOLDER, InputFile, Shard, ShardStats

FIELDS = ("prompt", "response", "both")
TABLES = "tables"
_SLICE = 2_000  # texts that a thread sketches at a time
_MOST_THREADS = 4  # other files are sketched meanwhile
_AT_ONCE = 100_000  # pairs or rows whose texts are in memory together
_NEAR_MISS = 0.15  # pairs this far below the threshold are shown, so that it can be judged

PAIRS = pl.Schema(
    {
        "a": pl.String,
        "b": pl.String,
        "field": pl.String,
        "jaccard": pl.Float64,
        "duplicate": pl.Boolean,
    }
)


def field_text(frame: pl.DataFrame, name: str) -> pl.Series:
    """Return the text that a field compares; null where a row has none."""
    if name == "both":
        return frame.select(pl.col("prompt") + "\n\n" + pl.col("response")).to_series()
    return frame[name]


def ngram_of(name: str, settings: Dedup) -> int:
    """Return the words per shingle for a field."""
    return settings.prompt_ngram if name == "prompt" else settings.ngram


def threshold_of(name: str, settings: Dedup) -> float:
    """Return the Jaccard similarity from which two texts of a field are the same."""
    return settings.prompt_threshold if name == "prompt" else settings.threshold


def banding_of(name: str, settings: Dedup) -> tuple[int, int]:
    """Return bands and hashes per band for a field: the recipe's, else by its threshold."""
    if settings.bands and settings.rows:
        return settings.bands, settings.rows
    return banding(threshold_of(name, settings))


@dataclass(frozen=True)
class SignatureStage:
    """Sketches each file: the bag of words and MinHash bands of each field. Keeps every row."""

    settings: Dedup
    name: str = field(default="signatures", init=False)
    version: int = field(default=4, init=False)

    @classmethod
    def of(cls, recipe: Recipe) -> "SignatureStage":
        """Take the stage's part of the recipe."""
        return cls(recipe.dedup)

    def plan(self, inputs: Sequence[InputFile]) -> list[Shard]:
        return [Shard(entry.path.stem, (entry,)) for entry in inputs]

    def work(self, shard: Shard, out: Path) -> ShardStats:
        frame = as_single_turn(pl.read_parquet(shard.files[0].path))
        columns = [pl.col("response").is_not_null().alias("has_response")]
        sketch = frame.select("id", "votes", "created_at", *columns)
        for name in FIELDS:
            sketch = sketch.with_columns(
                *sketch_field(field_text(frame, name), name, self.settings)
            )
        sketch.write_parquet(out / f"{shard.name}.parquet")
        return ShardStats(len(frame), len(frame))


def sketch_field(texts: pl.Series, name: str, settings: Dedup) -> list[pl.Series]:
    """Return the columns `bag_<name>`, null for no text, and a column for each band.

    A column of its own, so that one band can be read without the others; null for no words.
    """
    count, rows = banding_of(name, settings)

    def sketch(start: int) -> tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.bool_]]:
        shingles = shingle(texts.slice(start, _SLICE), ngram_of(name, settings))
        keys = band_keys(signatures(shingles, count * rows, settings.seed), count)
        return shingles.bags, keys, np.diff(shingles.offsets) > 0

    # numpy leaves the interpreter to others while it reckons.
    with ThreadPoolExecutor(cores(_MOST_THREADS), "sketch") as pool:
        parts = list(pool.map(sketch, range(0, max(len(texts), 1), _SLICE)))
    bags, keys, filled = (np.concatenate(part) for part in zip(*parts, strict=True))
    bag = pl.Series(f"bag_{name}", bags).set(texts.is_null(), None)
    empty = pl.Series(~filled)
    return [
        bag,
        *(
            pl.Series(label, np.ascontiguousarray(key)).set(empty, None)
            for label, key in zip(_bands(name, settings), keys.T, strict=True)
        ),
    ]


def _bands(name: str, settings: Dedup) -> list[str]:
    """Return the columns that hold the bands of a field."""
    return [f"band_{name}_{band:02d}" for band in range(banding_of(name, settings)[0])]


@dataclass(frozen=True)
class DedupStage:
    """Compares all rows; reads the kept files of `filter` and of `signatures`."""

    settings: Dedup
    name: str = field(default="dedup", init=False)
    version: int = field(default=1, init=False)

    @classmethod
    def of(cls, recipe: Recipe) -> "DedupStage":
        """Take the stage's part of the recipe."""
        return cls(recipe.dedup)

    def plan(self, inputs: Sequence[InputFile]) -> list[Shard]:
        return [Shard("all", tuple(inputs))]

    def work(self, shard: Shard, out: Path) -> ShardStats:
        sketches = [f.path for f in shard.files if f.label.startswith("signatures/")]
        texts = [f.path for f in shard.files if not f.label.startswith("signatures/")]
        result = find_copies(texts, sketches, self.settings)
        (out / TABLES).mkdir()
        result.pairs.write_parquet(out / TABLES / "pairs.parquet")
        result.clusters.write_parquet(out / TABLES / "clusters.parquet")
        lines = dropped_frame(result.dropped, self.name)
        lines.write_parquet(out / DROPPED_FOLDER / "all.parquet")
        gone = lines["id"].implode()
        rows_in = rows_out = 0
        for path in texts:
            frame = pl.read_parquet(path)
            kept = frame.filter(~pl.col("id").is_in(gone))
            rows_in += len(frame)
            rows_out += len(kept)
            if len(kept):
                kept.write_parquet(out / path.name)
        counts = dict(lines["reason"].value_counts().sort("reason").iter_rows())
        return ShardStats(rows_in, rows_out, counts, {"clusters": result.count})


@dataclass(frozen=True)
class Copies:
    """What was found: verified pairs, clusters, and the rows that leave with their reasons."""

    pairs: pl.DataFrame
    clusters: pl.DataFrame
    dropped: pl.DataFrame  # id, reason, detail

    @property
    def count(self) -> int:
        """The number of clusters."""
        return self.clusters["cluster"].n_unique()


def find_copies(
    texts: Sequence[Path],
    sketches: Sequence[Path],
    settings: Dedup,
    fields: Sequence[str] = FIELDS,
) -> Copies:
    """Find the groups of copies among rows whose texts and sketches lie in Parquet files.

    Rows are put in the order of their ids first: the result does not depend on files or shards.
    """
    rows = pl.concat([pl.read_parquet(path, columns=list(RANKED_BY)) for path in sketches])
    order = rows.with_row_index("row").sort("id")["row"]
    rows = rows[order]
    found = []
    sketch = Sketch(sketches, order)
    for name in fields:
        found.append(_field_pairs(rows["id"], sketch, texts, name, settings))
    pairs = pl.concat(found)
    same = pairs.filter("duplicate")
    groups = group(rows, [same.select("i", "j").to_numpy().astype(np.int64)])
    reasons, similarity = _reasons(rows, groups, same, texts, settings)
    ids = rows["id"]
    listed = pairs.select(
        ids.gather(pairs["i"]).alias("a"),
        ids.gather(pairs["j"]).alias("b"),
        "field",
        pl.col("jaccard").round(4),
        "duplicate",
    )
    return Copies(listed.cast(dict(PAIRS)), cluster_table(ids, groups, similarity), reasons)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Sketch:
    """The sketches of all rows, in an order; a column is in memory while it is used."""

    files: Sequence[Path]
    order: pl.Series

    def column(self, name: str) -> pl.Series:
        """Read one column."""
        return pl.scan_parquet(list(self.files)).select(name).collect()[name].gather(self.order)


_FOUND = pl.Schema(
    {
        "i": pl.Int64,
        "j": pl.Int64,
        "field": pl.String,
        "jaccard": pl.Float64,
        "exact": pl.Boolean,
        "duplicate": pl.Boolean,
    }
)


def _field_pairs(
    ids: pl.Series, sketch: Sketch, texts: Sequence[Path], name: str, settings: Dedup
) -> pl.DataFrame:
    """Find the pairs of one field: equal texts linked to their first row, near ones verified."""
    bands = _bands(name, settings)
    rows = pl.DataFrame({"bag": sketch.column(f"bag_{name}")}).with_row_index("row")
    rows = rows.cast({"row": pl.Int64})
    twins = rows.filter(pl.col("bag").is_not_null() & (pl.len().over("bag") > 1))
    equal = _equal(ids, twins["row"], texts, name)
    wordy = rows.filter(sketch.column(bands[0]).is_not_null())
    left = wordy.join(equal, left_on="row", right_on="j", how="anti", maintain_order="left")["row"]
    near = candidate_pairs(sketch.column(band).gather(left).to_numpy() for band in bands)
    place = left.to_numpy()
    threshold = threshold_of(name, settings)
    measured = _verify(ids, place[near], texts, name, settings) if len(near) else np.zeros(0)
    frames = [
        equal.with_columns(jaccard=pl.lit(1.0), exact=pl.lit(True), duplicate=pl.lit(True)),
        pl.DataFrame(
            {
                "i": place[near[:, 0]],
                "j": place[near[:, 1]],
                "jaccard": measured,
                "exact": np.zeros(len(near), bool),
                "duplicate": measured >= threshold,
            }
        ).filter(pl.col("jaccard") >= threshold - _NEAR_MISS),
    ]
    schema = dict(_FOUND)
    return pl.concat(
        frame.with_columns(field=pl.lit(name)).select(_FOUND.names()).cast(schema)  # type: ignore[arg-type]
        for frame in frames
    ).sort("i", "j")


def _equal(ids: pl.Series, rows: pl.Series, texts: Sequence[Path], name: str) -> pl.DataFrame:
    """Link each of the rows (`j`) whose text another has to the first that has it (`i`)."""
    keys: list[str | None] = []
    for part in pl.DataFrame({"row": rows}).iter_slices(_AT_ONCE):
        keys += exact_keys(_texts(ids.gather(part["row"]), texts, name).to_list())
    schema = {"j": pl.Int64, "key": pl.String}
    keyed = pl.DataFrame({"j": rows, "key": keys}, schema=schema).drop_nulls()
    first = keyed.with_columns(i=pl.col("j").min().over("key"))
    return first.filter(pl.col("i") != pl.col("j")).select("i", "j")


def _verify(
    ids: pl.Series, pairs: NDArray[np.int64], texts: Sequence[Path], name: str, settings: Dedup
) -> NDArray[np.float64]:
    """Measure the true Jaccard similarity of pairs of rows; only their texts are read, by parts."""
    found = []
    for start in range(0, len(pairs), _AT_ONCE):
        part = pairs[start : start + _AT_ONCE]
        needed = np.unique(part)
        shingles = shingle(_texts(ids.gather(needed), texts, name), ngram_of(name, settings))
        found.append(jaccard(shingles, np.searchsorted(needed, part)))
    return np.concatenate(found)


def _texts(ids: pl.Series, texts: Sequence[Path], name: str) -> pl.Series:
    """Read the field's text of some rows, in the order of `ids`."""
    columns = ["id", "prompt", "response", "history"]
    lazy = pl.scan_parquet(list(texts)).select(columns)
    wanted = as_single_turn(lazy.filter(pl.col("id").is_in(ids.implode())).collect())
    found = wanted.select("id").with_columns(field_text(wanted, name).alias("text"))
    return (
        ids.alias("id").to_frame().join(found, on="id", how="left", maintain_order="left")["text"]
    )


def _reasons(
    rows: pl.DataFrame, groups: Groups, same: pl.DataFrame, texts: Sequence[Path], settings: Dedup
) -> tuple[pl.DataFrame, dict[int, float]]:
    """Say of each row that leaves what it is a copy of, and how like it."""
    # The strongest link of each pair: equal before similar, then the more similar field.
    best: dict[tuple[int, int], tuple[bool, float, str]] = {}
    for i, j, field_name, jaccard_, exact_, _ in same.select(_FOUND.names()).iter_rows():
        found = (exact_, jaccard_, field_name)
        best[i, j] = max(best.get((i, j), found), found)
    dropped = groups.dropped
    kept = groups.survivor[dropped]
    direct = [best.get((min(a, b), max(a, b))) for a, b in zip(dropped, kept, strict=True)]
    indirect = [n for n, link in enumerate(direct) if link is None]
    measured: dict[int, float] = {}
    if indirect:
        pairs = np.stack([dropped[indirect], kept[indirect]], axis=1)
        values = _verify(rows["id"], pairs, texts, "response", settings)
        measured = dict(zip(indirect, values.tolist(), strict=True))
    lines, similarities = [], {}
    for number, (row, survivor) in enumerate(zip(dropped.tolist(), kept.tolist(), strict=True)):
        link = direct[number]
        exact, similarity, name = link if link else (False, measured[number], "response")
        what = "prompt and response" if name == "both" else name
        # Equal sets of words need not be equal texts: punctuation or repetition may differ.
        like = (
            "the same"
            if exact
            else "nearly the same"
            if similarity < 1
            else "the same words in the"
        )
        through = "" if link else ", through other copies"
        winner = rows.row(survivor, named=True)
        detail = (
            f"{like} {what} as {winner['id']} (Jaccard {similarity:.2f}{through}), "
            f"{why_kept(rows.row(row, named=True), winner)}"
        )
        reason = "duplicate_exact" if exact else "duplicate_near"
        lines.append((rows["id"][row], reason, detail))
        similarities[row] = similarity
    schema = {"id": pl.String, "reason": pl.String, "detail": pl.String}
    return pl.DataFrame(lines, schema=schema, orient="row"), similarities
