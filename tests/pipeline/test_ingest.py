import logging
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipeline import ingest
from pipeline.errors import SourceError
from pipeline.ingest import IngestStage
from pipeline.loading import parse
from pipeline.manifest import Manifest, digest_file
from pipeline.record import RAW
from pipeline.sources import base
from pipeline.stage import InputFile, Shard, ShardStats, outputs, read_dropped, run_stage

QUESTION = '<row Id="{0}" PostTypeId="1" CreationDate="2019-01-01T00:00:00" Score="1" Body="b" Title="t" />'
ANSWER = '<row Id="{0}" PostTypeId="2" ParentId="{1}" CreationDate="2019-01-01T00:00:00" Score="{2}" Body="b" />'


def posts(*rows: str) -> str:
    return "\n".join(["<posts>", *rows, "</posts>"])


def write(dumps: Path, site: str, text: str) -> None:
    folder = dumps / "stackexchange" / site
    folder.mkdir(parents=True)
    (folder / "Posts.xml").write_text(text, encoding="utf-8")


GOOD = posts(
    *(QUESTION.format(n) for n in range(5)), *(ANSWER.format(9 + n, n, 7 + n) for n in range(9))
)


def run(dumps: Path, out: Path, **settings: Any) -> Manifest:
    stage = IngestStage.of(parse({"ingest": settings}, "test"), dumps)
    files = [
        InputFile(path, digest_file(path), label)
        for found in stage.found
        for path, label in zip(found.files, found.labels, strict=True)
    ]
    return run_stage(stage, files, out)[0]


def kept(out: Path) -> pl.DataFrame:
    return pl.concat([pl.read_parquet(file.path) for file in outputs(out)] or [pl.DataFrame()])


def test_the_books_add_up_and_name_each_file(tmp_path: Path) -> None:
    bad = ["<row half"] * 2
    write(tmp_path, "a.example", GOOD)
    write(tmp_path, "b.example", posts(*bad, *(ANSWER.format(n, 1, 0) for n in range(300))))
    out = tmp_path / "out"
    manifest = run(tmp_path, out)
    assert kept(out).schema == RAW
    assert kept(out)["id"].to_list() == ["stackexchange:a:12", "stackexchange:a:13"]
    assert manifest.dropped == {"low_votes": 303, "malformed": 2, "no_question": 4}
    assert manifest.rows_in == manifest.rows_out + sum(manifest.dropped.values())
    facts = manifest.facts["stackexchange-b.example"]
    assert facts["left_out"] == [
        {"file": "stackexchange/b.example/Posts.xml", "reason": "low_votes", "rows": 300}
    ]
    assert facts["rows"] == {"stackexchange/b.example/Posts.xml": 302}
    assert facts["inputs"][0]["bytes"] > 1000
    assert read_dropped(out).collect().rows() == [
        (
            f"malformed:stackexchange/b.example/Posts.xml:{line}",
            "ingest",
            "malformed",
            f"stackexchange/b.example/Posts.xml, line {line}: "
            "no whole row on this line: '<row half'",
        )
        for line in (2, 3)
    ]


def test_a_bad_file_ends_the_run_or_is_skipped_with_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "_MAX_WAITING", 1)
    write(tmp_path, "a.example", GOOD)
    write(
        tmp_path,
        "b.example",
        GOOD.replace("<posts>", "<posts>\n<row half").removesuffix("</posts>"),
    )
    label = "stackexchange/b.example/Posts.xml"
    with pytest.raises(SourceError, match=f"^{label} breaks off"):
        run(tmp_path, tmp_path / "out")
    out = tmp_path / "skipped"
    with caplog.at_level(logging.WARNING):
        manifest = run(tmp_path, out, on_bad_file="skip")
    assert [record.getMessage() for record in caplog.records] == [
        f"skipped: {label} breaks off: there is no </posts> at its end. Download it again."
    ]
    assert set(kept(out)["domain"]) == {"a"}
    assert manifest.facts["stackexchange-b.example"]["skipped"].startswith(label)
    assert "malformed" not in manifest.dropped
    assert len(read_dropped(out).collect()) == 0


