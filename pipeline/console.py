"""What a run shows in a terminal: bars while it works, the funnel at the end.

Everything here goes to standard error, except the answer that the command was asked for.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars
from rich.table import Table

from pipeline.manifest import Manifest
from pipeline.run import Progress, Result

# A stage that takes longer says so often, where no bar can move: about a screen of lines an hour.
_SILENCE = 60.0


class LineProgress(Progress):
    """One line per stage, for logs and pipes; a long stage says in between how far it is."""

    def __init__(self, silence: float = _SILENCE) -> None:
        self._silence = silence  # seconds
        self._since = self._started = self._said = time.perf_counter()
        self._done = self._shards = 0

    def started(self, stage: str, shards: int) -> None:
        self._started = self._said = time.perf_counter()
        self._done, self._shards = 0, shards

    def advanced(self, stage: str) -> None:
        self._done += 1
        now = time.perf_counter()
        if now - self._said < self._silence or self._done == self._shards:
            return
        self._said = now
        left = (now - self._started) / self._done * (self._shards - self._done)
        line = f"{stage:<10} {self._done:,} of {self._shards:,} shards, about {_minutes(left)} left"
        print(line, file=sys.stderr, flush=True)  # noqa: T201 - the terminal's own module

    def finished(self, stage: str, manifest: Manifest, worked: bool) -> None:
        seconds = time.perf_counter() - self._since
        self._since = time.perf_counter()
        how = f"{seconds:.1f} s" if worked else "unchanged"
        line = f"{stage:<10} {manifest.rows_in:>9,} -> {manifest.rows_out:>9,} rows  {how}"
        print(line, file=sys.stderr, flush=True)  # noqa: T201 - the terminal's own module


class BarProgress(Progress):
    """A bar per stage while it works, its line when it is done."""

    def __init__(self, console: Console) -> None:
        self._bars = Bars(
            TextColumn("{task.description:<10}"),
            BarColumn(30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("left"),
            console=console,
            transient=True,
        )
        self._task = self._bars.add_task("starting", total=None)
        self._since = time.perf_counter()

    def __enter__(self) -> "BarProgress":
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def started(self, stage: str, shards: int) -> None:
        self._bars.reset(self._task, description=stage, total=shards)

    def advanced(self, stage: str) -> None:
        self._bars.advance(self._task)

    def finished(self, stage: str, manifest: Manifest, worked: bool) -> None:
        seconds = time.perf_counter() - self._since
        self._since = time.perf_counter()
        how = f"{seconds:.1f} s" if worked else "unchanged"
        self._bars.console.print(
            f"[green]✓[/] {stage:<10} {manifest.rows_in:>9,} → {manifest.rows_out:>9,} rows"
            f"  [dim]{how}[/]",
            highlight=False,
        )


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"


@contextmanager
def show_progress() -> Iterator[Progress]:
    """Give bars in a terminal, lines elsewhere; all on standard error."""
    console = Console(stderr=True)
    if console.is_terminal:
        with BarProgress(console) as bars:
            yield bars
    else:
        yield LineProgress()


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
