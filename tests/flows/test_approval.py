"""From a schedule to a published folder: the run asks, everything is stopped, a person answers."""

import importlib.util
import shutil
from pathlib import Path
from typing import Any

import pytest

from pipeline.release.verify import verify

from .conftest import Server, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

CHROMIUM = shutil.which("chromium")


def approve_in_the_browser(browser: Any, server: Server, run: str, comment: str) -> None:
    """Answer the form as a person does; nothing but the server may be asked for anything."""
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    page.set_default_timeout(60_000)
    strangers: list[str] = []
    page.on("request", lambda request: strangers.append(request.url))
    page.goto(f"{server.address}/runs/flow-run/{run}")
    page.get_by_role("button", name="Resume").first.click()
    form = page.locator(".p-modal")
    form.get_by_text("74 train, 4 validation, 20 test rows").wait_for()
    assert "duplicates: passed" in form.inner_text()
    form.get_by_role("switch").click()
    form.locator("[role=switch][aria-checked=true]").wait_for()
    form.locator("textarea").fill(comment)
    form.get_by_role("button", name="Submit").click()
    # The form closes when the server has answered, which a busy machine can take long for; the
    # run's own state tells that the answer has come.
    until(lambda: not [r for r in server.runs("PAUSED") if r["id"] == run], 180)
    page.close()
    own = (server.address, "data:", "blob:")
    assert not [url for url in strangers if not url.startswith(own)]


def approve_by_the_api(server: Server, run: str, comment: str) -> None:
    value = {"run_input": {"approve": True, "comment": comment}}
    assert server.ask(f"flow_runs/{run}/resume", value)["status"] == "ACCEPT"


def test_a_scheduled_run_is_published_once_it_is_approved(
    sample: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    server = Server(tmp_path / "prefect")
    out = tmp_path / "published"
    workspace = tmp_path / "workspace"
    words = ["serve", "sample", "--dumps", str(sample), "--workspace", str(workspace)]
    words += ["--publish-to", str(out), "--set", "release.version=1.0.0"]
    with server.running():
        with server.thousand(*words, "--every", "60"):
            (run,) = until(lambda: server.runs("PAUSED"), 300)
        assert run["auto_scheduled"]
        assert run["state_name"] == "Suspended"
        assert not out.exists()
        card = server.artifacts(run["id"])
        assert "# sample" in card["release-card"]["data"]
        assert "duplicates" in card["gates"]["data"]
    # Days later: nothing of it runs any more. A server and a worker are started anew.
    with server.running(), server.thousand(*words, "--every", "86400"):
        (deployment,) = until(lambda: server.ask("deployments/filter", {}), 60)
        assert deployment["global_concurrency_limit"]["limit"] == 1
        assert deployment["parameters"]["settings"][-1] == "select.churn.max_share=0.2"
        if CHROMIUM and importlib.util.find_spec("playwright"):
            browser = request.getfixturevalue("browser")
            approve_in_the_browser(browser, server, run["id"], "read it, like it")
        else:
            approve_by_the_api(server, run["id"], "read it, like it")
        ended = ("COMPLETED", "FAILED", "CRASHED")
        done = until(lambda: [r for r in server.runs(*ended) if r["id"] == run["id"]], 300)[0]
        assert done["state_type"] == "COMPLETED", done["state"]
        said = server.artifacts(run["id"])["approval"]["data"]
    assert "published to" in said
    assert "read it, like it" in said
    place = out / "sample" / "1.0.0"
    assert verify(place).ok
    assert [path.name for path in out.rglob("1.0.0*")] == ["1.0.0"]
