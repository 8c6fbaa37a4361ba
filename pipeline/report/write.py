"""Write the report of a release: one HTML file that opens offline.

It stands outside of the release's folder: it holds times and rows that were not released, and a
release has the same bytes whenever and however fast it was made.
"""

from pathlib import Path
from typing import Any

from pipeline.html.page import render
from pipeline.manifest import write_atomic
from pipeline.release.folder import report_file
from pipeline.report import books, rows, space
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
        "overview": books.overview(book),
        "funnel": books.stages(book),
        "gates": books.gates(book),
        "groups": rows.groups(book),
        "distributions": rows.distributions(book),
        "topics": space.topics(book, run) if run else None,
        "neighbours": space.neighbours(run) if run else None,
        "quality": rows.quality(book),
        "controls": space.controls(book),
        "duplicates": books.duplicates(run) if run else None,
        "licences": rows.licences(book),
        "timings": books.timings(run) if run else None,
    }
    data = {"points": values["topics"]["points"] if run else []}
    script = (HERE / "report.js").read_text(encoding="utf-8")
    return render(HERE / "report.html", values, script=script, data=data)
