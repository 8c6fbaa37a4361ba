"""Build a release: the picked rows become a dataset with card, attribution, manifest and decisions.

In: a finished run. Out: `releases/<name>/<version>/`, all at once or not at all. Data files, chats,
attribution and decisions hold no times: the same run gives the same bytes. Nothing is released
without url, author and licence.
"""

import hashlib
import importlib.metadata
import itertools
import json
import logging
import platform
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
from packaging.requirements import Requirement

from pipeline.cores import kind
from pipeline.errors import ReleaseError
from pipeline.manifest import (
    NAME,
    Manifest,
    describe,
    digest_file,
    digest_json,
    read_manifest,
    write_atomic,
    write_json,
)
from pipeline.recipe import Recipe
from pipeline.release import (
    attribution,
    card,
    croissant,
    decisions,
    edits,
    folder,
    gates,
    scoring,
)
from pipeline.release.diff import diff
from pipeline.release.rows import SPLITS, jsonl_line, picked, split_tables
from pipeline.tables import TABLES_FOLDER

logger = logging.getLogger(__name__)

SIDE_PRODUCTS = ("signatures",)  # stages whose rows do not go on to the next
_BUILD_VERSION = 7  # raised when the same run gives another release


@dataclass(frozen=True)
class Built:
    """A release in its place; `existed` if an earlier run of the same key had made it."""

    path: Path
    version: str
    rows: dict[str, int]
    existed: bool

    @property
    def total(self) -> int:
        """The rows of all splits."""
        return sum(self.rows.values())


def build(
    run: Path, recipe: Recipe, releases: Path, *, stages: Sequence[str], force: bool = False
) -> Built:
    """Release what a run picked; an unchanged run gives back the release that is there.

    What a gate blocks is put into the folder `blocked` beside `releases`, and GateError is raised.

    `stages` are the run's stages in order. `force` replaces an existing version; without a version
    in the recipe each changed run takes the next free date. Raises ReleaseError if a row lacks its
    attribution, the books do not add up, or the version exists.
    """
    manifests = _manifests(run, stages)
    key = _key(manifests, recipe)
    home = releases / recipe.release_name
    folder.recover(home)
    made = folder.versions(home)
    newest = made[-1] if made else None
    same = newest if newest and newest[1].get("key") == key else None
    version = recipe.release.version
    if same and version in (None, same[0]) and not force and folder.whole(home / same[0], same[1]):
        logger.info("release=%s unchanged", home / same[0])
        return Built(home / same[0], same[0], same[1]["rows"], existed=True)
    if version is None:
        version = same[0] if same and force else folder.next_version(home, recipe.release.numbering)
    elif (home / version).exists() and not force:
        raise ReleaseError(
            f"{home / version} exists and was made from something else; name another version "
            f"(release.version), or give --force to replace it."
        )
    others = [name for name, item in made if name != version and folder.whole(home / name, item)]
    before = others[-1] if others else None
    rows = picked(run / "select")
    value = _describe(manifests, recipe, version, key, rows) | {"previous": before}
    order = [line["stage"] for line in value["funnel"]]
    with folder.building(home, version, replace=force) as out:
        counts = decisions.write(run, order, rows, out / folder.DECISIONS)
        decisions.check(counts, value["funnel"])
        _write_rows(rows, out)
        edits.write(run / "select" / TABLES_FOLDER / "edits.parquet", out)
        write_atomic(out / folder.ATTRIBUTION, attribution.render(rows))
        if before:
            value["changes"] = _write_changes(home / before, out, value)
        value["gates"] = gates.check(rows, value, recipe)
        write_atomic(out / folder.CARD, card.render(value, rows))
        croissant.write(value, rows, out)
        files = sorted(path for path in out.rglob("*") if path.is_file())
        value["files"] = [asdict(describe(path, out)) for path in files]
        write_json(out / NAME, value | {"seal": folder.seal(value)})
        if gates.failed(value):
            gates.refuse(value, folder.put_aside(out, blocked(releases, recipe) / version))
    logger.info("release=%s rows=%d", home / version, len(rows))
    return Built(home / version, version, value["rows"], existed=False)


def blocked(releases: Path, recipe: Recipe) -> Path:
    """Return where what a gate blocked lies, version by version; no reader takes it for released."""
    return releases.parent / "blocked" / recipe.release_name


def _write_changes(before: Path, out: Path, value: dict[str, Any]) -> dict[str, Any]:
    """Write CHANGES.md against the release before; returns its counts."""
    write_json(out / NAME, value | {"files": []})  # what `diff` reads; the whole one comes last
    found = diff(before, out)
    write_atomic(out / folder.CHANGES, found.to_markdown())
    (out / NAME).unlink()
    summary: dict[str, Any] = found.to_json()["summary"]
    return summary


def _manifests(run: Path, stages: Sequence[str]) -> list[Manifest]:
    manifests = []
    for stage in stages:
        if stage in SIDE_PRODUCTS:
            continue
        manifest = read_manifest(run / stage)
        if manifest is None:
            raise ReleaseError(f"The stage {stage} in {run} is not complete; run it first.")
        manifests.append(manifest)
    if not manifests or manifests[-1].stage != "select":
        raise ReleaseError(f"A release needs the stage select at the end of {run}.")
    for before, after in itertools.pairwise(manifests):
        if before.rows_out != after.rows_in:
            raise ReleaseError(
                f"{before.stage} gave {before.rows_out} rows and {after.stage} read "
                f"{after.rows_in}; run {after.stage} again."
            )
    return manifests


