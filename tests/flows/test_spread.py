"""The same release on a cluster: one of its own, one started by hand, one that loses workers."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from pipeline.errors import ModelError, RecipeError
from pipeline.loading import load
from pipeline.manifest import digest_file
from pipeline.mappers import local_mapper
from pipeline.recipe import Runner
from pipeline.run import Result, Workspace, curate

THOUSAND = [sys.executable, "-m", "pipeline"]
BIN = Path(sys.executable).parent


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
    out, err = run.communicate(timeout=280)
    assert run.returncode == 0, err
    value: dict[str, Any] = json.loads(out)
    return release_digests(Path(value["release"])) == release_digests(Path(done.release))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def processes(*commands: list[str]) -> Iterator[list["subprocess.Popen[bytes]"]]:
    """Start commands as somebody would by hand; end them and what they started."""
    running = [
        subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for words in commands
    ]
    try:
        yield running
    finally:
        for process in running:
            if process.poll() is None:
                family = [psutil.Process(process.pid)]
                family += family[0].children(recursive=True)
                process.terminate()
                _, alive = psutil.wait_procs(family, 10)
                for left in alive:
                    left.kill()
            process.wait(10)


def kill_the_busy(run: "subprocess.Popen[str]", stage: Path, workers: list[int]) -> bool:
    """Kill the worker that has used most of a processor while the stage has a shard in work."""
    end = time.monotonic() + 200
    while run.poll() is None and time.monotonic() < end:
        if list(stage.glob(".scratch-*")):
            children = [
                child for pid in workers for child in psutil.Process(pid).children(recursive=True)
            ]
            busy = [child for child in children if child.is_running() and _works(child)]
            if busy and list(stage.glob(".scratch-*")):
                busy[0].send_signal(signal.SIGKILL)
                return True
        time.sleep(0.005)
    return False


def _works(process: psutil.Process) -> bool:
    try:
        return process.cpu_percent(0.05) > 50
    except psutil.Error:
        return False


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
def test_a_cluster_that_is_not_there_is_one_sentence(
    kind: str, sample: Path, space: Workspace, done: Result, tmp_path: Path
) -> None:
    pytest.importorskip(f"prefect_{kind}")
    scheme = {"dask": "tcp", "ray": "ray"}[kind]
    address = f"{scheme}://127.0.0.1:{free_port()}"
    run = started(sample, space, tmp_path, "--runner", kind, "--address", address)
    out, err = run.communicate(timeout=200)
    assert (run.returncode, out) == (1, "")
    said = err.strip().splitlines()[-1]
    assert said.startswith(f"error: No {kind.capitalize()} cluster with a worker answers")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["dask", "ray"])
def test_a_cluster_gives_the_same_bytes(
    kind: str, sample: Path, space: Workspace, done: Result, tmp_path: Path
) -> None:
    pytest.importorskip(f"prefect_{kind}")
    run = started(sample, space, tmp_path, "--runner", kind, "--set", "runner.workers=2")
    assert same_bytes(run, done)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_dask_by_hand_with_a_worker_killed(
    sample: Path, space: Workspace, done: Result, tmp_path: Path
) -> None:
    pytest.importorskip("prefect_dask")
    address = f"tcp://127.0.0.1:{free_port()}"
    port = address.rpartition(":")[2]
    dask = [sys.executable, "-m", "dask"]
    scheduler = [*dask, "scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard"]
    worker = [*dask, "worker", address, "--nthreads", "1", "--no-dashboard"]
    worker += ["--local-directory", str(tmp_path / "dask")]
    with processes(scheduler, worker, worker) as running:
        words = ("--runner", "dask", "--address", address)
        run = started(sample, space, tmp_path / "space", *words, embedded=False)
        stage = tmp_path / "space" / "runs" / "sample" / "embed"
        assert kill_the_busy(run, stage, [process.pid for process in running[1:]])
        assert same_bytes(run, done)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_ray_with_a_worker_killed(
    sample: Path, space: Workspace, done: Result, tmp_path: Path
) -> None:
    pytest.importorskip("prefect_ray")
    words = ("--runner", "ray", "--set", "runner.workers=2")
    run = started(sample, space, tmp_path, *words, embedded=False)
    stage = tmp_path / "runs" / "sample" / "embed"
    end = time.monotonic() + 200
    while not list(stage.glob(".scratch-*")) and time.monotonic() < end:
        time.sleep(0.01)
    time.sleep(1)
    # A Ray worker names itself after what it does, and "ray::IDLE" when it does nothing.
    family = psutil.Process(run.pid).children(recursive=True)
    titles = {process.pid: " ".join(process.cmdline()) for process in family}
    busy = [pid for pid, title in titles.items() if title.startswith("ray::shards")]
    assert len(busy) == 1, titles
    os.kill(busy[0], signal.SIGKILL)
    assert same_bytes(run, done)