def test_many_malformed_rows_are_all_listed_in_bounded_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "_MAX_WAITING", 100)
    write(tmp_path, "a.example", GOOD.replace("</posts>", "x\n" * 1050 + "</posts>"))
    out = tmp_path / "out"
    manifest = run(tmp_path, out, limits={"max_malformed": 1})
    assert manifest.dropped["malformed"] == 1050
    listed = read_dropped(out).collect()
    assert listed["id"].n_unique() == 1050
    assert len(list((out / "dropped").iterdir())) == 11


def test_nothing_is_written_outside_the_folder_of_the_stage(tmp_path: Path) -> None:
    write(tmp_path / "dumps", "..\x1b evil\n.example", GOOD)
    write(tmp_path / "dumps", "..\x1b_evil\n.example", GOOD)
    write(tmp_path / "dumps", "sound.example", GOOD)
    before = sorted(tmp_path.rglob("*"))
    out = tmp_path / "work" / "ingest"
    manifest = run(tmp_path / "dumps", out, on_bad_file="skip")
    assert manifest.rows_out == 2  # two sites have names that can be no host
    after = [path for path in sorted(tmp_path.rglob("*")) if path not in before]
    assert all(path.is_relative_to(tmp_path / "work") for path in after)
    assert all(str(path.relative_to(tmp_path)).isprintable() for path in after)
    assert not list(out.rglob("*scratch*"))


def test_files_of_the_stage_have_bounded_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "_FILE_ROWS", 2)
    write(tmp_path, "a.example", GOOD)
    run(tmp_path, tmp_path / "out", stackexchange={"min_votes": 0})
    rows = [len(pl.read_parquet(file.path)) for file in outputs(tmp_path / "out")]
    assert rows == [2, 2, 1]


def test_a_second_run_reads_nothing_and_changes_nothing(tmp_path: Path) -> None:
    write(tmp_path, "a.example", GOOD)
    out = tmp_path / "out"
    run(tmp_path, out)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    run(tmp_path, out)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before


def test_a_site_that_is_added_or_renewed_is_the_only_one_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dumps, out = tmp_path / "dumps", tmp_path / "out"
    read: list[str] = []
    work = IngestStage.work

    def watched(self: IngestStage, shard: Shard, folder: Path) -> ShardStats:
        read.append(shard.name)
        return work(self, shard, folder)

    monkeypatch.setattr(IngestStage, "work", watched)
    for site in ("a.example", "b.example", "c.example"):
        write(dumps, site, GOOD)
    run(dumps, out)
    assert len(read) == 3
    read.clear()
    write(dumps, "d.example", GOOD)
    run(dumps, out)
    assert read == ["stackexchange-d.example"]
    read.clear()
    path = dumps / "stackexchange" / "b.example" / "Posts.xml"
    path.write_text(GOOD.replace('Body="b"', 'Body="new"'), encoding="utf-8")
    run(dumps, out)
    assert read == ["stackexchange-b.example"]
    assert len(kept(out)) == 8
    assert kept(out).filter(pl.col("response") == "new")["domain"].unique().to_list() == ["b"]


def test_a_folder_without_dumps_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"There is no dumps folder .*; name one with --dumps"):
        run(tmp_path / "none", tmp_path / "out")
    with pytest.raises(
        SourceError, match="holds no dumps: expected one of the folders stackexchange"
    ):
        run(tmp_path, tmp_path / "out")


def test_the_sample_dumps_show_their_planted_rows(
    sample: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        manifest = run(sample, tmp_path, stackexchange={"min_votes": 5, "dialogues": True})
    assert "not_read=1 (meta or skip): gardens.meta.example" in caplog.text
    rows = kept(tmp_path).filter(pl.col("source") == "stackexchange")
    assert set(rows["domain"]) == {"bread", "gardens", "stars", "workbench"}
    assert rows["id"].str.ends_with(":dialogue").sum() == 3
    assert rows["id"].is_unique().all()
    assert rows.select("url", "author", "licence").null_count().sum_horizontal().item() == 0
    assert {"low_votes", "no_answer", "not_a_post", "not_top_answer"} <= set(manifest.dropped)
    assert "stackexchange-gardens.meta.example" not in manifest.facts
