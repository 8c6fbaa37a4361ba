"""How a stage runs: plan shards, skip what is done, run the rest, write the manifest last.

A stage knows nothing of runs, retries or Prefect. It plans shards from its inputs alone and turns
one shard into files; `run_stage` does what all stages have in common. A shard's receipt holds the
digest of everything that decided its output, so a changed input costs only its own shards.
"""

import json
import logging
import os
import shutil
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import polars as pl
from pydantic import BaseModel

from pipeline.errors import StageError
from pipeline.manifest import (
    NAME,
    FileEntry,
    Manifest,
    describe,
    digest_json,
    intact,
    read_manifest,
    write_json,
    write_manifest,
)
from pipeline.record import DROPPED

logger = logging.getLogger(__name__)

RECEIPTS = "receipts"
DROPPED_FOLDER = "dropped"


@dataclass(frozen=True)
class InputFile:
    """A file that a shard reads, with the digest of its bytes; `label` names it in the books."""

    path: Path
    sha256: str
    label: str


@dataclass(frozen=True)
class Shard:
    """A piece of work that needs no other piece: its name, its files, and what it is told."""

    name: str
    files: tuple[InputFile, ...]
    options: tuple[tuple[str, str], ...] = ()

    def option(self, name: str) -> str:
        """Return one option; raises KeyError if the plan did not set it."""
        return dict(self.options)[name]


@dataclass(frozen=True)
class ShardStats:
    """What happened to a shard's rows. `rows_in` = `rows_out` + the sum of `dropped`."""

    rows_in: int
    rows_out: int
    dropped: dict[str, int] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse books that do not add up."""
        if self.rows_in != self.rows_out + sum(self.dropped.values()):
            raise StageError(
                f"The books do not add up: {self.rows_in} rows came in, {self.rows_out} went on, "
                f"{sum(self.dropped.values())} were dropped. This is a bug; please report it."
            )


class Stage(Protocol):
    """A step of the pipeline. `version` rises when the output changes for the same input."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> int: ...

    @property
    def settings(self) -> BaseModel:
        """The part of the recipe that the stage reads, and nothing else."""
        ...

    def plan(self, inputs: Sequence[InputFile]) -> list[Shard]:
        """Split the work; the borders depend on the inputs alone."""
        ...

    def work(self, shard: Shard, out: Path) -> ShardStats:
        """Turn one shard into Parquet files in the empty folder `out`.

        Kept rows go to `out`, dropped ones (record.DROPPED) to `out/dropped`. All files start with
        the shard's name.
        """
        ...


# Applies a function to items, in any order and anywhere; results in the order of the items.
Mapper = Callable[[Callable[[Any], Any], Sequence[Any]], Iterable[Any]]


