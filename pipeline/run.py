"""A whole run: the stages in order, from a dumps folder to a release.

`curate` is the plain-Python run; the Prefect flow calls the same `steps` and `run_stage`.
"""

import fcntl
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.clean import CleanStage
from pipeline.cluster import ClusterStage
from pipeline.contamination.stages import ContaminationStage, NeighbourStage
from pipeline.dedup import DedupStage, SignatureStage
from pipeline.embed import EmbedStage
from pipeline.errors import GateError, StageError
from pipeline.filter import FilterStage
from pipeline.ingest import IngestStage
from pipeline.inputs import digest_inputs
from pipeline.judge.stage import JudgeStage
from pipeline.likelihood import LikelihoodStage
from pipeline.manifest import Manifest
from pipeline.named import look_for
from pipeline.pool import PoolSettings, PoolStage
from pipeline.previous import Previous, basis, find
from pipeline.recipe import Recipe
from pipeline.release.build import SIDE_PRODUCTS, Built, build, warnings
from pipeline.release.folder import report_file
from pipeline.review.ledger import Ledger, ledger_of
from pipeline.review.verdicts import Reviews
from pipeline.review.verdicts import read as read_reviews
from pipeline.score.learned import reading_for
from pipeline.score.stage import ScoreStage
from pipeline.select import SelectStage
from pipeline.semantic import SemanticStage
from pipeline.stage import InputFile, Mapper, Stage, map_here, outputs, run_stage

logger = logging.getLogger(__name__)

# Every stage in order, with the stages whose kept rows it reads. Where a recipe leaves a stage out,
# what it would have read takes its place.
STAGES: dict[str, tuple[str, ...]] = {
    "ingest": (),
    "clean": ("ingest",),
    "filter": ("clean",),
    "signatures": ("filter",),
    "dedup": ("filter", "signatures"),
    "contamination": ("dedup",),
    "pool": ("contamination",),
    "embed": ("pool",),
    "neighbours": ("embed",),
    "cluster": ("neighbours",),
    "semantic": ("cluster",),
    "likelihood": ("semantic",),
    "judge": ("likelihood",),
    "score": ("judge",),
    "select": ("score",),
}
# Stages that a recipe can leave out, with what switches them on.
OPTIONAL: dict[str, Callable[[Recipe], bool]] = {
    "contamination": lambda recipe: bool(recipe.contamination.against),
    "neighbours": lambda recipe: (
        bool(recipe.contamination.against) and recipe.contamination.cosine is not None
    ),
    "semantic": lambda recipe: recipe.cluster.semantic_threshold is not None,
    "likelihood": lambda recipe: (
        recipe.score.lm.model is not None or reading_for(recipe.score.learned) is not None
    ),
    "judge": lambda recipe: recipe.judge.endpoint is not None,
}


@dataclass(frozen=True)
class Workspace:
    """Where runs, caches and releases live."""

    root: Path

    @property
    def cache(self) -> Path:
        """What may be deleted at any time; it only makes runs faster."""
        return self.root / "cache"

    @property
    def releases(self) -> Path:
        """Finished releases, name by name."""
        return self.root / "releases"

    def run(self, recipe: Recipe) -> Path:
        """The folder of a recipe's run; a later run of the recipe goes on in it."""
        return self.root / "runs" / recipe.name

    @contextmanager
    def locked(self, recipe: Recipe) -> Iterator[Path]:
        """Hold a run's folder; raises StageError if another process works in it."""
        run = self.run(recipe)
        run.mkdir(parents=True, exist_ok=True)
        with (run / ".lock").open("w") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise StageError(
                    f"Another process is working in {run}; wait for it, or use another --workspace."
                ) from error
            yield run


@dataclass(frozen=True)
class FunnelLine:
    """One stage of the funnel. rows_in = rows_out + the sum of dropped."""

    stage: str
    rows_in: int
    rows_out: int
    dropped: dict[str, int]


