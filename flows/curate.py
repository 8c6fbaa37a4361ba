"""The Prefect flow `curate`: the stages of pipeline.run, each shard batch a task to be watched.

Prefect schedules, shows and retries; what is done is known from the manifests alone, so tasks
cache nothing, and a run that was cut off goes on where it stopped.
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.futures import PrefectFuture

from flows.approve import ask
from flows.artifacts import Artifacts, blocked, published
from flows.runner import Engine, engine
from flows.watching import Watchers, watcher
from pipeline.errors import GateError, StageError
from pipeline.loading import load
from pipeline.named import look_for
from pipeline.recipe import Recipe
from pipeline.release.build import Built
from pipeline.release.publish import Published, already, target
from pipeline.release.publish import publish as send
from pipeline.run import Workspace, release, result, run_one, stage_names
from pipeline.stage import Job, Mapper, run_job

# Few batches: a task costs about 20 ms, in a process or on a cluster five times that.
_BATCHES_PER_WORKER = 3


@task(name="shards", task_run_name="{label}", cache_policy=NO_CACHE, persist_result=False)
def run_batch(jobs: list[Job], label: str) -> None:
    """Run some shards of one stage, one after the other."""
    # Nothing is returned: Prefect draws an arrow wherever it meets a result's id again.
    for job in jobs:
        run_job(job)


@task(name="release", task_run_name="release", cache_policy=NO_CACHE, persist_result=False)
def build_release(recipe: Recipe, run: Path, releases: Path, force: bool) -> Built:
    """Build the release and its report, or find that they are there already."""
    return release(recipe, run, releases, force=force)


@task(name="publish", task_run_name="publish", cache_policy=NO_CACHE, persist_result=False)
def publish_release(path: Path, to: str) -> Published:
    """Publish an approved release."""
    return send(path, to)


@flow(name="curate", flow_run_name="curate {recipe}", persist_result=False)
def curate(
    recipe: str = "sample",
    dumps: str = "data/sample",
    workspace: str = "data/workspace",
    size: int | None = None,
    seed: int | None = None,
    settings: list[str] | None = None,
    force: bool = False,
    publish_to: str | None = None,
) -> dict[str, Any]:
    """Make a dataset release from a folder of dumps.

    Args:
        recipe: A shipped recipe (lima, relaxed, sample) or the path of a YAML file.
        dumps: The folder of dumps.
        workspace: Where runs, caches and releases live.
        size: Training rows; empty for the sum of the recipe's quotas.
        seed: The seed of everything that is drawn; empty for the recipe's.
        settings: Fields of the recipe to override, such as select.method=votes.
        force: Replace a release of the same version.
        publish_to: A folder, or hub:OWNER/NAME; the run stops and asks for approval before.
    """
    started = time.perf_counter()
    logger = get_run_logger()
    for core in ("pipeline", "filters"):  # shown beside the run (flows/__init__.py)
        logging.getLogger(core).setLevel(logging.INFO)
    resolved = load(recipe, settings or [], size=size, seed=seed)
    look_for(resolved)
    place = Workspace(Path(workspace).resolve())
    names = stage_names(resolved)
    artifacts = Artifacts(names, logger)
    progress = Watchers([artifacts, *watcher()])
    # The recipe names the runner, so the flow opens it; a flow's own is fixed before it starts.
    with place.locked(resolved) as run, engine(resolved.runner) as works:
        manifests = {
            name: run_one(
                name,
                resolved,
                Path(dumps).resolve(),
                place,
                _task_mapper(name, works),
                progress,
            )
            for name in names
        }
        try:
            built = build_release(resolved, run, place.releases, force)
        except GateError as error:
            blocked(resolved.release_name, error)
            raise
    answer = result(manifests, built, run, time.perf_counter() - started)
    artifacts.publish(answer)
    logger.info("release %s: %d training rows", answer.release, answer.rows)
    if publish_to:
        _publish(built.path, publish_to)
    return answer.to_json()


def _publish(path: Path, to: str) -> None:
    """Publish a release once a person has approved it; one that is there already needs nobody."""
    logger = get_run_logger()
    where = target(path, to)
    if already(path, to):
        logger.info("%s is in %s already", path, where)
        return
    approval = ask(path, where)
    if approval.approve:
        publish_release(path, to)
    logger.info("%s %s", where, "published" if approval.approve else "not approved")
    published(path, where, approved=approval.approve, comment=approval.comment)


def _task_mapper(stage: str, works: Engine) -> Mapper:
    """Map jobs as Prefect tasks on the runner; anything else in this thread."""

    def mapper(function: Callable[[Any], Any], items: Sequence[Any]) -> Iterator[Any]:
        if function is not run_job:
            return iter([function(item) for item in items])
        return _submit(stage, works, items)

    return mapper


def _submit(stage: str, works: Engine, jobs: Sequence[Job]) -> Iterator[str]:
    if not jobs:
        return
    count = min(len(jobs), works.slots() * _BATCHES_PER_WORKER)
    # Neighbours go to different batches, since large shards tend to stand together.
    batches = [list(jobs[start::count]) for start in range(count)]
    futures: list[PrefectFuture[None]] = []
    try:
        for number, batch in enumerate(batches, 1):
            label = stage if count == 1 else f"{stage} · {number} of {count}"
            futures.append(works.runner.submit(run_batch, {"jobs": batch, "label": label}))
        for batch, future in zip(batches, futures, strict=True):
            future.result()
            yield from (job.shard.name for job in batch)
    except works.lost as error:
        raise StageError(
            f"The workers of a batch of {stage} died ({type(error).__name__}): see whether they "
            "have memory enough, then start the same command again to go on from here."
        ) from error
