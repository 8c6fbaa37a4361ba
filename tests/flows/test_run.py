"""The whole way on data/sample: a release, true books, the same bytes however it is run."""

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from rich.console import Console

from pipeline.console import print_result
from pipeline.loading import load
from pipeline.manifest import digest_file
from pipeline.mappers import local_mapper
from pipeline.recipe import Runner
from pipeline.record import REASONS
from pipeline.release.verify import verify
from pipeline.run import Result, Workspace, curate, stage_names
from pipeline.stage import read_dropped

THOUSAND = [sys.executable, "-m", "pipeline"]


def release_digests(release: Path) -> dict[str, str]:
    """Digests of all that must not differ: not the manifest and card, which tell the time."""
    return {
        path.relative_to(release).as_posix(): digest_file(path)
        for path in sorted(release.rglob("*"))
        if path.is_file() and path.name not in ("manifest.json", "README.md")
    }


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return Workspace(tmp_path_factory.mktemp("workspace"))


@pytest.fixture(scope="module")
def done(space: Workspace, sample: Path) -> Result:
    with local_mapper(Runner(kind="threads", workers=2)) as mapper:
        return curate(load("sample"), sample, space, mapper)


def test_the_sample_gives_a_sound_release(done: Result) -> None:
    assert done.rows >= 60
    assert sum(done.groups.values()) == done.rows == 74
    assert done.shortfall == []
    assert done.unscored == 0
    report = verify(Path(done.release))
    assert report.ok, report.render()


def test_rows_that_no_counted_part_can_judge_are_told(sample: Path, tmp_path: Path) -> None:
    """Only `accepted` has weight, and most sources have no such mark."""
    none = [f"score.weights.{name}=0" for name in ("votes", "structure", "length", "fit", "judge")]
    recipe = load("sample", [*none, "score.weights.accepted=1"])
    found = curate(recipe, sample, Workspace(tmp_path))
    rows = pl.concat(
        pl.read_parquet(file) for file in Path(found.release).glob("data/[tv]*.parquet")
    )
    assert found.unscored == rows.filter(pl.col("split") != "test")["quality"].null_count() > 0
    card = (Path(found.release) / "README.md").read_text(encoding="utf-8")
    assert f"{found.unscored:,} training and validation rows have no `quality`" in card
    console = Console(width=200, record=True, file=io.StringIO())
    print_result(found, console)
    assert f"unscored: {found.unscored} picked rows have no quality" in console.export_text()


def test_the_books_are_complete(done: Result, space: Workspace) -> None:
    run = Path(done.run)
    candidates = pl.concat(
        pl.read_parquet(path, columns=["id"]) for path in sorted((run / "ingest").glob("*.parquet"))
    )
    decisions = pl.read_parquet(Path(done.release) / "decisions.parquet")
    decided = decisions.filter(pl.col("reason").is_null() | (pl.col("reason") != "malformed"))
    assert sorted(decided["id"]) == sorted(candidates["id"])
    assert decided["id"].is_unique().all()
    assert set(decisions["reason"].drop_nulls()) <= set(REASONS)
    for before, after in zip(done.funnel, done.funnel[1:], strict=False):
        assert before.rows_out == after.rows_in
    for line in done.funnel:
        assert line.rows_in == line.rows_out + sum(line.dropped.values())
        assert set(line.dropped) <= set(REASONS)


# The sample names no evaluation set, and has no table, which alone could hold rows of a model.
NOT_HERE = {"contaminated", "model_origin"}
BY_PEOPLE = {"rejected"}


def test_the_sample_shows_the_reasons(done: Result) -> None:
    seen = {reason for line in done.funnel for reason in line.dropped}
    assert seen == set(REASONS) - NOT_HERE - BY_PEOPLE


def test_a_second_run_does_nothing(done: Result, space: Workspace, sample: Path) -> None:
    again = curate(load("sample"), sample, space)
    assert again.unchanged
    assert again.release == done.release
    assert [path.name for path in Path(done.release).parent.iterdir()] == [Path(done.release).name]


