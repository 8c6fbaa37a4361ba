"""The flow on a real server: served on a one-minute schedule, watched through the API."""

import itertools
import json
import logging
from pathlib import Path

import pytest

from pipeline.release.verify import verify

from .conftest import Server, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


def test_a_scheduled_run_ends_and_its_artifacts_come_back(
    server: Server, sample: Path, tmp_path: Path
) -> None:
    workspace = tmp_path / "workspace"
    words = ["serve", "sample", "--every", "60"]
    words += ["--dumps", str(sample), "--workspace", str(workspace)]
    with server.thousand(*words):
        runs = until(lambda: server.runs("COMPLETED", "FAILED", "CRASHED"), 240)
    run = runs[0]
    assert run["state_type"] == "COMPLETED", run["state"]
    assert run["auto_scheduled"]
    assert run["name"] == "curate sample"
    tasks = server.ask(
        "task_runs/filter", {"flow_runs": {"id": {"any_": [run["id"]]}}, "limit": 200}
    )
    names = {task["name"].split(" · ")[0] for task in tasks}
    assert {"ingest", "filter", "dedup", "embed", "select", "release"} <= names
    shown = server.artifacts(run["id"])
    assert set(shown) == {
        *("progress", "funnel", "gates", "release-card", "release", "report"),
        *("cluster-map", "lengths"),
    }
    assert "report" in shown["report"]["data"]
    logs = server.ask("logs/filter", {"logs": {"flow_run_id": {"any_": [run["id"]]}}})
    assert any(line["message"].startswith("stage=dedup shard=all") for line in logs)
    assert float(shown["progress"]["data"]) == 100
    assert "# sample" in shown["release-card"]["data"]
    assert shown["cluster-map"]["data"].startswith("data:image/png;base64,iVBOR")
    assert json.loads(shown["funnel"]["data"])[0]["stage"] == "ingest"
    (release,) = (workspace / "releases" / "sample").iterdir()
    assert verify(release).ok


def test_a_long_stage_moves_the_progress_while_it_works(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect import flow
    from prefect.settings import PREFECT_API_URL, PREFECT_LOGGING_TO_API_ENABLED, temporary_settings

    from flows import artifacts

    monkeypatch.setattr(artifacts, "_SECONDS_BEFORE", 0)

    @flow
    def works() -> None:
        progress = artifacts.Artifacts(["ingest", "embed", "select"], logging.getLogger())
        progress.started("embed", 4)
        progress.advanced("embed")

    with temporary_settings({PREFECT_API_URL: server.api, PREFECT_LOGGING_TO_API_ENABLED: False}):
        works()
    (shown,) = server.ask("artifacts/filter", {})
    assert shown["description"] == "embed: 1 of 4 shards are done."
    assert float(shown["data"]) == 100 * 1.25 / 4


def test_with_skip_a_run_is_cancelled_while_another_one_goes_on(
    server: Server, sample: Path, tmp_path: Path
) -> None:
    words = ["serve", "sample", "--every", "10", "--when-busy", "skip"]
    words += ["--dumps", str(sample), "--workspace", str(tmp_path / "workspace")]
    with server.thousand(*words):
        until(lambda: server.runs("CANCELLED") and server.runs("COMPLETED"), 240)
    spans = sorted(
        (run["start_time"], run["end_time"]) for run in server.runs("COMPLETED", "FAILED")
    )
    assert all(ended <= started for (_, ended), (started, _) in itertools.pairwise(spans))
    assert server.runs("FAILED", "CRASHED") == []