def map_here(function: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
    """Run one item after the other in this process."""
    return [function(item) for item in items]


@dataclass(frozen=True)
class Job:
    """One shard to run; picklable, so that it can travel to another process or machine."""

    stage: Stage
    shard: Shard
    key: str
    out: Path


def run_job(job: Job) -> str:
    """Run one shard and leave its files and its receipt in the stage's folder.

    A job may come twice, when a cluster believes that its first worker is lost: then it is passed
    over if it was finished, and does not meet the first in the same scratch folder if it was not.
    """
    if is_done(job.out, job.shard, job.key):
        return job.shard.name
    for path in (job.out, *(file.path for file in job.shard.files)):
        if not path.exists():
            raise StageError(
                f"{socket.gethostname()} does not see {path}: every worker needs the dumps and the "
                "workspace under the same paths."
            )
    started = time.perf_counter()
    scratch = job.out / f".scratch-{job.shard.name}-{os.urandom(4).hex()}"
    (scratch / DROPPED_FOLDER).mkdir(parents=True)
    stats = job.stage.work(job.shard, scratch)
    entries = []
    for path in sorted(p for p in scratch.rglob("*") if p.is_file()):
        entries.append(describe(path, scratch))
        target = job.out / path.relative_to(scratch)
        target.parent.mkdir(parents=True, exist_ok=True)
        path.replace(target)
    shutil.rmtree(scratch)
    receipt = {
        "shard": job.shard.name,
        "key": job.key,
        "files": [asdict(entry) for entry in entries],
        "stats": asdict(stats),
        "seconds": time.perf_counter() - started,
    }
    write_json(_receipt_path(job.out, job.shard), receipt)
    logger.info(
        "stage=%s shard=%s rows_in=%d rows_out=%d",
        job.stage.name,
        job.shard.name,
        stats.rows_in,
        stats.rows_out,
    )
    return job.shard.name


def run_stage(
    stage: Stage, inputs: Sequence[InputFile], out: Path, mapper: Mapper = map_here
) -> tuple[Manifest, bool]:
    """Bring the stage's folder up to date; returns its manifest and whether work was done."""
    shards = stage.plan(inputs)
    keys = [_shard_key(stage, shard) for shard in shards]
    key = digest_json(keys)
    manifest = read_manifest(out)
    if manifest and manifest.key == key and intact(out, manifest.files):
        return manifest, False
    started = time.perf_counter()
    out.mkdir(parents=True, exist_ok=True)
    (out / NAME).unlink(missing_ok=True)
    (out / RECEIPTS).mkdir(exist_ok=True)
    pending = [
        Job(stage, shard, shard_key, out)
        for shard, shard_key in zip(shards, keys, strict=True)
        if not is_done(out, shard, shard_key)
    ]
    for _ in mapper(run_job, _largest_first(pending)):
        pass
    receipts = [_read_receipt(out, shard) for shard in shards]
    manifest = _complete(stage.name, key, receipts, out, time.perf_counter() - started)
    write_manifest(out, manifest)
    return manifest, True


def _largest_first(jobs: Sequence[Job]) -> list[Job]:
    """Order jobs by the size of what they read: a large one that starts last ends alone."""
    paths = {file.path for job in jobs for file in job.shard.files}
    sizes = {path: path.stat().st_size for path in paths if path.exists()}
    return sorted(jobs, key=lambda job: -sum(sizes.get(file.path, 0) for file in job.shard.files))


def outputs(folder: Path) -> list[InputFile]:
    """List the kept files of a finished stage, as inputs for the next one."""
    manifest = read_manifest(folder)
    if manifest is None:
        raise StageError(f"The stage in {folder} is not complete; run it first.")
    return [
        InputFile(folder / entry.path, entry.sha256, f"{folder.name}/{entry.path}")
        for entry in manifest.files
        if "/" not in entry.path
    ]


def read_dropped(folder: Path) -> pl.LazyFrame:
    """Scan the books of a finished stage; an empty frame if it dropped nothing."""
    files = sorted((folder / DROPPED_FOLDER).glob("*.parquet"))
    return pl.scan_parquet(files) if files else pl.LazyFrame(schema=DROPPED)


def _shard_key(stage: Stage, shard: Shard) -> str:
    return digest_json(
        [
            stage.name,
            stage.version,
            stage.settings.model_dump(mode="json"),
            shard.name,
            shard.options,
            [(file.label, file.sha256) for file in shard.files],
        ]
    )


def _receipt_path(out: Path, shard: Shard) -> Path:
    return out / RECEIPTS / f"{shard.name}.json"


def _read_receipt(out: Path, shard: Shard) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(_receipt_path(out, shard).read_text(encoding="utf-8"))
    value["files"] = [FileEntry(**entry) for entry in value["files"]]
    return value


def is_done(out: Path, shard: Shard, key: str) -> bool:
    """Tell whether the shard's receipt has this key, and its files are there."""
    try:
        receipt = _read_receipt(out, shard)
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return False
    return bool(receipt["key"] == key) and intact(out, receipt["files"])


def _complete(
    name: str, key: str, receipts: list[dict[str, Any]], out: Path, seconds: float
) -> Manifest:
    """Sum the receipts and sweep out what no receipt names, such as what a dead worker left."""
    files: list[FileEntry] = []
    dropped: Counter[str] = Counter()
    facts: dict[str, Any] = {}
    for receipt in receipts:
        files += receipt["files"]
        dropped.update(receipt["stats"]["dropped"])
        if receipt["stats"]["facts"]:
            facts[receipt["shard"]] = receipt["stats"]["facts"]
    wanted = {entry.path for entry in files}
    wanted |= {f"{RECEIPTS}/{receipt['shard']}.json" for receipt in receipts}
    for path in sorted(out.rglob("*")):
        if path.is_file() and path.relative_to(out).as_posix() not in wanted:
            path.unlink()
    for path in out.glob(".scratch-*"):
        shutil.rmtree(path, ignore_errors=True)
    return Manifest(
        stage=name,
        key=key,
        files=sorted(files, key=lambda entry: entry.path),
        rows_in=sum(receipt["stats"]["rows_in"] for receipt in receipts),
        rows_out=sum(receipt["stats"]["rows_out"] for receipt in receipts),
        dropped=dict(sorted(dropped.items())),
        facts=facts,
        seconds=round(seconds, 3),
    )
