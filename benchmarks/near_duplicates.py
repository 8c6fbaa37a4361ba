"""MinHash deduplication as a whole job, 5-grams and 14 bands of 8: ours, datatrove, datasketch, rensa.

Each way reads the same JSON lines and says which rows leave. Recall is against all pairs of the
file with a true Jaccard similarity of 0.8 or more, found by joining the texts on their shingles: of
such a pair one row at least must leave. Texts are varied copies of sample texts with planted near
copies of all degrees; `--real DIR` adds files of real texts, for recall alone.
"""

import html
import json
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import xxhash

from benchmarks import dumps
from benchmarks.timing import Claim, Result, Way, Work, machine, race
from pipeline.minhash import shingle
from pipeline.recipe import Dedup, Limits
from pipeline.sources.opening import open_stream

NGRAM, BANDS, ROWS, SEED, THRESHOLD = 5, 14, 8, 1, 0.8
_WORD = re.compile(r"\w+")
_SHARED = 0.05  # of the texts get a near copy


def make_texts(path: Path, rows: int, source: Path = dumps.SAMPLE) -> None:
    """Write `rows` texts as JSON lines, one in twenty a copy with some words changed."""
    random = np.random.default_rng(SEED)
    threads = dumps.read_threads(source)
    maker = dumps.Maker(threads, random)
    answers = [text for thread in threads for text in thread.texts[1:]]
    made: list[str] = []
    for _ in range(rows):
        if made and random.random() < _SHARED:
            words = made[random.integers(len(made))].split()
            changed = max(
                1, int(len(words) * random.choice([0.003, 0.006, 0.01, 0.015, 0.02, 0.04]))
            )
            for place in random.permutation(len(words))[:changed].tolist():
                words[place] = maker.words[random.integers(len(maker.words))]
            made.append(" ".join(words))
        else:
            made.append(dumps.plain_text(maker.vary(answers[random.integers(len(answers))])))
    order = random.permutation(rows).tolist()
    write_texts(path, [made[place] for place in order])


def write_texts(path: Path, texts: list[str]) -> None:
    """Write texts as JSON lines with ids."""
    with path.open("w", encoding="utf-8") as file:
        for number, text in enumerate(texts):
            file.write(json.dumps({"id": f"{number:07d}", "text": text}) + "\n")


def true_pairs(
    path: Path, least: float = THRESHOLD, rows_of: set[str] | None = None
) -> list[tuple[str, str]]:
    """Return the pairs of the file whose shingle sets have at least this Jaccard similarity.

    All pairs, but for shingles that more than 500 texts share, which would join all with all; with
    `rows_of` the pairs of these few rows with any other, by all their shingles.
    """
    rows = pl.read_ndjson(path)
    shingles = shingle(rows["text"], NGRAM)
    sizes = np.diff(shingles.offsets)
    sets = pl.DataFrame(
        {"row": np.repeat(np.arange(len(rows)), sizes), "hash": shingles.hashes}
    ).unique()
    size = sets.group_by("row").len()
    if rows_of is None:
        sets = sets.filter(pl.len().over("hash") <= 500)
        left, fits = sets, pl.col("row") < pl.col("row_right")
    else:
        wanted = rows["id"].is_in(list(rows_of)).arg_true().cast(pl.Int64)
        left = sets.filter(pl.col("row").is_in(wanted.implode()))
        fits = pl.col("row") != pl.col("row_right")
    pairs = (
        left.join(sets, on="hash")
        .filter(fits)
        .group_by("row", "row_right")
        .agg(common=pl.len())
        .join(size, on="row")
        .join(size.rename({"row": "row_right", "len": "len_right"}), on="row_right")
        .filter(
            pl.col("common") >= least * (pl.col("len") + pl.col("len_right") - pl.col("common"))
        )
    )
    ids = rows["id"]
    return [
        (ids[a], ids[b])
        for a, b in pairs.select("row", "row_right").sort("row", "row_right").iter_rows()
    ]


def by_ours(path: Path) -> Work:
    """`thousand dedup` with the bands of the others; pairs are verified."""
    return _dedup(path, Dedup(threshold=THRESHOLD, ngram=NGRAM, bands=BANDS, rows=ROWS))


def by_ours_own_bands(path: Path) -> Work:
    """`thousand dedup --threshold 0.8`, which chooses its bands: 16 of 7 hashes."""
    return _dedup(path, Dedup(threshold=THRESHOLD, ngram=NGRAM))


