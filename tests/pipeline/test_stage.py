"""How a stage runs: skipping, resuming, sweeping, and books that add up."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
import pytest
from pydantic import BaseModel

from pipeline.errors import StageError
from pipeline.manifest import digest_file, read_manifest
from pipeline.stage import InputFile, Shard, ShardStats, outputs, run_stage


class Settings(BaseModel, frozen=True):
    factor: int = 2


CALLS: list[str] = []


@dataclass(frozen=True)
class Multiply:
    """A stage that multiplies numbers and drops the negative ones."""

    settings: Settings = field(default_factory=Settings)
    name: str = field(default="multiply", init=False)
    version: int = field(default=1, init=False)

    def plan(self, inputs: Sequence[InputFile]) -> list[Shard]:
        return [Shard(entry.path.stem, (entry,)) for entry in inputs]

    def work(self, shard: Shard, out: Path) -> ShardStats:
        CALLS.append(shard.name)
        frame = pl.read_parquet(shard.files[0].path)
        kept = frame.filter(pl.col("n") >= 0) * self.settings.factor
        kept.write_parquet(out / f"{shard.name}.parquet")
        lost = len(frame) - len(kept)
        return ShardStats(len(frame), len(kept), {"negative": lost} if lost else {})


@pytest.fixture
def inputs(tmp_path: Path) -> list[InputFile]:
    CALLS.clear()
    entries = []
    for name, numbers in {"a": [1, 2], "b": [-1, 5], "c": [7]}.items():
        path = tmp_path / f"{name}.parquet"
        pl.DataFrame({"n": numbers}).write_parquet(path)
        entries.append(InputFile(path, digest_file(path), name))
    return entries


def renewed(entry: InputFile, numbers: list[int]) -> InputFile:
    pl.DataFrame({"n": numbers}).write_parquet(entry.path)
    return InputFile(entry.path, digest_file(entry.path), entry.label)


def test_a_finished_stage_is_not_run_again(inputs: list[InputFile], tmp_path: Path) -> None:
    out = tmp_path / "multiply"
    first, worked = run_stage(Multiply(), inputs, out)
    again, worked_again = run_stage(Multiply(), inputs, out)
    assert (worked, worked_again) == (True, False)
    assert CALLS == ["a", "b", "c"]
    assert first == again
    assert (first.rows_in, first.rows_out, first.dropped) == (5, 4, {"negative": 1})
    assert [entry.path.name for entry in outputs(out)] == ["a.parquet", "b.parquet", "c.parquet"]


def test_a_changed_input_costs_only_its_own_shard(inputs: list[InputFile], tmp_path: Path) -> None:
    out = tmp_path / "multiply"
    run_stage(Multiply(), inputs, out)
    CALLS.clear()
    inputs[1] = renewed(inputs[1], [9])
    manifest, _ = run_stage(Multiply(), inputs, out)
    assert CALLS == ["b"]
    assert manifest.rows_in == 4


def test_a_changed_setting_runs_every_shard(inputs: list[InputFile], tmp_path: Path) -> None:
    out = tmp_path / "multiply"
    run_stage(Multiply(), inputs, out)
    CALLS.clear()
    run_stage(Multiply(Settings(factor=3)), inputs, out)
    assert CALLS == ["a", "b", "c"]
    assert pl.read_parquet(out / "c.parquet")["n"].to_list() == [21]


def test_the_largest_shard_begins_first(inputs: list[InputFile], tmp_path: Path) -> None:
    inputs[1] = renewed(inputs[1], list(range(10_000)))
    manifest, _ = run_stage(Multiply(), inputs, tmp_path / "multiply")
    assert CALLS[0] == "b"
    assert [file.path for file in manifest.files] == ["a.parquet", "b.parquet", "c.parquet"]


def test_what_no_shard_made_is_swept_out(inputs: list[InputFile], tmp_path: Path) -> None:
    out = tmp_path / "multiply"
    run_stage(Multiply(), inputs, out)
    (out / ".scratch-b").mkdir()
    (out / ".scratch-b" / "half.parquet").write_bytes(b"half")
    run_stage(Multiply(), inputs[:2], out)
    left = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert left == {
        "a.parquet",
        "b.parquet",
        "manifest.json",
        "receipts/a.json",
        "receipts/b.json",
    }


def test_a_lost_or_cut_file_is_made_again(inputs: list[InputFile], tmp_path: Path) -> None:
    out = tmp_path / "multiply"
    run_stage(Multiply(), inputs, out)
    CALLS.clear()
    (out / "a.parquet").unlink()
    (out / "b.parquet").write_bytes((out / "b.parquet").read_bytes()[:-1])
    run_stage(Multiply(), inputs, out)
    assert CALLS == ["a", "b"]


def test_a_stage_that_dies_goes_on_where_it_stopped(
    inputs: list[InputFile], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "multiply"
    work = Multiply.work

    def dies(self: Multiply, shard: Shard, folder: Path) -> ShardStats:
        if shard.name == "b":
            (folder / "b.parquet").write_bytes(b"half a file")
            raise KeyboardInterrupt
        return work(self, shard, folder)

    with monkeypatch.context() as patch:
        patch.setattr(Multiply, "work", dies)
        with pytest.raises(KeyboardInterrupt):
            run_stage(Multiply(), inputs, out)
    assert read_manifest(out) is None
    with pytest.raises(StageError, match="not complete"):
        outputs(out)
    CALLS.clear()
    resumed, _ = run_stage(Multiply(), inputs, out)
    assert CALLS == ["b", "c"]
    fresh, _ = run_stage(Multiply(), inputs, tmp_path / "fresh" / "multiply")
    assert resumed.files == fresh.files


def test_books_that_do_not_add_up_are_refused() -> None:
    with pytest.raises(StageError, match="3 rows came in, 1 went on, 1 were dropped"):
        ShardStats(3, 1, {"too_short": 1})


def test_a_broken_manifest_says_what_to_do(inputs: list[InputFile], tmp_path: Path) -> None:
    out = tmp_path / "multiply"
    run_stage(Multiply(), inputs, out)
    value = json.loads((out / "manifest.json").read_text())
    del value["files"]
    (out / "manifest.json").write_text(json.dumps(value))
    with pytest.raises(StageError, match="delete the folder and run again"):
        run_stage(Multiply(), inputs, out)
