"""Make the pictures of the documents from a real run on data/sample.

    python docs/pictures.py                  funnel, cluster map and lengths
    python docs/pictures.py --screenshots    the Prefect UI, too (needs Chromium on the PATH and playwright)

Everything happens in a temporary workspace; the screenshots come from a server that is started
for them and stopped afterwards.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pipeline.loading import load
from pipeline.mappers import local_mapper
from pipeline.plots import cluster_map, funnel_picture, length_histogram
from pipeline.recipe import Runner
from pipeline.run import Result, Workspace, curate

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "img"
PORT = 4263
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


def draw(result: Result) -> None:
    """Write the pictures that need no server."""
    (IMAGES / "funnel.svg").write_text(funnel_picture(result.funnel, result.splits), "utf-8")
    (IMAGES / "cluster-map.png").write_bytes(cluster_map(Path(result.run)))
    (IMAGES / "lengths.png").write_bytes(length_histogram(Path(result.release)))


def screenshots(folder: Path) -> None:
    """Run the flow on a server of its own and photograph its pages."""
    browser = next((path for name in CHROMIUM if (path := shutil.which(name))), None)
    if browser is None:
        sys.exit("No Chromium on the PATH; install it, or leave out --screenshots.")
    address = f"http://127.0.0.1:{PORT}"
    environment = os.environ | {
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_API_URL": f"{address}/api",
        "PREFECT_UI_API_URL": f"{address}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }
    (folder / "shots").mkdir()
    (folder / "shots" / "cache").symlink_to(folder / "cache")
    prefect = [sys.executable, "-m", "prefect", "server", "start", "--port", str(PORT)]
    server = subprocess.Popen(prefect, env=environment, stdout=subprocess.DEVNULL)
    try:
        _wait_for(f"{address}/api/health")
        words = [sys.executable, "-m", "pipeline", "run", "sample", "--force"]
        words += ["--dumps", str(ROOT / "data" / "sample"), "--workspace", str(folder / "shots")]
        subprocess.run(words, env=environment, check=True, stdout=subprocess.DEVNULL)
        run = _post(f"{address}/api/flow_runs/filter", {"limit": 1})[0]["id"]
        latest = _post(f"{address}/api/artifacts/latest/filter", {})
        for name, page in {"run": f"runs/flow-run/{run}", **_pages(latest)}.items():
            _photograph(browser, f"{address}/{page}", IMAGES / f"ui-{name}.png", folder / "browser")
        _approval(browser, address, folder / "shots", environment)
    finally:
        server.terminate()
        server.wait()


def _approval(browser: str, address: str, workspace: Path, environment: dict[str, str]) -> None:
    """Serve a run that asks before it publishes, and photograph its question."""
    from playwright.sync_api import sync_playwright

    words = [sys.executable, "-m", "pipeline", "serve", "sample", "--every", "60"]
    words += ["--dumps", str(ROOT / "data" / "sample"), "--workspace", str(workspace)]
    serving = subprocess.Popen(
        [*words, "--publish-to", "published"], env=environment, stdout=subprocess.DEVNULL
    )
    try:
        paused = {"flow_runs": {"state": {"type": {"any_": ["PAUSED"]}}}}
        while not (runs := _post(f"{address}/api/flow_runs/filter", paused)):
            time.sleep(1)
    finally:
        serving.terminate()
        serving.wait()
    with sync_playwright() as play:
        window = play.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        page = window.new_page(viewport={"width": 1400, "height": 900})
        page.goto(f"{address}/runs/flow-run/{runs[0]['id']}")
        page.get_by_role("button", name="Resume").first.click()
        page.get_by_text("Gates:").wait_for()
        page.wait_for_timeout(1000)  # the dialogue fades in
        page.screenshot(path=IMAGES / "ui-approval.png")
        window.close()


def _pages(artifacts: list[dict[str, Any]]) -> dict[str, str]:
    return {
        item["key"]: f"artifacts/artifact/{item['latest_id']}"
        for item in artifacts
        if item["key"] in ("funnel", "release-card")
    }


def _photograph(browser: str, page: str, target: Path, profile: Path) -> None:
    words = [
        browser,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
        "--hide-scrollbars",
        f"--user-data-dir={profile}",
        "--window-size=1400,900",
        "--virtual-time-budget=20000",
        f"--screenshot={target}",
        page,
    ]
    subprocess.run(words, check=True, timeout=120, stderr=subprocess.DEVNULL)


def _post(url: str, value: object) -> list[dict[str, Any]]:
    request = urllib.request.Request(
        url, json.dumps(value).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request) as answer:
        found: list[dict[str, Any]] = json.load(answer)
        return found


def _wait_for(url: str, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            urllib.request.urlopen(url).close()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.5)


def main() -> None:
    """Make what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--screenshots", action="store_true", help="photograph the Prefect UI, too")
    arguments = parser.parse_args()
    IMAGES.mkdir(exist_ok=True)
    with TemporaryDirectory(prefix="thousand-pictures-") as folder:
        with local_mapper(Runner()) as mapper:
            draw(curate(load("sample"), ROOT / "data" / "sample", Workspace(Path(folder)), mapper))
        if arguments.screenshots:
            screenshots(Path(folder))


if __name__ == "__main__":
    main()
