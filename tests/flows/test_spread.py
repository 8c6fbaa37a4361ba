"""The same release on a Dask or Ray cluster; skipped where the extras are not installed."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import ModelError, RecipeError
from pipeline.loading import load
from pipeline.manifest import digest_file
from pipeline.mappers import local_mapper
from pipeline.recipe import Runner
from pipeline.run import Result, Workspace, curate

THOUSAND = [sys.executable, "-m", "pipeline"]


def release_digests(release: Path) -> dict[str, str]:
    return {
        path.relative_to(release).as_posix(): digest_file(path)
        for path in sorted(release.rglob("*"))
        if path.is_file() and path.name not in ("manifest.json", "README.md")
    }


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return Workspace(tmp_path_factory.mktemp("workspace"))


@pytest.fixture(scope="module")
def done(space: Workspace, sample: Path) -> Result:
    with local_mapper(Runner(kind="threads", workers=2)) as mapper:
        return curate(load("sample"), sample, space, mapper)


def started(
    sample: Path, space: Workspace, folder: Path, *words: str, embedded: bool = True
) -> "subprocess.Popen[str]":
    """Start a run of the sample; its vectors may be there already, so that it is a short one."""
    if embedded:
        shutil.copytree(space.cache / "embeddings", folder / "cache" / "embeddings")
    command = [*THOUSAND, "run", "sample", "--dumps", str(sample), "--workspace", str(folder)]
    return subprocess.Popen(
        [*command, "--json", *words],
        env=os.environ
        | {
            "PREFECT_HOME": str(folder / "prefect"),
            "PREFECT_API_URL": "",
            "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def same_bytes(run: "subprocess.Popen[str]", done: Result) -> bool:
    out, err = run.communicate(timeout=600)
    assert run.returncode == 0, err
    value: dict[str, Any] = json.loads(out)
    return release_digests(Path(value["release"])) == release_digests(Path(done.release))


def test_a_cluster_needs_prefect() -> None:
    with (
        pytest.raises(RecipeError, match="leave out --plain"),
        local_mapper(Runner(kind="dask")),
    ):
        pass


def test_an_address_needs_a_cluster() -> None:
    with pytest.raises(RecipeError, match="an address belongs to a runner dask or ray"):
        load("sample", ["runner.address=tcp://host:8786"])
    assert load("sample", ["runner.kind=dask", "runner.address=tcp://host:8786"]).runner.address


@pytest.mark.parametrize("kind", ["dask", "ray"])
def test_without_the_extra_it_says_how_to_get_it(
    kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows.runner import engine

    monkeypatch.setitem(sys.modules, f"prefect_{kind}", None)
    with (
        pytest.raises(ModelError, match=rf"pip install -c constraints.txt -e '\.\[{kind}\]'"),
        engine(Runner(kind=kind)),
    ):
        pass


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["dask", "ray"])
def test_a_cluster_gives_the_same_bytes(
    kind: str, sample: Path, space: Workspace, done: Result, tmp_path: Path
) -> None:
    pytest.importorskip(f"prefect_{kind}")
    run = started(sample, space, tmp_path, "--runner", kind, "--set", "runner.workers=2")
    assert same_bytes(run, done)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_workers_started_by_hand_and_one_of_them_killed(
    sample: Path, space: Workspace, done: Result, tmp_path: Path
) -> None:
    pytest.importorskip("prefect_dask")
    words = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    file = tmp_path / "scheduler.json"
    dask = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--port", "0"]
    calls = [[*dask, "--no-dashboard", "--scheduler-file", str(file)]]
    worker = [sys.executable, "-m", "distributed.cli.dask_worker", "--scheduler-file", str(file)]
    worker += ["--nthreads", "1", "--no-nanny", "--no-dashboard", "--memory-limit", "0"]
    with ExitStack() as stack:
        started_ = [stack.enter_context(by_hand(call, words)) for call in calls]
        deadline = time.monotonic() + 180
        while not (file.exists() and file.stat().st_size) and time.monotonic() < deadline:
            assert started_[0].poll() is None
            time.sleep(0.1)
        workers = [stack.enter_context(by_hand(worker, words)) for _ in range(2)]
        address = json.loads(file.read_text())["address"]
        run = started(sample, space, tmp_path, "--runner", "dask", "--address", address)
        # Once the first files of `filter` are there, both workers are at work.
        folder = tmp_path / "runs" / "sample" / "filter" / "receipts"
        while not any(folder.glob("*")) and run.poll() is None:
            time.sleep(0.02)
        assert run.poll() is None
        workers[0].kill()
        assert same_bytes(run, done)
        assert workers[0].wait(30) == -9
        assert workers[1].poll() is None


@contextmanager
def by_hand(call: list[str], words: dict[str, Any]) -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen(call, **words)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
