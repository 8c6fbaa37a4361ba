"""What a run says while it works."""

from itertools import count

import pytest

from pipeline import console
from pipeline.console import LineProgress


def test_a_long_stage_says_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    clock = count(0, 40)  # seconds at each look
    monkeypatch.setattr(console.time, "perf_counter", lambda: float(next(clock)))
    progress = LineProgress()
    progress.started("embed", 10)
    for _ in range(10):
        progress.advanced("embed")
    lines = capsys.readouterr().err.splitlines()
    # Each time a minute has gone by, and not for the last shard: its line follows.
    assert lines[0] == "embed      2 of 10 shards, about 5 min left"
    assert [line.split()[1] for line in lines] == ["2", "4", "6", "8"]
    assert lines[-1].endswith("about 80 s left")
