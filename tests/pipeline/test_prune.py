import os
import time
from pathlib import Path

import pytest

from pipeline.errors import CurationError
from pipeline.loading import load
from pipeline.prune import prune
from pipeline.run import Workspace

DAYS = {"runs": 30, "caches": 30, "blocked": 30}


def write(path: Path, days: float) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x" * 10)
    when = time.time() - days * 86400
    os.utime(path, (when, when))
    os.utime(path.parent, (when, when))
    return path


@pytest.fixture
def space(tmp_path: Path) -> Path:
    write(tmp_path / "runs" / "old" / "select" / "manifest.json", 40)
    write(tmp_path / "runs" / "new" / "ingest" / "manifest.json", 40)
    write(tmp_path / "runs" / "new" / "select" / "manifest.json", 5)
    write(tmp_path / "cache" / "embeddings" / "m" / "old.parquet", 40)
    write(tmp_path / "cache" / "embeddings" / "m" / "new.parquet", 5)
    write(tmp_path / "blocked" / "set" / "1.0.0" / "manifest.json", 40)
    write(tmp_path / "blocked" / "set" / "1.0.0.report.html", 40)
    write(tmp_path / "releases" / "set" / "0.1.0" / "manifest.json", 4000)
    return tmp_path


def paths(space: Path) -> list[str]:
    return sorted(p.relative_to(space).as_posix() for p in space.rglob("*") if p.is_file())


def test_old_things_go_and_releases_never(space: Path):
    before = paths(space)
    dry = prune(space, **DAYS, dry_run=True)
    assert paths(space) == before
    done = prune(space, **DAYS)
    assert done.gone == dry.gone
    assert done.freed == 40
    assert [(Path(i["path"]).name, i["days"]) for i in done.gone] == [
        ("old", 40),
        ("1.0.0", 40),
        ("1.0.0.report.html", 40),
        ("old.parquet", 40),
    ]
    assert paths(space) == [
        "cache/embeddings/m/new.parquet",
        "releases/set/0.1.0/manifest.json",
        "runs/new/ingest/manifest.json",
        "runs/new/select/manifest.json",
    ]
    assert prune(space, **DAYS).gone == []


def test_a_run_that_somebody_works_in_stays(space: Path):
    recipe = load("lima").model_copy(update={"name": "old"})
    with Workspace(space).locked(recipe):
        done = prune(space, **DAYS)
    assert done.in_use == [str(space / "runs" / "old")]
    assert (space / "runs" / "old" / "select" / "manifest.json").exists()


def test_links_are_not_followed(space: Path, tmp_path_factory: pytest.TempPathFactory):
    other = tmp_path_factory.mktemp("other")
    kept = write(other / "select" / "manifest.json", 90)
    (space / "runs" / "link").symlink_to(other)
    prune(space, **DAYS)
    assert kept.exists()


def test_a_workspace_that_is_not_there(tmp_path: Path):
    with pytest.raises(CurationError, match="There is no workspace"):
        prune(tmp_path / "none", **DAYS)
