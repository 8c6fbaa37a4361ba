"""What a run says while it works."""

import io
import time

import pytest
from rich.console import Console

from pipeline import console
from pipeline.console import BarProgress, LineProgress


def test_a_long_stage_says_how_far_it_is(capsys: pytest.CaptureFixture[str]):
    said, until = "", time.monotonic() + 20
    with LineProgress(seconds_between=0.2) as progress:
        progress.started("dedup", 1)
        while "dedup      0 of 1 shards\n" not in said and time.monotonic() < until:
            said += capsys.readouterr().err
        progress.started("embed", 10)
        for _ in range(4):
            progress.advanced("embed")
        while (
            "embed      4 of 10 shards, about 0 s left\n" not in said and time.monotonic() < until
        ):
            said += capsys.readouterr().err
    assert "dedup      0 of 1 shards\n" in said
    assert "embed      4 of 10 shards, about 0 s left\n" in said


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
