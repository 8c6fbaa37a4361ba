"""Compare our reader of Stack Exchange dumps with an lxml script that does the same work.

    python benchmarks/read_xml.py [--posts Posts.xml | --megabytes 100 [--from DIR]]

Without --posts a dump is made: the rows of the dumps below --from are written again and again, with
new ids, until the file is large enough. Ours and the peer must give the same candidates before
anything is timed. Packed dumps are timed beside the command that unpacks them, where it is
installed. All ways take turns in one run; medians go to benchmarks/results/read_xml.json.
"""

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import zstandard
from lxml import etree

from pipeline.recipe import Ingest, Limits
from pipeline.sources import stackexchange
from pipeline.sources.base import Tally
from pipeline.sources.opening import bare_name, open_stream

SAMPLE = Path(__file__).parents[1] / "data" / "sample"
RESULTS = Path(__file__).parent / "results" / "read_xml.json"
SITE = "cooking.stackexchange.com"
SETTINGS = Ingest()
_IDS = re.compile(rb' (Id|ParentId|AcceptedAnswerId)="(\d+)"')


def rows_below(folder: Path) -> Iterator[list[bytes]]:
    """Yield the whole rows of each Posts.xml below a folder."""
    for path in sorted(path for path in folder.rglob("*") if bare_name(path) == "Posts.xml"):
        with open_stream(path, Limits(), path.name) as stream:
            lines = [line.rstrip() for line in stream]
        yield [line for line in lines if b"<row " in line and line.endswith(b"/>") and _ok(line)]


def _ok(line: bytes) -> bool:
    try:
        etree.fromstring(line)
    except etree.XMLSyntaxError:
        return False
    return True


def make_dump(folder: Path, size: int, path: Path) -> None:
    """Write a valid Posts.xml of about `size` bytes; each round of the rows has ids of its own."""
    rows, first = [], 0
    for site in rows_below(folder):
        rows += [_moved(row, first) for row in site]
        first += 1 + max((int(found) for row in site for _, found in _IDS.findall(row)), default=0)
    written, round_ = 0, 0
    with path.open("wb") as file:
        file.write(b'\xef\xbb\xbf<?xml version="1.0" encoding="utf-8"?>\n<posts>\n')
        while written < size:
            text = b"".join(_moved(row, round_ * first) + b"\n" for row in rows)
            written += file.write(text)
            round_ += 1
        file.write(b"</posts>\n")


def _moved(row: bytes, by: int) -> bytes:
    return _IDS.sub(lambda found: b' %b="%d"' % (found[1], int(found[2]) + by), row)


def by_lxml(posts: Path) -> dict[int, tuple[int, str, str, str]]:
    """Do the same with iterparse: votes, join, top answer; answer -> votes, title, both texts."""
    limit = SETTINGS.stackexchange.min_votes
    asked: dict[str, tuple[str, str, str | None]] = {}
    answers = []
    for _, row in etree.iterparse(posts, tag="row"):
        kind = row.get("PostTypeId")
        if kind == "2" and int(row.get("Score")) >= limit:
            who = row.get("OwnerUserId"), row.get("OwnerDisplayName"), row.get("ContentLicense")
            date = row.get("CreationDate")
            texts = row.get("ParentId"), row.get("Body")
            answers.append((int(row.get("Id")), int(row.get("Score")), *texts, date, *who))
        elif kind == "1" and row.get("AnswerCount") != "0":
            asked[row.get("Id")] = (row.get("Title"), row.get("Body"), row.get("AcceptedAnswerId"))
        row.clear()
        while row.getprevious() is not None:
            del row.getparent()[0]
    top: dict[str, tuple[tuple[int, bool, int], str]] = {}
    for number, votes, parent, body, *_ in answers:
        if parent in asked:
            key = votes, asked[parent][2] == str(number), -number
            if parent not in top or key > top[parent][0]:
                top[parent] = key, body
    return {
        -key[2]: (key[0], asked[parent][0], asked[parent][1], body)
        for parent, (key, body) in top.items()
    }


def by_ours(dumps: Path) -> pl.DataFrame:
    """Read a dumps folder as `thousand run` does."""
    frames = []
    for found in stackexchange.find(dumps, SETTINGS):
        with tempfile.TemporaryDirectory() as scratch:
            tally = Tally(SETTINGS.limits.max_malformed)
            frames += stackexchange.read(found, SETTINGS, tally, Path(scratch))
    return pl.concat(frames)


def count_lines(posts: Path) -> int:
    """Read the bytes and count the line ends: no reader on one core is faster."""
    count, block = 0, bytearray(1 << 20)
    with posts.open("rb", buffering=0) as file:
        while size := file.readinto(block):
            count += block.count(b"\n", 0, size)
    return count


def same(ours: pl.DataFrame, theirs: dict[int, tuple[int, str, str, str]]) -> bool:
    """Tell whether both give the same answers with the same votes and texts."""
    rows = ours.select("id", "votes", "title", "body", "response").iter_rows()
    return {int(name.rsplit(":", 1)[1]): tuple(rest) for name, *rest in rows} == theirs


