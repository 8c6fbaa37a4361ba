import json
import os
import subprocess
import sys

import polars as pl
import pytest

from pipeline.errors import ReleaseError
from pipeline.manifest import digest_file
from pipeline.record import DROPPED
from pipeline.release import decisions, folder
from pipeline.release.build import build

from .conftest import PICKED, ROWS, STAGES, candidate, make_run


@pytest.fixture(autouse=True)
def day(monkeypatch):
    from datetime import date

    monkeypatch.setattr(folder, "today", lambda: date(2026, 11, 22))


def with_version(recipe, version):
    return recipe.model_copy(
        update={"release": recipe.release.model_copy(update={"version": version})}
    )


def digests(path):
    files = (file for file in sorted(path.rglob("*")) if file.is_file())
    return {file.relative_to(path).as_posix(): digest_file(file) for file in files}


def test_loads_with_no_arguments_and_no_network(run, tiny, tmp_path):
    built = build(run, tiny, tmp_path / "releases", stages=STAGES)
    script = (
        "import sys, json, datasets; d = datasets.load_dataset(sys.argv[1]);"
        "assert len({str(s.features) for s in d.values()}) == 1;"
        "print(json.dumps([{k: v.num_rows for k, v in d.items()}, d['test'][0]['response'],"
        " d['validation'][0]['messages'], str(d['train'].features['prompt'])]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(built.path)],
        env=os.environ | {"HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows, response, chat, kind = json.loads(done.stdout.splitlines()[-1])
    assert rows == {"train": 3, "validation": 1, "test": 1} == built.rows
    assert response is None
    assert [turn["role"] for turn in chat] == ["system", "user", "assistant", "user", "assistant"]
    assert "'string'" in kind


def test_an_empty_split_has_no_file_and_the_rest_loads(tmp_path, tiny):
    picked = {name: "train" for name in PICKED if not name.startswith("reddit")}
    run = make_run(tmp_path, [row for row in ROWS if row["response"] is not None], picked=picked)
    built = build(run, tiny, tmp_path / "releases", stages=STAGES)
    assert [file.name for file in (built.path / "data").iterdir()] == ["train.parquet"]
    assert "validation.parquet" not in (built.path / "README.md").read_text(encoding="utf-8")


def test_decisions_tell_of_every_candidate_once(run, tiny, tmp_path):
    built = build(run, tiny, tmp_path / "releases", stages=STAGES)
    table = pl.read_parquet(built.path / "decisions.parquet")
    assert table["id"].n_unique() == len(table) == len(ROWS) + 1
    assert table.filter(pl.col("verdict") == "kept")["id"].to_list() == sorted(PICKED)
    assert table.row(0) == (
        "malformed:cooking/Posts.xml:9",
        "ingest",
        "dropped",
        "malformed",
        "an attribute has no end",
    )
    assert table.row(-1) == (
        "stackexchange:stem:1", "select", "kept", None, "train, rank 1 in stem"
    )  # fmt: skip


def test_same_run_same_bytes_and_no_second_release(run, tiny, tmp_path):
    first = build(run, tiny, tmp_path / "releases", stages=STAGES)
    again = build(run, tiny, tmp_path / "releases", stages=STAGES)
    assert again.existed
    assert again.path == first.path
    elsewhere = build(make_run(tmp_path / "b"), tiny, tmp_path / "b", stages=STAGES)
    one, two = digests(first.path), digests(elsewhere.path)
    del one["manifest.json"], two["manifest.json"]
    assert one == two


def test_a_changed_run_takes_the_next_version(run, tiny, tmp_path):
    build(run, tiny, tmp_path / "releases", stages=STAGES)
    changed = make_run(tmp_path, left_out=4)
    built = build(changed, tiny, tmp_path / "releases", stages=STAGES)
    assert (built.version, built.existed) == ("2026.11.22.2", False)


def test_the_manifest_names_what_it_was_made_with(run, tiny, tmp_path):
    built = build(run, tiny, tmp_path / "releases", stages=STAGES)
    made = folder.read(built.path)["made_with"]
    assert made["python"] == sys.version.split()[0]
    assert made["packages"]["polars"] == pl.__version__
    assert "hypothesis" not in made["packages"], "what only an extra needs decides no row"


def test_never_overwritten_without_force(run, tiny, tmp_path):
    fixed = with_version(tiny, "1.0")
    old = build(run, fixed, tmp_path / "releases", stages=STAGES)
    before = digests(old.path)
    run = make_run(tmp_path, left_out=4)
    with pytest.raises(ReleaseError, match=r"1\.0 exists .* --force"):
        build(run, fixed, tmp_path / "releases", stages=STAGES)
    assert digests(old.path) == before
    new = build(run, fixed, tmp_path / "releases", stages=STAGES, force=True)
    assert digests(new.path)["manifest.json"] != before["manifest.json"]
    assert [path.name for path in new.path.parent.iterdir()] == ["1.0"]


def test_killed_before_the_rename_leaves_nothing_to_see(run, tiny, tmp_path):
    script = (
        "import os, sys; sys.path[:0] = sys.argv[3:];"
        "from pathlib import Path; import pipeline.release.build as b; from pipeline import loading as recipe;"
        "b.write_json = lambda *args: os._exit(9);"
        "b.build(Path(sys.argv[1]), recipe.Recipe(name='tiny'), Path(sys.argv[2]),"
        f" stages={STAGES!r})"
    )
    releases = tmp_path / "releases"
    done = subprocess.run(
        [sys.executable, "-c", script, str(run), str(releases), *sys.path], check=False
    )
    assert done.returncode == 9
    assert all(path.name.startswith(".") for path in (releases / "tiny").iterdir())
    assert folder.versions(releases / "tiny") == []
    assert build(run, tiny, releases, stages=STAGES).version == "2026.11.22"


def test_killed_between_two_renames_the_old_one_comes_back(run, tiny, tmp_path):
    fixed = with_version(tiny, "1.0")
    old = build(run, fixed, tmp_path / "releases", stages=STAGES)
    old.path.rename(old.path.with_name(".1.0.replaced"))
    assert build(run, fixed, tmp_path / "releases", stages=STAGES).existed


@pytest.mark.parametrize("column", ["url", "author", "licence"])
def test_no_attribution_no_release(tmp_path, tiny, column):
    rows = [candidate(1), candidate(2, **{column: " "})]
    run = make_run(tmp_path, rows, {}, dict.fromkeys([row["id"] for row in rows], "train"))
    with pytest.raises(ReleaseError, match=rf"^stackexchange:cooking:2 .* no {column}"):
        build(run, tiny, tmp_path / "releases", stages=STAGES)
    assert not list((tmp_path / "releases").rglob("*"))


def test_books_that_do_not_add_up_are_refused(run, tiny, tmp_path):
    (run / "filter" / "dropped" / "cooking.parquet").unlink()
    with pytest.raises(ReleaseError, match="books of filter list 0 rows, its manifest says 1"):
        build(run, tiny, tmp_path / "releases", stages=STAGES)
    assert list((tmp_path / "releases" / "tiny").iterdir()) == []


def test_row_groups_do_not_show_how_the_books_were_split(tmp_path, monkeypatch):
    monkeypatch.setattr(decisions, "_BLOCK", 4)
    lines = [(f"a:{n}", "filter", "too_short", "short") for n in range(11)]
    kept = pl.DataFrame(schema={"id": pl.String, "split": pl.String, "rank": pl.Int64})
    found = []
    for name, borders in {"one": [11], "many": [1, 2, 8, 11]}.items():
        books = tmp_path / name / "filter" / "dropped"
        books.mkdir(parents=True)
        for start, end in zip([0, *borders], borders, strict=False):
            part = pl.DataFrame(lines[start:end], DROPPED, orient="row")
            part.write_parquet(books / f"{start:02d}.parquet")
        decisions.write(tmp_path / name, ["filter"], kept, tmp_path / f"{name}.parquet")
        found.append(digest_file(tmp_path / f"{name}.parquet"))
    assert found[0] == found[1]
    assert pl.read_parquet(tmp_path / "one.parquet")["id"].to_list() == [x[0] for x in lines]


def test_semantic_versions_raise_the_minor_number(run, tiny, tmp_path):
    counted = tiny.release.model_copy(update={"numbering": "semantic"})
    recipe = tiny.model_copy(update={"release": counted})
    releases = tmp_path / "releases"
    assert build(run, recipe, releases, stages=STAGES).version == "1.0.0"
    assert build(run, recipe, releases, stages=STAGES).existed
    other = recipe.model_copy(update={"description": "another"})
    second = build(run, other, releases, stages=STAGES)
    assert second.version == "1.1.0"
    changes = (second.path / folder.CHANGES).read_text(encoding="utf-8")
    assert changes.startswith("# From tiny 1.0.0 to tiny 1.1.0\n\n0 added, 0 dropped, 0 edited")
    named = with_version(other, "2.0.0")
    assert build(run, named, releases, stages=STAGES).version == "2.0.0"
    assert folder.next_version(releases / "tiny", "semantic") == "2.1.0"
