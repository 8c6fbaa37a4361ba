"""The report: its numbers are the release's, and nothing in it acts or asks for anything."""

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from pipeline.errors import GateError, ReleaseError
from pipeline.manifest import read_manifest
from pipeline.recipe import Gates
from pipeline.release.build import build
from pipeline.release.folder import report_file
from pipeline.release.verify import verify
from pipeline.report.write import write, write_once
from pipeline.run import release as release_of

STAGES = ["ingest", "clean", "filter", "dedup", "pool", "embed", "cluster", "score", "select"]


class Page(HTMLParser):
    """Collects the elements, the attributes and the text of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.words = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


@pytest.fixture
def release(run, tiny, tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.report.book.stage_names", lambda recipe: STAGES)
    return build(run, tiny, tmp_path / "releases", stages=STAGES).path


def test_it_stands_outside_of_the_release_and_changes_nothing_in_it(release, tmp_path):
    before = {path: path.read_bytes() for path in release.rglob("*") if path.is_file()}
    written = write(release)
    assert written == tmp_path / "reports" / "tiny" / f"{release.name}.html"
    assert before == {path: path.read_bytes() for path in release.rglob("*") if path.is_file()}
    assert verify(release).ok


def test_what_the_run_warned_of_stands_at_the_top(release):
    path = release / "manifest.json"
    manifest = json.loads(path.read_text())
    said = ["The judge marked 4 of 5 rows; the others have no mark: <no_verdict> 1."]
    path.write_text(json.dumps(manifest | {"warnings": said}))
    text = Page(write(release).read_text()).text
    assert text.index(said[0]) < text.index("The funnel")


def test_the_funnel_is_that_of_the_manifest(release):
    text = Page(write(release).read_text()).text
    for line in json.loads((release / "manifest.json").read_text())["funnel"]:
        said = f"{line['stage']} {line['rows_in']:,} {line['rows_out']:,}"
        assert said in text
        assert all(f"{code} {rows}" in text for code, rows in line["dropped"].items())
    assert "27 characters, 1200 are asked for" in text  # a sample row of too_short
    assert "How do I do thing 3 well?" in text  # with its title, from the run


def test_pairs_controls_and_times_come_from_the_run(release, run):
    text = Page(write(release).read_text()).text
    assert "0.83 response Pipes | and" in text
    assert "How do I do thing 4 well? (stackexchange:cooking:4)" in text
    assert "Rows that votes would have picked and this release did not" in text
    seconds = sum(manifest.seconds for name in STAGES if (manifest := read_manifest(run / name)))
    assert f"{seconds:.1f} seconds of work" in text


def test_what_a_gate_blocks_has_a_report_that_says_so(run, tiny, tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.report.book.stage_names", lambda recipe: STAGES)
    monkeypatch.setattr("pipeline.run.stage_names", lambda recipe: STAGES)
    strict = tiny.model_copy(update={"gates": Gates(licences=["CC-BY-SA-*", "CC0-*"])})
    with pytest.raises(GateError) as error:
        release_of(strict, run, tmp_path / "releases")
    written = report_file(error.value.kept)
    assert str(error.value).endswith(f"The report: {written}")
    assert written == error.value.kept.with_name(f"{error.value.kept.name}.report.html")
    text = Page(written.read_text()).text
    assert "A gate blocks this release." in text
    assert "licences failed 1 of 5 rows with a licence other than" in text
    assert "(reddit:AskReddit:x7) LicenseRef-Reddit" in text
    assert "0.83 response Pipes | and" in text  # also what only the run knows


def test_every_picture_has_its_table(release):
    page = write(release).read_text()
    pictures = page.count("<svg")
    assert pictures > 8
    assert page.count("The same as a table") == pictures
    assert len(re.findall(r'<svg[^>]*aria-label="[^"]+"', page)) == pictures


def test_markup_of_a_row_is_text_and_nothing_is_asked_of_a_server(release):
    page = Page(write(release).read_text())
    assert page.tags.count("script") == 2
    assert "<script>alert(1)</script>" in page.text
    assert not {name for name, _ in page.attributes if name.startswith("on")}
    targets = [value for name, value in page.attributes if name in ("href", "src", "action")]
    assert all(value.startswith(("#", "data:,")) for value in targets)


def test_the_same_release_gives_the_same_report(release):
    assert write(release).read_bytes() == write(release).read_bytes()


def test_without_its_run_it_tells_what_the_release_knows(release, run):
    shutil.rmtree(run)
    page = Page(write(release).read_text())
    assert "The run that made this release is not there any more" in page.text
    assert "map" not in dict(page.attributes).values()
    assert "too_short" in page.text


def test_a_run_that_went_on_is_not_taken_for_the_releases(release, run):
    path = run / "select" / "manifest.json"
    value = json.loads(path.read_text())
    value["files"][0]["sha256"] = "0" * 64
    path.write_text(json.dumps(value))
    assert "not there any more" in write(release).read_text()


def test_a_run_writes_it_once(release):
    path = write_once(release, fresh=True)
    path.write_text("read")
    assert write_once(release, fresh=False).read_text() == "read"
    assert report_file(release) == path


def test_a_release_that_lies_elsewhere_has_its_report_beside_it(release, tmp_path):
    moved = tmp_path / "copies" / "v1"
    shutil.copytree(release, moved)
    assert write(moved) == tmp_path / "copies" / "v1.report.html"
    assert "not there any more" in (tmp_path / "copies" / "v1.report.html").read_text()


def test_a_folder_that_is_no_release_is_refused(tmp_path: Path):
    with pytest.raises(ReleaseError, match="no release"):
        write(tmp_path, tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()
