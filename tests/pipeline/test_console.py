"""What a run says while it works."""

import io
import re
import time
from types import SimpleNamespace
from typing import cast

import pytest
from rich.console import Console

from pipeline import console
from pipeline.console import BarProgress, LineProgress
from pipeline.manifest import Manifest

DONE = cast(Manifest, SimpleNamespace(rows_in=1, rows_out=1, seconds=2.0))


def test_a_long_stage_says_how_far_it_is(capsys: pytest.CaptureFixture[str]):
    said = ""

    def wait_for(pattern: str) -> None:
        nonlocal said
        until = time.monotonic() + 20
        while not re.search(f"^{pattern}$", said, re.MULTILINE):
            assert time.monotonic() < until, said
            time.sleep(0.02)
            said += capsys.readouterr().err

    with LineProgress(seconds_between=0.2) as progress:
        progress.started("dedup", 1)
        wait_for("dedup      0 of 1 shards")
        progress.finished("dedup", DONE, True)
        progress.started("embed", 10)
        for _ in range(4):
            progress.advanced("embed")
        wait_for(r"embed      4 of 10 shards, about \d+ s left")
        progress.finished("embed", DONE, True)
        time.sleep(0.5)
    # Nothing more once a stage is done.
    assert capsys.readouterr().err.endswith("embed              1 ->         1 rows  2.0 s\n")


def test_shards_that_end_together_are_counted_from_the_beginning(monkeypatch: pytest.MonkeyPatch):
    now = 0.0
    monkeypatch.setattr(console.time, "perf_counter", lambda: now)
    with BarProgress(Console(file=io.StringIO(), force_terminal=True)) as progress:
        progress.started("embed", 12)
        now = 180.0
        for _ in range(3):
            progress.advanced("embed")
        now = 190.0
        (task,) = progress._bars.tasks
        assert task.completed == 3
        assert task.fields["left"] == "about 9 min left"
        now = 360.0
        for _ in range(8):
            progress.advanced("embed")
        assert task.fields["left"] == "about 33 s left"
        progress.started("select", 1)
        assert task.fields["left"] == ""