def test_explain_tells_a_picked_a_copied_and_a_filtered_row(done: Result) -> None:
    from pipeline.explain import explain

    stages = stage_names(load("sample"))
    run = Path(done.run)
    decisions = pl.read_parquet(Path(done.release) / "decisions.parquet")
    for reason, said in [
        (None, "train"),
        ("duplicate_near", "nearly the same"),
        ("too_short", "characters, at least"),
    ]:
        rows = decisions.filter(
            pl.col("reason").is_null() if reason is None else pl.col("reason") == reason
        )
        story = explain(run, rows["id"][0], stages).render()
        assert said in story
        assert "found in" in story or "read from" in story


def test_two_runs_of_a_recipe_cannot_share_a_folder(space: Workspace, done: Result) -> None:
    from pipeline.errors import StageError

    recipe = load("sample")
    with (
        space.locked(recipe),
        pytest.raises(StageError, match="Another process"),
        space.locked(recipe),
    ):
        pass


def command(sample: Path, workspace: Path, *words: str) -> list[str]:
    return [
        *THOUSAND, "run", "sample", "--dumps", str(sample), "--workspace", str(workspace), *words
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    "way", [["--plain", "--runner", "processes"], ["--runner", "processes"], []]
)
def test_every_way_of_running_gives_the_same_bytes(
    way: list[str], done: Result, sample: Path, tmp_path: Path
) -> None:
    answer = subprocess.run(
        command(sample, tmp_path, "--json", *way),
        env=os.environ | {"PREFECT_HOME": str(tmp_path / "prefect")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    value: dict[str, Any] = json.loads(answer.stdout)
    assert release_digests(Path(value["release"])) == release_digests(Path(done.release))


@pytest.mark.slow
def test_killed_in_every_stage_it_goes_on_to_the_same_bytes(
    done: Result, sample: Path, space: Workspace, tmp_path: Path
) -> None:
    # The vectors are there already, so that the test is not mostly embedding.
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "embeddings").symlink_to(space.cache / "embeddings")
    kills = 0
    for stage in ["nothing", *stage_names(load("sample"))]:
        process = subprocess.Popen(
            command(sample, tmp_path, "--plain"),
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stderr is not None
        if stage != "nothing":
            for line in process.stderr:
                if line.startswith(stage):
                    break
        else:
            while not (tmp_path / "runs" / "sample" / "ingest").exists() and process.poll() is None:
                pass
        process.send_signal(signal.SIGKILL)
        process.communicate()
        kills += process.returncode == -signal.SIGKILL
    assert kills >= 11
    answer = subprocess.run(
        command(sample, tmp_path, "--plain", "--json"), capture_output=True, text=True, check=True
    )
    value = json.loads(answer.stdout)
    assert release_digests(Path(value["release"])) == release_digests(Path(done.release))
    names = {path.name for path in Path(value["release"]).parent.iterdir()}
    assert {name for name in names if not name.startswith(".")} == {Path(value["release"]).name}


@pytest.mark.slow
def test_real_dumps_give_exactly_what_was_asked(shared: Path, tmp_path: Path) -> None:
    """A small release of all kinds of real sources; the pool is small, so that it takes a minute."""
    recipe = load("relaxed", ["pool.factor=1.5"], size=100)
    with local_mapper(Runner(workers=2)) as mapper:
        result = curate(recipe, shared / "dumps", Workspace(tmp_path), mapper)
    assert result.rows == 100
    rows = pl.read_parquet(Path(result.release) / "data" / "train.parquet")
    assert set(rows["source"]) == {"stackexchange", "wikihow", "reddit"}
    for column in ("author", "url", "licence"):
        assert rows[column].str.len_chars().min() > 0
    decisions = pl.scan_parquet(Path(result.release) / "decisions.parquet")
    assert decisions.select(pl.col("id").is_unique().all()).collect().item()
    assert verify(Path(result.release)).ok
    assert read_dropped(Path(result.run) / "filter").collect().height > 1000