def run_key(run: Path, recipe: Recipe, stages: Sequence[str]) -> str:
    """Return the key that a release of this run has; raises ReleaseError if it is not complete."""
    return _key(_manifests(run, stages), recipe)


def _key(manifests: Sequence[Manifest], recipe: Recipe) -> str:
    return digest_json(
        [
            _BUILD_VERSION,
            code_version(),
            recipe.digest_text(),
            recipe.seed,
            inputs(manifests),
            [digest_file(Path(path)) for path in recipe.gates.evaluation or []],
            [(item.stage, item.digest(), item.rows_in, item.dropped) for item in manifests],
        ]
    )


def code_version() -> str:
    """Return the installed version of Thousand."""
    return installed_version("thousand") or "unknown"


def installed_version(package: str) -> str | None:
    """Return the version of a package; null where it is there under another name, or not at all."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def made_with() -> dict[str, Any]:
    """Name what else may decide a row: Python, the processor, the packages that we ask for."""
    try:
        asked = importlib.metadata.requires("thousand") or []
    except importlib.metadata.PackageNotFoundError:
        asked = []
    needs = [Requirement(text) for text in asked]
    plain = (each for each in needs if not each.marker or each.marker.evaluate({"extra": ""}))
    packages = {each.name: installed_version(each.name) for each in plain}
    return {"python": platform.python_version(), "processor": kind(), "packages": packages}


def facts(manifest: Manifest) -> dict[str, Any]:
    """Merge the facts of a stage's shards; of the same name the last shard's stay."""
    merged: dict[str, Any] = {}
    for value in manifest.facts.values():
        if isinstance(value, dict):
            merged |= value
    return merged


def inputs(manifests: Sequence[Manifest]) -> list[dict[str, Any]]:
    """List the files that ingest read, with their digests and rows."""
    found = []
    for shard in manifests[0].facts.values():
        rows = shard.get("rows", {})
        found += [entry | {"rows": rows.get(entry["file"])} for entry in shard.get("inputs", [])]
    return sorted(found, key=lambda entry: str(entry["file"]))


def warnings(manifests: Iterable[Manifest]) -> list[str]:
    """Collect what stages want a person to know."""
    return [sentence for item in manifests for sentence in facts(item).get("warnings", [])]


def _left_out(ingest: Manifest) -> list[dict[str, Any]]:
    """List what ingest counted and did not list, by file and reason."""
    lines = [line for shard in ingest.facts.values() for line in shard.get("left_out", [])]
    return sorted(lines, key=lambda line: (str(line["file"]), str(line["reason"])))


def _describe(
    manifests: Sequence[Manifest], recipe: Recipe, version: str, key: str, rows: pl.DataFrame
) -> dict[str, Any]:
    said = facts(manifests[-1])
    resolved = recipe.model_dump(mode="json")
    resolved["runner"]["address"] = None  # of no use to readers, who may be strangers
    counts = {split: rows.filter(pl.col("split") == split).height for split in SPLITS}
    return {
        "format": folder.FORMAT,
        "name": recipe.release_name,
        "version": version,
        "created_at": datetime.now(UTC).isoformat(timespec="microseconds"),
        "key": key,
        "code_version": code_version(),
        "made_with": made_with(),
        "seed": recipe.seed,
        "recipe": resolved,
        "recipe_digest": recipe_digest(resolved),
        "inputs": inputs(manifests),
        "left_out": _left_out(manifests[0]),
        "skipped": [item["skipped"] for item in manifests[0].facts.values() if "skipped" in item],
        "warnings": warnings(manifests),
        "rows": counts,
        "groups": _groups(recipe, rows),
        "shortfall": said.get("shortfall") or [],
        "missing": said.get("missing") or {},
        "refilled": said.get("refilled") or {},
        "certificate": said.get("certificate") or {},
        "basis": said.get("basis"),
        "scores": scoring.describe(manifests, recipe, rows),
        "funnel": [
            {
                "stage": item.stage,
                "rows_in": item.rows_in,
                "rows_out": item.rows_out,
                "dropped": item.dropped,
            }
            for item in manifests
        ],
    }


def recipe_digest(resolved: dict[str, Any]) -> str:
    """Digest a resolved recipe as `Recipe.digest_text` writes it: without its runner."""
    value = {name: part for name, part in resolved.items() if name != "runner"}
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _groups(recipe: Recipe, rows: pl.DataFrame) -> list[dict[str, Any]]:
    quotas = {
        "train": recipe.select.train_quotas,
        "validation": recipe.select.validation,
        "test": recipe.select.test,
    }
    got = {
        (split, group): count
        for split, group, count in rows.group_by("split", "group").len().iter_rows()
    }
    lines = []
    for split, wanted in quotas.items():
        groups = sorted(set(wanted) | {group for place, group in got if place == split})
        for group in groups:
            line = {"group": group, "split": split, "wanted": wanted.get(group, 0)}
            lines.append(line | {"got": got.get((split, group), 0)})
    return [line for line in lines if line["wanted"] or line["got"]]


def _write_rows(rows: pl.DataFrame, out: Path) -> None:
    import pyarrow.parquet as pq

    for split, table in split_tables(rows):
        path = out / folder.data_file(split)
        path.parent.mkdir(exist_ok=True)
        pq.write_table(table, path, compression="zstd", row_group_size=10_000)
    path = out / folder.JSONL
    path.parent.mkdir()
    with path.open("w", encoding="utf-8", newline="\n") as handle:
        train = rows.filter(pl.col("split") == "train")
        handle.writelines(jsonl_line(chat) for chat in train["messages"].to_list())