def _dedup(path: Path, settings: Dedup) -> Work:
    from pipeline.dedup_files import dedup_files

    ids = set(pl.read_ndjson(path)["id"])

    def work() -> set[str]:
        with tempfile.TemporaryDirectory() as out:
            dedup_files([path], Path(out), settings)
            return ids - set(pl.read_parquet(Path(out) / "kept.parquet")["id"])

    return work


def _rows(path: Path) -> Iterator[tuple[str, list[bytes]]]:
    """Read ids and shingles as a script in plain Python would."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            words = _WORD.findall(row["text"].lower())
            size = min(NGRAM, len(words))
            grams = [" ".join(words[n : n + size]).encode() for n in range(len(words) - size + 1)]
            yield row["id"], grams if size else []


def by_datasketch(path: Path) -> Work:
    """`MinHash.bulk` and `MinHashLSH`; of two rows that share a band the later one leaves."""
    from datasketch import MinHash, MinHashLSH

    def work() -> set[str]:
        ids, grams = zip(*_rows(path), strict=True)
        sketches = MinHash.bulk(
            grams,
            num_perm=BANDS * ROWS,
            seed=SEED,
            scheme="affine32",
            hashfunc=xxhash.xxh32_intdigest,
        )
        index = MinHashLSH(num_perm=BANDS * ROWS, params=(BANDS, ROWS))
        gone = set()
        for name, sketch in zip(ids, sketches, strict=True):
            if index.query(sketch):
                gone.add(name)
            else:
                index.insert(name, sketch)
        return gone

    return work


def by_rensa(path: Path) -> Work:
    """`RMinHash` for all texts at once and `RMinHashLSH`; of equal bands the later row leaves."""
    from rensa import RMinHash, RMinHashLSH

    def work() -> set[str]:
        ids, grams = zip(*_rows(path), strict=True)
        matrix = RMinHash.digest_matrix_from_token_byte_sets(list(grams), BANDS * ROWS, SEED)
        index = RMinHashLSH(THRESHOLD, BANDS * ROWS, BANDS)
        flags = index.insert_matrix_and_query_duplicate_flags(matrix)
        return {name for name, is_copy in zip(ids, flags, strict=True) if is_copy}

    return work


def hash_text(text: str) -> int:
    """Hash as datatrove does by default; its own call fails with xxhash 4, which wants bytes."""
    return xxhash.xxh64_intdigest(text.encode())


def by_datatrove(path: Path) -> Work:
    """Datatrove's four stages with its local executor, two workers for the buckets."""
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.dedup.minhash import (
        MinhashConfig,
        MinhashDedupBuckets,
        MinhashDedupCluster,
        MinhashDedupFilter,
        MinhashDedupSignature,
    )
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.writers.jsonl import JsonlWriter
    from datatrove.utils.logging import logger

    logger.remove()
    ids = set(pl.read_ndjson(path)["id"])
    config = MinhashConfig(n_grams=NGRAM, num_buckets=BANDS, hashes_per_bucket=ROWS, seed=SEED)

    def work() -> set[str]:
        with tempfile.TemporaryDirectory() as home:
            (Path(home) / "in").mkdir()
            # Two files, so that both cores have one.
            lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
            for number in range(2):
                part = Path(home) / "in" / f"{number}.jsonl"
                part.write_text("".join(lines[number::2]), encoding="utf-8")

            def step(parts: list[Any], tasks: int) -> None:
                LocalPipelineExecutor(
                    pipeline=parts,
                    tasks=tasks,
                    workers=2,
                    logging_dir=f"{home}/logs",
                    skip_completed=False,
                ).run()

            signature = MinhashDedupSignature(output_folder=f"{home}/signatures", config=config)
            signature._hash_func = hash_text
            step([JsonlReader(f"{home}/in"), signature], 2)
            buckets = MinhashDedupBuckets(
                input_folder=f"{home}/signatures", output_folder=f"{home}/buckets", config=config
            )
            step([buckets], BANDS)
            cluster = MinhashDedupCluster(
                input_folder=f"{home}/buckets", output_folder=f"{home}/remove", config=config
            )
            step([cluster], 1)
            rest = MinhashDedupFilter(input_folder=f"{home}/remove")
            writer = JsonlWriter(f"{home}/out", compression=None)
            step([JsonlReader(f"{home}/in"), rest, writer], 2)
            kept = pl.read_ndjson(list(Path(home, "out").glob("*.jsonl")))["id"]
            return ids - set(kept)

    return work


