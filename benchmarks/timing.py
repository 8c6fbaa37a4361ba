"""Measure ways of doing the same work, in turns, each in a process of its own.

A way is made by a function of a module (so that a fresh process can find it): it imports, loads and
lays out what it needs, and returns what is timed. A process stays for all rounds; the others wait
meanwhile. Memory is that of the process and all that it started, looked at 20 times a second.
"""

import json
import multiprocessing
import os
import platform
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Self

import psutil

RESULTS = Path(__file__).parent / "results"
_EVERY = 0.05  # seconds

Work = Callable[[], Any]


@dataclass(frozen=True)
class Way:
    """One way to do the work. `make(*words)` returns what is timed; its answer must be small."""

    name: str
    make: Callable[..., Work]
    words: tuple[Any, ...] = ()
    rounds: int | None = None  # fewer than the others, for what takes minutes


@dataclass(frozen=True)
class Claim:
    """What is claimed of one way beside another.

    `faster`: that many times as fast; `at_most`: that many times the peer's time, plus `beyond`
    seconds; `seconds` and `memory` (bytes) are limits of its own.
    """

    ours: str
    peer: str = ""
    faster: float | None = None
    at_most: float | None = None
    beyond: float = 0.0
    seconds: float | None = None
    memory: int | None = None
    holds: bool | None = None  # of what is not about time: said by the part
    note: str = ""


@dataclass
class Measured:
    """What was seen of one way, round by round."""

    name: str
    seconds: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    peak_bytes: int = 0

    @property
    def median(self) -> float:
        """The median time."""
        return statistics.median(self.seconds)


@dataclass
class Result:
    """A part of the table: what was done, by whom, and what is claimed."""

    part: str
    title: str
    what: str
    ways: list[Measured]
    claims: list[Claim]
    checked: list[str] = field(default_factory=list)  # what was compared before anything was timed
    facts: dict[str, Any] = field(default_factory=dict)
    machine: dict[str, Any] = field(default_factory=dict)

    def write(self) -> Path:
        """Write benchmarks/results/<part>.json."""
        RESULTS.mkdir(exist_ok=True)
        path = RESULTS / f"{self.part}.json"
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")
        return path

    @classmethod
    def read(cls, path: Path) -> Self:
        """Undo `write`."""
        value = json.loads(path.read_text(encoding="utf-8"))
        value["ways"] = [Measured(**way) for way in value["ways"]]
        value["claims"] = [Claim(**claim) for claim in value["claims"]]
        return cls(**value)

    def way(self, name: str) -> Measured:
        """Return what was measured of a way."""
        return next(way for way in self.ways if way.name == name)


def race(ways: Sequence[Way], rounds: int) -> tuple[list[Measured], dict[str, Any]]:
    """Let all ways take turns; returns what was measured and the answer of each.

    Before the rounds each way runs once, untimed: its answer is the one that is compared.
    """
    with ExitStack() as stack:
        workers = {way.name: stack.enter_context(_worker(way)) for way in ways}
        answers = {}
        seen = {way.name: Measured(way.name) for way in ways}
        for way in ways:
            if way.rounds == 1:
                continue
            _, _, _, answers[way.name] = workers[way.name].go()
        for number in range(rounds):
            for way in ways:
                if number >= (way.rounds or rounds):
                    continue
                seconds, processor, peak, answer = workers[way.name].go()
                answers.setdefault(way.name, answer)
                mine = seen[way.name]
                mine.seconds.append(seconds)
                mine.processor.append(processor)
                mine.peak_bytes = max(mine.peak_bytes, peak)
    return list(seen.values()), answers


class Watch:
    """The largest resident memory of a process and its children while the context lasts."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._started = time.perf_counter()
        self.peak = 0
        self.line: list[tuple[float, int]] = []  # seconds, bytes

    def __enter__(self) -> Self:
        """Begin to look."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Look no more."""
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._stop.is_set():
            size = 0
            with suppress(psutil.Error):
                for process in [self._process, *self._process.children(recursive=True)]:
                    with suppress(psutil.Error):
                        size += process.memory_info().rss
            self.peak = max(self.peak, size)
            self.line.append((round(time.perf_counter() - self._started, 2), size))
            self._stop.wait(_EVERY)


class _Worker:
    def __init__(self, pid: int, pipe: Connection) -> None:
        self._pid = pid
        self._pipe = pipe

    def go(self) -> tuple[float, float, int, Any]:
        with Watch(self._pid) as watch:
            self._pipe.send("go")
            kind, *answer = self._pipe.recv()
        if kind == "failed":
            raise RuntimeError(answer[0])
        seconds, processor, value = answer
        return seconds, processor, watch.peak, value


@contextmanager
def _worker(way: Way) -> Any:  # noqa: ANN401
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, way.make, way.words))
    process.start()
    theirs.close()
    try:
        kind, *answer = ours.recv()
        if kind == "failed":
            raise RuntimeError(f"{way.name}: {answer[0]}")
        yield _Worker(process.pid or 0, ours)
    finally:
        ours.close()
        process.join(10)
        if process.is_alive():
            process.terminate()


def _serve(pipe: Connection, make: Callable[..., Work], words: tuple[Any, ...]) -> None:
    try:
        work = make(*words)
        pipe.send(("ready",))
        while True:
            pipe.recv()
            before, started = os.times(), time.perf_counter()
            answer = work()
            seconds, after = time.perf_counter() - started, os.times()
            pipe.send(("done", seconds, sum(after[:4]) - sum(before[:4]), answer))
    except EOFError:
        pass
    except BaseException as error:  # noqa: BLE001
        with suppress(OSError):
            pipe.send(("failed", f"{type(error).__name__}: {error}"))


def run_command(
    command: Sequence[str], env: Mapping[str, str] | None = None
) -> tuple[float, float, Watch, str]:
    """Run a command; returns seconds, its processor time, its memory and standard output.

    Raises RuntimeError with the end of standard error if it fails.
    """
    before, started = os.times(), time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env
    )
    with Watch(process.pid) as watch:
        out, err = process.communicate()
    seconds, after = time.perf_counter() - started, os.times()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {err[-2000:]}")
    return seconds, sum(after[2:4]) - sum(before[2:4]), watch, out


def command_way(*command: str) -> Work:
    """Make a way out of a command whose output goes nowhere."""

    def work() -> None:
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)

    return work


def machine() -> dict[str, Any]:
    """Say where and under what load this was measured."""
    model = ""
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="ignore").split("\n")
        model = next((x.split(":")[1].strip() for x in lines if x.startswith("model name")), "")
    return {
        "cores": len(os.sched_getaffinity(0)),
        "processor": model,
        "memory": psutil.virtual_memory().total,
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 2),
        "date": time.strftime("%Y-%m-%d"),
    }