@dataclass(frozen=True)
class Result:
    """What a run gave: the answer of `thousand run --json`."""

    release: str
    run: str
    rows: int  # training rows
    splits: dict[str, int]
    groups: dict[str, int]
    funnel: list[FunnelLine]
    seconds: float
    shortfall: list[dict[str, Any]]
    skipped: list[str] = field(default_factory=list)
    unscored: int = 0  # training and validation rows without a quality
    warnings: list[str] = field(default_factory=list)
    unchanged: bool = False
    report: str = ""  # an HTML file

    def to_json(self) -> dict[str, Any]:
        """Return the contract's object."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Result":
        """Undo `to_json`."""
        return cls(**{**value, "funnel": [FunnelLine(**line) for line in value["funnel"]]})


class Progress:
    """Told of each stage as it goes; this one says nothing."""

    def started(self, stage: str, shards: int) -> None:
        """A stage begins to work on so many shards (not called for one that is up to date)."""

    def advanced(self, stage: str) -> None:
        """One more shard of the stage is done."""

    def finished(self, stage: str, manifest: Manifest, worked: bool) -> None:
        """The stage is complete; `worked` is false if it was so before."""


def stage_names(recipe: Recipe) -> list[str]:
    """Return the stages that this recipe runs, in order."""
    return [name for name in STAGES if name not in OPTIONAL or OPTIONAL[name](recipe)]


def reads(name: str, names: Sequence[str]) -> list[str]:
    """Return the stages among `names` whose kept rows a stage reads."""
    found = []
    for earlier in STAGES[name]:
        while earlier not in names:
            (earlier,) = STAGES[earlier]
        found.append(earlier)
    return found


def make_stage(name: str, recipe: Recipe, dumps: Path, workspace: Workspace) -> Stage:
    """Make one stage of a recipe."""
    run = workspace.run(recipe)
    last = previous(recipe, workspace) if name in ("pool", "select") else None
    makers: dict[str, Callable[[], Stage]] = {
        "ingest": lambda: IngestStage.of(recipe, dumps),
        "clean": lambda: CleanStage.of(recipe),
        "filter": lambda: FilterStage.of(recipe),
        "signatures": lambda: SignatureStage.of(recipe),
        "dedup": lambda: DedupStage.of(recipe),
        "contamination": lambda: ContaminationStage.of(recipe),
        "pool": lambda: PoolStage(PoolSettings.of(recipe), last.files if last else ()),
        "embed": lambda: EmbedStage.of(recipe, workspace.cache / "embeddings"),
        "neighbours": lambda: NeighbourStage.of(recipe),
        "cluster": lambda: ClusterStage.of(recipe),
        "semantic": lambda: SemanticStage.of(recipe),
        "likelihood": lambda: LikelihoodStage.of(recipe, workspace.cache / "lm"),
        "judge": lambda: JudgeStage.of(recipe, workspace.root / "replies"),
        "score": lambda: ScoreStage.of(recipe),
        "select": lambda: SelectStage.of(
            recipe, [run / name for name in STAGES if name != "select"], last, reviews(workspace)
        ),
    }
    return makers[name]()


def previous(recipe: Recipe, workspace: Workspace) -> Previous | None:
    """Return the last release, if the recipe keeps its rows; earlier stages must be done."""
    if recipe.select.churn.max_share is None:
        return None
    inputs = outputs(workspace.run(recipe) / reads("pool", stage_names(recipe))[0])
    made_from = basis(recipe, inputs, reviews(workspace).digest())
    return find(workspace.releases / recipe.release_name, made_from)


def reviews(workspace: Workspace) -> Reviews:
    """Read what reviewers said of the workspace's rows."""
    return read_reviews(Ledger(ledger_of(workspace.root)))


