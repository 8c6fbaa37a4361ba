"""What a run shows in a terminal: bars while it works, the funnel at the end.

Everything here goes to standard error, except the answer that the command was asked for.
"""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.table import Table

from pipeline.manifest import Manifest
from pipeline.run import Progress, Result

# Where no bar can move, a stage says so often that it is still at work.
_SECONDS_BETWEEN = 60.0


class LineProgress(Progress):
    """One line per stage, for logs and pipes; within the context a long stage says how far it is."""

    def __init__(self, seconds_between: float = _SECONDS_BETWEEN) -> None:
        self._seconds_between = seconds_between
        self._work: _Work | None = None
        self._end = threading.Event()

    def __enter__(self) -> "LineProgress":
        threading.Thread(target=self._beat, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()

    def _beat(self) -> None:
        while not self._end.wait(self._seconds_between):
            work = self._work
            if work and time.perf_counter() - work.began >= self._seconds_between:
                left = f", {work.left()}" if work.done else ""
                _print(f"{work.stage:<10} {work.done:,} of {work.shards:,} shards{left}")

    def started(self, stage: str, shards: int) -> None:
        self._work = _Work(stage, shards)

    def advanced(self, stage: str) -> None:
        if self._work:
            self._work.advance()

    def finished(self, stage: str, manifest: Manifest, worked: bool) -> None:
        self._work = None
        how = f"{manifest.seconds:.1f} s" if worked else "unchanged"
        _print(f"{stage:<10} {manifest.rows_in:>9,} -> {manifest.rows_out:>9,} rows  {how}")


class BarProgress(Progress):
    """A bar per stage while it works, its line when it is done."""

    def __init__(self, console: Console) -> None:
        self._bars = Bars(
            TextColumn("{task.description:<10}"),
            BarColumn(30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            console=console,
            transient=True,
        )
        self._task = self._bars.add_task("starting", total=None, left="")
        self._work = _Work("starting", 0)

    def __enter__(self) -> "BarProgress":
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def started(self, stage: str, shards: int) -> None:
        self._work = _Work(stage, shards)
        self._bars.reset(self._task, description=stage, total=shards, left="")

    def advanced(self, stage: str) -> None:
        self._work.advance()
        self._bars.update(self._task, advance=1, left=self._work.left())

    def finished(self, stage: str, manifest: Manifest, worked: bool) -> None:
        how = f"{manifest.seconds:.1f} s" if worked else "unchanged"
        self._bars.console.print(
            f"[green]✓[/] {stage:<10} {manifest.rows_in:>9,} → {manifest.rows_out:>9,} rows"
            f"  [dim]{how}[/]",
            highlight=False,
        )


class _Work:
    """How far a stage is. Shards may end several at a time, so time is counted from its beginning."""

    def __init__(self, stage: str, shards: int) -> None:
        self.stage, self.shards, self.done = stage, shards, 0
        self.began = self._last = time.perf_counter()

    def advance(self) -> None:
        self.done += 1
        self._last = time.perf_counter()

    def left(self) -> str:
        """Say how long the rest takes, at the pace so far; a shard that takes longer slows it."""
        now, rest = time.perf_counter(), self.shards - self.done
        at_the_pace = (self._last - self.began) / self.done * rest - (now - self._last)
        at_best = (now - self.began) / (self.done + 1) * (rest - 1)
        seconds = max(at_the_pace, at_best)
        unit = f"{seconds / 60:.0f} min" if seconds >= 90 else f"{max(seconds, 0):.0f} s"
        return f"about {unit} left"


def _print(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201 - the terminal's own module


@contextmanager
def show_progress() -> Iterator[Progress]:
    """Give bars in a terminal, lines elsewhere; all on standard error."""
    console = Console(stderr=True)
    with BarProgress(console) if console.is_terminal else LineProgress() as progress:
        yield progress


@contextmanager
def row_bar(rows: int) -> Iterator[Callable[[int], None]]:
    """Draw a bar of rows on standard error; gives the function that moves it."""
    with Bars(console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("rows", total=rows)
        yield lambda count: bars.advance(task, count)


def funnel_table(result: Result) -> Table:
    """Draw the funnel: rows in and out of each stage, and what left why."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("stage")
    table.add_column("in", justify="right")
    table.add_column("out", justify="right")
    table.add_column("left, by reason")
    for line in result.funnel:
        reasons = sorted(line.dropped.items(), key=lambda item: (-item[1], item[0]))
        said = ", ".join(f"{reason} {count:,}" for reason, count in reasons)
        table.add_row(line.stage, f"{line.rows_in:,}", f"{line.rows_out:,}", said)
    return table


def print_result(result: Result, console: Console) -> None:
    """Print the funnel, the groups, what is short, and where the release is."""
    console.print(funnel_table(result))
    console.print()
    groups = ", ".join(f"{group} {count:,}" for group, count in result.groups.items())
    splits = ", ".join(f"{split} {count:,}" for split, count in result.splits.items())
    console.print(f"[bold]{result.rows:,} training rows[/]: {escape(groups)}", highlight=False)
    console.print(f"splits: {splits}", highlight=False)
    for line in shortfall_lines(result):
        console.print(f"[yellow]short:[/] {escape(line)}", highlight=False)
    for sentence in result.skipped:
        console.print(f"[yellow]skipped:[/] {escape(sentence)}", highlight=False)
    if result.unscored:
        console.print(
            f"[yellow]unscored:[/] {result.unscored:,} picked rows have no quality: they lack every "
            "part that score.weights counts, and stand behind all others",
            highlight=False,
        )
    for sentence in result.warnings:
        console.print(f"[yellow]warning:[/] {escape(sentence)}", highlight=False)
    again = " (unchanged)" if result.unchanged else ""
    console.print(f"release: [bold]{escape(result.release)}[/]{again}", highlight=False)
    if result.report:
        console.print(f"report: {escape(result.report)}", highlight=False)
    console.print(f"{result.seconds:.1f} s", highlight=False)


def shortfall_lines(result: Result) -> list[str]:
    """Say which group is short by how much, and which rules took most of its rows."""
    lines = []
    for short in result.shortfall:
        most = ", ".join(f"{reason} {count:,}" for reason, count in short["because"])
        why = f"; most of its rows left as {most}" if most else ""
        why = why or ("" if short["got"] else "; the dumps hold none")
        lines.append(
            f"{short['split']}: {short['group']} has {short['got']:,} of {short['wanted']:,} rows, "
            f"{short['missing']:,} missing{why}"
        )
    return lines
