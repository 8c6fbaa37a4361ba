"""Photograph the pages of the documents from a real run on data/sample: report and review.

    python docs/pages.py        needs Chromium on the PATH and the extra dev

Everything happens in a temporary workspace.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Page, sync_playwright

from pipeline.loading import load
from pipeline.mappers import local_mapper
from pipeline.recipe import Runner
from pipeline.run import Result, Workspace, curate

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "img"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextmanager
def browser(scheme: str, height: int = 900) -> Iterator[Page]:
    """Open a page in Chromium, in light or dark."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        sys.exit("No Chromium on the PATH; install it (apt-get install chromium).")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield chromium.new_page(
            viewport={"width": 1100, "height": height},
            color_scheme="dark" if scheme == "dark" else "light",
        )
        chromium.close()


def photograph_report(report: Path) -> None:
    """Take the head of the report in light, and its map in dark."""
    with browser("light", 1060) as page:
        page.goto(report.as_uri())
        page.screenshot(path=IMAGES / "report.png")
    with browser("dark", 9000) as page:  # all of it, so that nothing sticks over the picture
        page.goto(report.as_uri())
        page.focus("#map")
        for _ in range(12):
            page.keyboard.press("ArrowRight")
        page.locator("#topics").screenshot(path=IMAGES / "report-map.png")


def photograph_review(workspace: Path) -> None:
    """Serve the page for a moment and take it in light."""
    words = [sys.executable, "-m", "pipeline", "review", "--workspace", str(workspace)]
    words += ["--reviewer", "ada", "--port", "0"]
    server = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        address = server.stdout.readline().split()[-1]
        with browser("light", 820) as page:
            page.goto(address)
            page.wait_for_selector("#row:not([hidden])")
            page.keyboard.press("a")
            page.wait_for_selector("#rows .accept")
            page.locator("#rows button", has_text="telescope").first.click()
            page.wait_for_load_state("networkidle")
            page.screenshot(path=IMAGES / "review.png")
    finally:
        server.kill()
        server.wait()


def main() -> None:
    """Run the sample and photograph its pages."""
    with TemporaryDirectory(prefix="thousand-pages-") as parent:
        folder = Path(parent) / "workspace"
        with local_mapper(Runner()) as mapper:
            place = Workspace(folder)
            result: Result = curate(load("sample"), ROOT / "data" / "sample", place, mapper)
        photograph_report(Path(result.report))
        photograph_review(place.root)


if __name__ == "__main__":
    main()