def stage_inputs(
    name: str, stage: Stage, run: Path, names: Sequence[str], workspace: Workspace, mapper: Mapper
) -> list[InputFile]:
    """Return what a stage reads: the dumps for ingest, else what earlier stages kept."""
    if isinstance(stage, IngestStage):
        return digest_inputs(stage.found, workspace.cache, mapper)
    return [entry for earlier in reads(name, names) for entry in outputs(run / earlier)]


def run_one(
    name: str,
    recipe: Recipe,
    dumps: Path,
    workspace: Workspace,
    mapper: Mapper,
    progress: Progress,
) -> Manifest:
    """Bring one stage of a run up to date."""
    run = workspace.run(recipe)
    stage = make_stage(name, recipe, dumps, workspace)
    inputs = stage_inputs(name, stage, run, stage_names(recipe), workspace, mapper)

    def watched(function: Callable[[Any], Any], items: Sequence[Any]) -> Iterator[Any]:
        progress.started(name, len(items))
        for answer in mapper(function, items):
            progress.advanced(name)
            yield answer

    manifest, worked = run_stage(stage, inputs, run / name, watched)
    progress.finished(name, manifest, worked)
    return manifest


def curate(
    recipe: Recipe,
    dumps: Path,
    workspace: Workspace,
    mapper: Mapper = map_here,
    progress: Progress | None = None,
    *,
    force: bool = False,
) -> Result:
    """Run all stages and build the release; work that an earlier run finished is not done again.

    `mapper` spreads the shards of a stage and never changes the result.
    """
    started = time.perf_counter()
    look_for(recipe)
    names = stage_names(recipe)
    with workspace.locked(recipe) as run:
        manifests = {
            name: run_one(name, recipe, dumps, workspace, mapper, progress or Progress())
            for name in names
        }
        built = release(recipe, run, workspace.releases, force=force)
    return result(manifests, built, run, time.perf_counter() - started)


def release(recipe: Recipe, run: Path, releases: Path, *, force: bool = False) -> Built:
    """Build the release of a finished run and its report, unless they are there.

    What a gate blocks has its report, too, beside the folder that GateError names.
    """
    from pipeline.report.write import write, write_once

    try:
        built = build(run, recipe, releases, stages=stage_names(recipe), force=force)
    except GateError as error:
        if error.kept is None:
            raise
        raise GateError(f"{error} The report: {write(error.kept)}", error.kept) from error
    write_once(built.path, fresh=not built.existed)
    return built


def result(manifests: dict[str, Manifest], built: Built, run: Path, seconds: float) -> Result:
    """Put the answer of a run together from its manifests."""
    facts = manifests["select"].facts["all"]
    ingest = manifests["ingest"].facts
    return Result(
        release=str(built.path),
        run=str(run),
        rows=built.rows.get("train", 0),
        splits=built.rows,
        groups=_groups(run / "select"),
        funnel=funnel(manifests),
        seconds=round(seconds, 2),
        shortfall=facts["shortfall"],
        skipped=[shard["skipped"] for shard in ingest.values() if "skipped" in shard],
        unscored=_unscored(run / "select"),
        warnings=warnings(manifests.values()),
        unchanged=built.existed,
        report=str(report_file(built.path)),
    )


def _groups(select: Path) -> dict[str, int]:
    """Count the training rows of each group."""
    picked = pl.scan_parquet([entry.path for entry in outputs(select)])
    train = picked.filter(pl.col("split") == "train").group_by("group").len().collect()
    return dict(train.sort("group").iter_rows())


def _unscored(select: Path) -> int:
    """Count the rows with a response that were picked without a quality."""
    picked = pl.scan_parquet([entry.path for entry in outputs(select)])
    answers = picked.filter(pl.col("split") != "test")
    return int(answers.select(pl.col("quality").null_count()).collect().item())


def funnel(manifests: dict[str, Manifest]) -> list[FunnelLine]:
    """Return a line per stage through which rows pass."""
    return [
        FunnelLine(name, manifest.rows_in, manifest.rows_out, manifest.dropped)
        for name, manifest in manifests.items()
        if name not in SIDE_PRODUCTS
    ]
