"""Write the report of a release: one HTML file that opens offline.

It stands outside of the release's folder: it holds times and rows that were not released, and a
release has the same bytes whenever and however fast it was made.
"""

from pathlib import Path
from typing import Any

from pipeline.html.page import render
from pipeline.manifest import write_atomic
from pipeline.release.folder import report_file
from pipeline.report import sections
from pipeline.report.book import Book, read

HERE = Path(__file__).parent


def write(release: Path, out: Path | None = None) -> Path:
    """Write the report and return its path; raises ReleaseError if the folder is no release."""
    target = out or report_file(release)
    text = page(read(release))
    target.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(target, text)
    return target


def write_once(release: Path, *, fresh: bool) -> Path:
    """Write the report of a run: anew for a fresh release, else only where it is missing."""
    target = report_file(release)
    return write(release) if fresh or not target.is_file() else target


def page(book: Book) -> str:
    """Lay out the page."""
    run = book.run
    values: dict[str, Any] = {
        "manifest": book.manifest,
        "why_no_run": book.why_no_run,
        "overview": sections.overview(book),
        "funnel": sections.stages(book),
        "groups": sections.groups(book),
        "distributions": sections.distributions(book),
        "topics": sections.topics(book, run) if run else None,
        "neighbours": sections.neighbours(run) if run else None,
        "quality": sections.quality(book),
        "controls": sections.controls(book),
        "duplicates": sections.duplicates(run) if run else None,
        "licences": sections.licences(book),
        "timings": sections.timings(run) if run else None,
    }
    data = {"points": values["topics"]["points"] if run else []}
    script = (HERE / "report.js").read_text(encoding="utf-8")
    return render(HERE / "report.html", values, script=script, data=data)
