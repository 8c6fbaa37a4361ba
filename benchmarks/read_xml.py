"""Read a dump of Stack Exchange: ours beside an lxml script that does the same work.

A dump is made of varied rows (benchmarks/dumps.py), so that it packs about as well as a real one. Filter by votes, join answers to questions, the top answer of each, all
texts out: ours and the script must give the same candidates. Packed dumps are timed beside the
command that unpacks them, where it is installed.
"""

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
import zstandard

from benchmarks import dumps
from benchmarks.timing import Claim, Result, Way, Work, command_way, machine, race
from pipeline.recipe import Ingest
from pipeline.sources import stackexchange
from pipeline.sources.base import Tally

SITE = "cooking.stackexchange.com"
SETTINGS = Ingest()
LINES, LXML = "read the bytes, count line ends", "lxml iterparse"
ZSTD, SEVEN = "zstd -dc, nowhere", "7z x -so, nowhere"
PLAIN, PACKED, ARCHIVE = "ours, Posts.xml", "ours, Posts.xml.zst", "ours, .7z"
_BYTES_PER_POST = 1_350

Candidates = dict[int, tuple[int, str, str, str]]  # answer: votes, title, both texts


def candidates_by_lxml(posts: Path) -> Candidates:
    """Do the same with iterparse: votes, join, top answer; answer -> votes, title, both texts."""
    from lxml import etree

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


def digest(candidates: Candidates) -> tuple[int, str]:
    """Return the number of candidates and a digest of all of them."""
    text = repr(sorted(candidates.items()))
    return len(candidates), hashlib.sha256(text.encode()).hexdigest()


def by_lxml(posts: Path) -> Work:
    """What most people would write."""
    return lambda: len(candidates_by_lxml(posts))


def read_dumps(folder: Path) -> pl.DataFrame:
    """Read a dumps folder as `thousand run` does."""
    frames = []
    for found in stackexchange.find(folder, SETTINGS):
        with tempfile.TemporaryDirectory() as scratch:
            tally = Tally(SETTINGS.limits.max_malformed)
            frames += stackexchange.read(found, SETTINGS, tally, Path(scratch))
    return pl.concat(frames)


def by_ours(folder: Path) -> Work:
    """Read a folder."""
    return lambda: len(read_dumps(folder))


def ours_as_lxml(folder: Path) -> Candidates:
    """Return what we read in the form of the script's answer."""
    rows = read_dumps(folder).select("id", "votes", "title", "body", "response").iter_rows()
    return {int(name.rsplit(":", 1)[1]): tuple(rest) for name, *rest in rows}


def by_counting(posts: Path) -> Work:
    """Read the bytes and count the line ends: no reader on one core is faster."""

    def work() -> int:
        count, block = 0, bytearray(1 << 20)
        with posts.open("rb", buffering=0) as file:
            while size := file.readinto(block):
                count += block.count(b"\n", 0, size)
        return count

    return work


def lay_out(posts: Path, home: Path, archive: bool) -> list[Way]:
    """Pack the dump and return all ways."""
    for kind in ("plain", "zst"):
        (home / kind / "stackexchange" / SITE).mkdir(parents=True)
    (home / "plain" / "stackexchange" / SITE / "Posts.xml").symlink_to(posts.resolve())
    packed = home / "zst" / "stackexchange" / SITE / "Posts.xml.zst"
    with posts.open("rb") as source, packed.open("wb") as target:
        zstandard.ZstdCompressor(level=3, threads=-1).copy_stream(source, target)
    ways = [
        Way(LINES, by_counting, (posts,)),
        Way(LXML, by_lxml, (posts,)),
        Way(PLAIN, by_ours, (home / "plain",)),
    ]
    if shutil.which("zstd"):
        ways.append(Way(ZSTD, command_way, ("zstd", "-dcq", str(packed))))
    ways.append(Way(PACKED, by_ours, (home / "zst",)))
    if archive and shutil.which("7z"):
        (home / "7z" / "stackexchange").mkdir(parents=True)
        path = home / "7z" / "stackexchange" / f"{SITE}.7z"
        # BZip2 is what Stack Exchange packs with.
        words = ["7z", "a", "-bd", "-bso0", "-m0=BZip2", str(path), str(posts.resolve())]
        subprocess.run(words, check=True)
        ways.append(Way(SEVEN, command_way, ("7z", "x", "-so", str(path)), 3))
        ways.append(Way(ARCHIVE, by_ours, (home / "7z",), 3))
    return ways


def run(
    home: Path,
    rounds: int,
    megabytes: int = 100,
    source: Path = dumps.SAMPLE,
    archive: bool = True,
) -> Result:
    """Check, then measure all ways."""
    maker = dumps.Maker(dumps.read_threads(source), np.random.default_rng(0))
    maker.site(home / "made", "cooking", megabytes * 1_000_000 // _BYTES_PER_POST)
    posts = home / "made" / "Posts.xml"
    ways = lay_out(posts, home, archive)
    theirs = digest(candidates_by_lxml(posts))
    checked = []
    for way in ways:
        if way.make is by_ours:
            if digest(ours_as_lxml(way.words[0])) != theirs:
                raise SystemExit(f"{way.name} and lxml disagree.")
            checked.append(
                f"{way.name}: the same {theirs[0]:,} candidates as the script, texts included"
            )
    measured, answers = race(ways, rounds)
    names = {way.name for way in ways}
    claims = [Claim(PLAIN, LXML, faster=6), Claim(PLAIN, LINES, note="the limit")]
    if ZSTD in names:
        claims.append(Claim(PACKED, ZSTD, at_most=1.3))
    if ARCHIVE in names:
        claims.append(Claim(ARCHIVE, SEVEN, at_most=1.3))
    absent = [name for name in ("zstd", "7z") if not shutil.which(name)]
    facts = {"bytes": posts.stat().st_size, "lines": answers[LINES], "not_installed": absent}
    what = f"{posts.stat().st_size / 1e6:.0f} MB of Posts.xml, {answers[LINES]:,} lines"
    return Result("read_xml", "Read XML", what, measured, claims, checked, facts, machine())
