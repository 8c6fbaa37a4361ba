"""The release before, as an input of a run: which one it is, and which rows it holds.

A recipe with a churn budget (`select.churn`) keeps rows of the last release. A second run of the
same dumps and recipe must not take its own release for the last one, or it would change it again:
releases remember what they were made from (their basis), and one of the same basis is passed over.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from pipeline.manifest import digest_file, digest_json
from pipeline.recipe import Recipe
from pipeline.release import folder
from pipeline.release.rows import SPLITS
from pipeline.stage import InputFile

_LABEL = "previous/"
# Parts of a recipe that do not decide which rows are picked.
_NO_PART = {"runner", "release", "gates", "description"}


@dataclass(frozen=True)
class Previous:
    """The release before (no version and no files: there is none), and the basis of the next."""

    basis: str
    version: str = ""
    files: tuple[InputFile, ...] = ()


def basis(recipe: Recipe, inputs: Sequence[InputFile], reviews: str = "") -> str:
    """Digest what a selection is made from, but for the release before it.

    `reviews` is the digest of what reviewers said: with another word a release has another basis.
    """
    parts = recipe.model_dump(mode="json", exclude=_NO_PART & set(type(recipe).model_fields))
    files = sorted((file.label, file.sha256) for file in inputs)
    return digest_json([parts, files, reviews] if reviews else [parts, files])


def find(home: Path, made_from: str) -> Previous:
    """Return the newest whole release below `home` that was not made from the same basis."""
    for version, manifest in reversed(folder.versions(home)):
        if manifest.get("basis") == made_from or not folder.whole(home / version, manifest):
            continue
        paths = [home / version / folder.data_file(s) for s in SPLITS if manifest["rows"].get(s)]
        files = [InputFile(path, digest_file(path), f"{_LABEL}{path.name}") for path in paths]
        return Previous(made_from, version, tuple(files))
    return Previous(made_from)


def apart(files: Sequence[InputFile]) -> tuple[tuple[InputFile, ...], pl.DataFrame]:
    """Part a shard's files from those of the release before; returns its rows."""
    own = tuple(file for file in files if not file.label.startswith(_LABEL))
    frames = [
        pl.read_parquet(file.path, columns=["id", "group", "split"])
        for file in files
        if file.label.startswith(_LABEL)
    ]
    schema = {"id": pl.String, "group": pl.String, "split": pl.String}
    return own, pl.concat(frames) if frames else pl.DataFrame(schema=schema)