WAYS = {
    "ours": by_ours,
    "ours, own bands": by_ours_own_bands,
    "datasketch bulk + LSH": by_datasketch,
    "rensa": by_rensa,
    "datatrove": by_datatrove,
}

OURS = ("ours", "ours, own bands")


def recall(gone: set[str], pairs: list[tuple[str, str]]) -> float:
    """Return the share of pairs of which at least one row leaves."""
    return sum(a in gone or b in gone for a, b in pairs) / max(1, len(pairs))


def judged(path: Path, gone: dict[str, set[str]]) -> dict[str, Any]:
    """Say of each way how many true pairs it broke up, and how many rows left that are in none."""
    pairs = true_pairs(path)
    right = {name for pair in pairs for name in pair}
    doubtful = {name for rows in gone.values() for name in rows} - right
    if doubtful:
        right |= {name for pair in true_pairs(path, rows_of=doubtful) for name in pair}
    return {
        "pairs": len(pairs),
        "recall": {name: round(recall(rows, pairs), 4) for name, rows in gone.items()},
        "left_without_a_pair": {name: len(rows - right) for name, rows in gone.items()},
    }


def real_texts(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield texts of real near-duplicates: MRPC's sentences, and posts of snapshots of one site."""
    mrpc = folder / "near_dup" / "MRPC" / "msr_paraphrase_train.txt.zst"
    if mrpc.exists():
        with open_stream(mrpc, Limits(), mrpc.name) as stream:
            lines = stream.read().decode("utf-8-sig").splitlines()[1:]
        yield "MRPC", sorted({text for line in lines for text in line.split("\t")[3:5]})
    texts: list[str] = []
    for lines in dumps.posts_below(folder / "snapshots"):
        bodies = [re.search(r' Body="([^"]*)"', line) for line in lines]
        texts += [dumps.plain_text(found[1]) for found in bodies if found and len(found[1]) > 200]
    if texts:
        yield "snapshots of Stack Exchange", [html.unescape(text) for text in texts]


def run(home: Path, rounds: int, rows: int = 10_000, real: Path | None = None) -> Result:
    """Measure all ways."""
    path = home / "texts.jsonl"
    make_texts(path, rows)
    ways = [
        Way(name, make, (path,), 2 if name == "datatrove" else None) for name, make in WAYS.items()
    ]
    measured, gone = race(ways, rounds)
    found = {f"{rows:,} made texts": judged(path, gone)}
    if real:
        for name, texts in real_texts(real):
            other = home / "real.jsonl"
            write_texts(other, texts)
            answers = {label: make(other)() for label, make in WAYS.items()}
            found[f"{len(texts):,} texts: {name}"] = judged(other, answers)
            other.unlink()
    shutil.rmtree(home / "out", ignore_errors=True)
    no_worse = [
        all(f["recall"][o] >= f["recall"]["datatrove"] for f in found.values()) for o in OURS
    ]
    no_false = not any(f["left_without_a_pair"][o] for f in found.values() for o in OURS)
    checked = [
        f"{what}: {f['pairs']:,} pairs with a Jaccard similarity of 0.8 or more; recall "
        + ", ".join(f"{name} {value:.1%}" for name, value in f["recall"].items())
        + "; rows that left without such a pair: "
        + ", ".join(f"{name} {count}" for name, count in f["left_without_a_pair"].items())
        for what, f in found.items()
    ]
    claims = [
        Claim("ours", "datatrove", faster=60),
        Claim("ours", "datasketch bulk + LSH", faster=6),
        Claim("ours", "rensa"),
        Claim("ours, own bands", "datatrove"),
        Claim("ours", holds=no_worse[0], note="14 x 8: recall no lower than datatrove's"),
        Claim("ours", holds=no_worse[1], note="own bands: recall no lower than datatrove's"),
        Claim("ours", holds=no_false, note="no false pair"),
    ]
    what = f"MinHash dedup of {rows:,} texts, {path.stat().st_size / 1e6:.0f} MB of JSON lines, 5-grams, {BANDS} x {ROWS}"
    return Result(
        "near_duplicates",
        f"MinHash, whole job, {rows:,} texts",
        what,
        measured,
        claims,
        checked,
        {"found": found},
        machine(),
    )