def unpack(*command: str | Path) -> Callable[[], object] | None:
    """Return what runs a command whose output goes nowhere; None if it is not installed."""
    if shutil.which(command[0]) is None:
        return None
    return lambda: subprocess.run(command, stdout=subprocess.DEVNULL, check=True)


def ways_of(
    posts: Path, home: Path, archives: bool
) -> dict[str, tuple[Callable[[], object], str | None]]:
    """Lay out the dumps and return name -> (what to time, the name it is compared with)."""
    for kind in ("plain", "zst", "7z"):
        (home / kind / "stackexchange" / SITE).mkdir(parents=True)
    (home / "plain" / "stackexchange" / SITE / "Posts.xml").symlink_to(posts.resolve())
    packed = home / "zst" / "stackexchange" / SITE / "Posts.xml.zst"
    with posts.open("rb") as source, packed.open("wb") as target:
        zstandard.ZstdCompressor(level=3, threads=-1).copy_stream(source, target)
    ways: dict[str, tuple[Callable[[], object], str | None]] = {
        "read the bytes, count line ends": (lambda: count_lines(posts), None),
        "lxml iterparse": (lambda: by_lxml(posts), None),
        "ours, Posts.xml": (lambda: by_ours(home / "plain"), "lxml iterparse"),
    }
    if alone := unpack("zstd", "-dcq", packed):
        ways["zstd -dc, nowhere"] = alone, None
        ways["ours, Posts.xml.zst"] = (lambda: by_ours(home / "zst")), "zstd -dc, nowhere"
    archive = home / "7z" / "stackexchange" / f"{SITE}.7z"
    (archive.parent / SITE).rmdir()
    if archives and (alone := unpack("7z", "x", "-so", archive)):
        source = home / "plain" / "stackexchange" / SITE / "Posts.xml"
        # BZip2 is what Stack Exchange packs with.
        words = ["7z", "a", "-bd", "-bso0", "-m0=BZip2", str(archive), str(source.resolve())]
        subprocess.run(words, check=True)
        if posts.name != "Posts.xml":
            subprocess.run(["7z", "rn", "-bso0", archive, posts.name, "Posts.xml"], check=True)
        ways["7z x -so, nowhere"] = alone, None
        ways["ours, .7z"] = (lambda: by_ours(home / "7z")), "7z x -so, nowhere"
    return ways


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Run `work`; returns seconds, and seconds of processor time, those of commands included."""
    before, started = os.times(), time.perf_counter()
    work()
    seconds, after = time.perf_counter() - started, os.times()
    return seconds, sum(after[:4]) - sum(before[:4])


def table(
    seconds: dict[str, list[float]],
    processor: dict[str, list[float]],
    beside: dict[str, str | None],
    size: int,
) -> str:
    """Write the medians as a Markdown table."""
    median = {name: statistics.median(each) for name, each in seconds.items()}
    lines = [
        "| way | median | from - to | processor | MB/s | beside |",
        "|---|---|---|---|---|---|",
    ]
    for name, each in seconds.items():
        other, ratio = beside[name], ""
        if other:
            faster = median[other] / median[name]
            ratio = f"{faster:.2f} times as fast as {other}"
            if faster < 1.5 and other != "lxml iterparse":
                ratio = f"{1 / faster:.2f} times the time of {other}"
        lines.append(
            f"| {name} | {median[name]:.3f} s | {min(each):.3f} - {max(each):.3f} "
            f"| {statistics.median(processor[name]):.2f} s | {size / 1e6 / median[name]:,.0f} | {ratio} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Check, time, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--posts", type=Path, help="a Posts.xml that is not compressed")
    parser.add_argument("--megabytes", type=int, default=100, help="size of the dump to make")
    parser.add_argument("--from", dest="folder", type=Path, default=SAMPLE, metavar="DIR")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-7z", action="store_true", help="leave out the slow archive")
    words = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        posts = words.posts or home / "Posts.xml"
        if words.posts is None:
            make_dump(words.folder, words.megabytes * 1_000_000, posts)
        size = posts.stat().st_size
        ways = ways_of(posts, home, not words.no_7z)
        theirs = by_lxml(posts)
        for name, (work, _) in ways.items():
            if name.startswith("ours"):
                candidates = work()
                assert isinstance(candidates, pl.DataFrame)
                assert same(candidates, theirs), f"{name} and lxml disagree"
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        processor: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(words.rounds):
            for name, (work, _) in ways.items():
                wall, cores = timed(work)
                seconds[name].append(wall)
                processor[name].append(cores)
        print(
            f"{size / 1e6:.0f} MB, {count_lines(posts):,} lines, {len(theirs):,} candidates, the "
            f"same from all; {words.rounds} rounds; {os.cpu_count()} cores\n"
        )
        print(table(seconds, processor, {name: other for name, (_, other) in ways.items()}, size))
        RESULTS.parent.mkdir(exist_ok=True)
        result = {
            "bytes": size,
            "lines": count_lines(posts),
            "candidates": len(theirs),
            "cores": os.cpu_count(),
            "seconds": seconds,
            "processor_seconds": processor,
        }
        RESULTS.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
