import bz2
import gzip
import io
import lzma
import tarfile
from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import py7zr
import pytest
import zstandard
from polars.testing import assert_frame_equal

from pipeline.errors import SourceError
from pipeline.recipe import Ingest, Limits
from pipeline.record import RAW
from pipeline.sources import sites, spool, stackexchange
from pipeline.sources.base import Tally
from pipeline.sources.stackexchange import reader

SITE = "cooking.stackexchange.com"


def row(number: int, kind: int, *, score: int = 10, **more: object) -> str:
    """Write a row as the official dumps do; `more` adds attributes, None leaves one out."""
    values: dict[str, object] = {
        "Id": number,
        "PostTypeId": kind,
        "CreationDate": "2019-01-01T00:00:00.000",
        "Score": score,
        "Body": f"&lt;p&gt;{number}&lt;/p&gt;",
        "OwnerUserId": 5,
        **more,
    }
    written = "".join(f' {key}="{value}"' for key, value in values.items() if value is not None)
    return f"  <row{written} />"


def question(number: int, **more: object) -> str:
    return row(number, 1, **{"Title": f"Q{number}", "Tags": "&lt;a&gt;", **more})


def answer(number: int, parent: int, score: int = 10, **more: object) -> str:
    return row(number, 2, score=score, ParentId=parent, **more)


def table(name: str, *rows: str) -> str:
    lines = ['\ufeff<?xml version="1.0" encoding="utf-8"?>', f"<{name}>", *rows, f"</{name}>"]
    return "\n".join(lines)


def user(number: int, name: str) -> str:
    return f'  <row Id="{number}" Reputation="1" DisplayName="{name}" />'


def write(dumps: Path, *rows: str, users: tuple[str, ...] = (), site: str = SITE) -> Path:
    folder = dumps / "stackexchange" / site
    folder.mkdir(parents=True)
    (folder / "Posts.xml").write_text(table("posts", *rows), encoding="utf-8")
    if users:
        (folder / "Users.xml").write_text(table("users", *users), encoding="utf-8")
    return folder


def settings(**stack: Any) -> Ingest:
    return Ingest.model_validate({"stackexchange": stack})


def read(dumps: Path, ingest: Ingest | None = None) -> tuple[pl.DataFrame, Counter[str]]:
    """Read all sites of a dumps folder; returns the rows and what was left out, by reason."""
    ingest = ingest or settings()
    frames, reasons = [pl.DataFrame(schema=RAW)], Counter[str]()
    for found in stackexchange.find(dumps, ingest):
        tally = Tally(ingest.limits.max_malformed)
        frames += stackexchange.read(found, ingest, tally, dumps / ".scratch")
        for (_, reason), count in tally.left_out.items():
            reasons[reason] += count
        reasons["malformed"] += len(tally.malformed)
    return pl.concat(frames), +reasons


def ids(frame: pl.DataFrame) -> list[str]:
    return [text.removeprefix("stackexchange:cooking:") for text in frame["id"]]


def test_the_top_answer_is_by_votes_as_numbers_then_accepted_then_lower_id(tmp_path: Path) -> None:
    write(
        tmp_path,
        question(1),
        *(answer(10 + n, 1, score) for n, score in enumerate((9, 85, 120))),
        question(2, AcceptedAnswerId=22),
        *(answer(20 + n, 2, 30) for n in range(4)),
        question(3, AcceptedAnswerId=31),
        answer(31, 3, -4),
        answer(33, 3, 12),
        answer(32, 3, 12),
        question(4, AcceptedAnswerId=41),
        answer(41, 4, -2),
    )
    frame, reasons = read(tmp_path)
    assert ids(frame) == ["12", "22", "32"]
    assert frame["accepted"].to_list() == [False, True, False]
    assert reasons == {"low_votes": 3, "not_top_answer": 5}


def test_what_is_left_out_is_counted_by_reason(tmp_path: Path) -> None:
    write(
        tmp_path,
        question(1, AnswerCount=0),
        *(row(2 + kind, kind, Body="") for kind in (3, 4, 5, 6, 7)),
        answer(20, 404),
        question(30, ClosedDate="2020-01-01T00:00:00.000"),
        answer(31, 30),
    )
    frame, reasons = read(tmp_path)
    assert ids(frame) == ["31"]
    assert reasons == {"no_answer": 1, "not_a_post": 5, "no_question": 1}
    frame, reasons = read(tmp_path, settings(closed=False))
    assert ids(frame) == []
    assert reasons == {"no_answer": 1, "not_a_post": 5, "no_question": 1, "removed": 1}


def test_names_urls_and_tags(tmp_path: Path) -> None:
    write(
        tmp_path,
        question(1, OwnerUserId=-1, Title="A &lt;b&gt; &amp;amp; c", Tags="|oven|c++|"),
        answer(2, 1, OwnerUserId=7),
        question(
            3, OwnerUserId=None, OwnerDisplayName="user &amp; co", Tags="&lt;a&gt;&lt;b-c&gt;"
        ),
        answer(4, 3, OwnerUserId=None, OwnerDisplayName=" "),
        users=(user(-1, "Community"), user(7, "O&#39;Neil &quot;Z&quot; &#x1F600;"), user(8, "no")),
    )
    frame, _ = read(tmp_path)
    first, second = frame.rows(named=True)
    site = f"https://{SITE}"
    assert (first["author"], first["author_url"]) == ('O\'Neil "Z" \U0001f600', f"{site}/users/7")
    assert (first["prompt_author"], first["prompt_author_url"]) == ("Community", f"{site}/users/-1")
    assert (first["url"], first["prompt_url"]) == (f"{site}/a/2", f"{site}/q/1")
    assert (first["title"], first["response"]) == ("A <b> &amp; c", "<p>2</p>")
    assert (second["author"], second["author_url"]) == ("anonymous", None)
    assert (second["prompt_author"], second["prompt_author_url"]) == ("user & co", None)
    assert frame["tags"].to_list() == [["oven", "c++"], ["a", "b-c"]]


@pytest.mark.parametrize(
    ("day", "named", "licence"),
    [
        ("2011-04-07T23:59:59.999", None, "CC BY-SA 2.5"),
        ("2011-04-08T00:00:00.000", None, "CC BY-SA 3.0"),
        ("2018-05-01T23:59:59.999", "", "CC BY-SA 3.0"),
        ("2018-05-02T00:00:00.000", None, "CC BY-SA 4.0"),
        ("2008-01-01T00:00:00.000", "CC BY-SA 4.0", "CC BY-SA 4.0"),
    ],
)
def test_the_licence_is_the_named_one_else_by_date(
    day: str, named: str | None, licence: str, tmp_path: Path
) -> None:
    write(tmp_path, question(1), answer(2, 1, CreationDate=day, ContentLicense=named))
    frame, _ = read(tmp_path)
    assert frame["licence"].to_list() == [licence]


POSTS = (question(1), answer(2, 1), question(3), answer(4, 3, 40), answer(5, 3, 50))
USERS = (user(5, "Ann"),)


def test_plain_packed_and_archived_dumps_give_the_same_rows(tmp_path: Path) -> None:
    folder = write(tmp_path / "plain", *POSTS, users=USERS)
    wanted, _ = read(tmp_path / "plain")
    assert wanted["author"].to_list() == ["Ann", "Ann"]
    packers = {
        ".zst": zstandard.compress,
        ".gz": gzip.compress,
        ".xz": lzma.compress,
        ".bz2": bz2.compress,
    }
    for suffix, pack in packers.items():
        other = tmp_path / suffix / "stackexchange" / SITE
        other.mkdir(parents=True)
        for file in folder.iterdir():
            (other / (file.name + suffix)).write_bytes(pack(file.read_bytes()))
        assert_frame_equal(read(tmp_path / suffix)[0], wanted)
    for name, groups in {
        "one": [(SITE + ".7z", ["Posts.xml", "Users.xml"])],
        "users first": [(SITE + ".7z", ["Users.xml", "Posts.xml"])],
        "split": [
            (SITE + "-Users.7z", ["Users.xml"]),
            (SITE + "-Posts.7z", ["Posts.xml"]),
            (SITE + "-Badges.7z", ["Posts.xml"]),
        ],
    }.items():
        other = tmp_path / name / "stackexchange"
        other.mkdir(parents=True)
        for archive, members in groups:
            with py7zr.SevenZipFile(other / archive, "w") as packed:
                for member in members:
                    packed.write(folder / member, member)
        assert_frame_equal(read(tmp_path / name)[0], wanted)


def test_attributes_in_alphabetical_order_read_the_same(tmp_path: Path) -> None:
    write(tmp_path / "a", *POSTS)
    turned = []
    for text in POSTS:
        parts = text.removeprefix("  <row ").removesuffix(" />").split('" ')
        turned.append("<row " + '" '.join(sorted(p.removesuffix('"') for p in parts)) + '"/>')
    write(tmp_path / "b", *turned)
    assert_frame_equal(read(tmp_path / "b")[0], read(tmp_path / "a")[0])


def test_of_two_dumps_each_post_is_as_the_newest_has_it(tmp_path: Path) -> None:
    write(
        tmp_path,
        *(question(n, AcceptedAnswerId=n + 10) for n in (1, 2, 3)),
        answer(11, 1, 50),
        answer(12, 2, 60),
        answer(13, 3, 70),
        users=(user(5, "Old"),),
        site=f"{SITE}__2017-03",  # the time of the last post decides, not the name
    )
    late = "2020-01-01T00:00:00.000"
    write(
        tmp_path,
        question(1, Title="New"),
        answer(11, 1, 80, Body="new"),
        question(2),
        answer(12, 2, 3),  # fell below the limit
        question(4, CreationDate=late),
        answer(14, 4, 20, CreationDate=late),
        users=(user(5, "New"),),
        site=f"{SITE}__2014-05",
    )
    assert len(stackexchange.find(tmp_path, settings())) == 1
    frame, reasons = read(tmp_path)
    assert ids(frame) == ["11", "13", "14"]
    assert frame["title"].to_list() == ["New", "Q3", "Q4"]
    assert frame["votes"].to_list() == [80, 70, 20]
    assert frame["response"][0] == "new"
    assert frame["accepted"].to_list() == [False, True, False]
    assert frame["author"].to_list() == ["New"] * 3
    assert frame["votes_rank"].null_count() == 0
    assert reasons == {"superseded": 2, "low_votes": 1}


def test_an_archive_beside_its_unpacked_folder_is_a_second_dump(tmp_path: Path) -> None:
    folder = write(tmp_path, *POSTS)
    with py7zr.SevenZipFile(tmp_path / "stackexchange" / f"{SITE}.7z", "w") as packed:
        packed.write(folder / "Posts.xml", "Posts.xml")
    frame, reasons = read(tmp_path)
    assert ids(frame) == ["2", "5"]
    assert reasons == {"superseded": 3, "not_top_answer": 1}


def test_a_table_that_is_there_twice_in_one_dump_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path, *POSTS)
    (folder / "Posts.xml.gz").write_bytes(gzip.compress((folder / "Posts.xml").read_bytes()))
    with pytest.raises(SourceError, match=r"Posts\.xml\.gz: .* second time .* keep one of the two"):
        read(tmp_path)


def test_meta_sites_and_skipped_ones_are_named_and_not_read(tmp_path: Path) -> None:
    for site in ("cooking.meta.stackexchange.com", "english.stackexchange.com", "meta.x.com", SITE):
        write(tmp_path, *POSTS, site=site)
    only_cooking = settings(sites={"english": "skip"})
    assert [f.name for f in stackexchange.find(tmp_path, only_cooking)] == [f"stackexchange-{SITE}"]
    assert stackexchange.left_out(tmp_path, only_cooking) == [
        "cooking.meta.stackexchange.com",
        "english.stackexchange.com",
        "meta.x.com",
    ]
    assert len(stackexchange.find(tmp_path, settings(meta=True))) == 4


def test_the_table_of_sites_has_the_numbers_of_the_paper() -> None:
    assert Counter(sites.table().values()) == {"stem": 75, "other": 99, "skip": 5}
    groups = {host: sites.group_of(host, settings().stackexchange) for host in (
        "stackoverflow.com", "cooking.stackexchange.com", "unheard.of", "meta.stackexchange.com"
    )}  # fmt: skip
    assert list(groups.values()) == ["stem", "other", "other", None]


def comment(number: int, post: int, user: int | None, text: str | None) -> str:
    who = "" if user is None else f' UserId="{user}"'
    what = "" if text is None else f' Text="{text}"'
    return f'  <row Id="{number}" PostId="{post}" Score="0"{what}{who} />'


def test_dialogues_are_made_of_turns_of_asker_and_answerer(tmp_path: Path) -> None:
    folder = write(
        tmp_path,
        question(1, OwnerUserId=8),
        answer(2, 1, OwnerUserId=9),
        question(3, OwnerUserId=8),
        answer(4, 3, OwnerUserId=9),
    )
    rows = (
        comment(14, 2, 8, "@Ann: and butter?"),
        comment(11, 2, 8, "Which flour?"),
        comment(12, 2, 7, "Me too."),
        comment(13, 2, 9, "Rye &amp;lt;1000&amp;gt;."),
        comment(15, 2, 9, "No."),
        comment(16, 2, 9, "Never."),
        comment(17, 2, 8, "Thanks"),
        comment(18, 2, 8, None),
        comment(21, 4, 8, "Why?"),
        comment(22, 4, 9, "So."),
        *(comment(100 + n, 2, 7, "x") for n in range(200)),
    )
    (folder / "Comments.xml").write_text(table("comments", *rows), encoding="utf-8")
    frame, reasons = read(tmp_path, settings(dialogues=True))
    assert ids(frame) == ["2:dialogue", "4"]
    turns = frame["history"][0].to_list()
    assert [turn["role"] for turn in turns] == ["user", "assistant", "user", "assistant"]
    assert turns[2]["content"] == "Which flour?"
    assert (frame["body"][0], frame["response"][0]) == ("and butter?", "No.\n\nNever.")
    assert frame["history"][1].to_list() == []
    assert reasons == {"malformed": 1}
    assert ids(read(tmp_path)[0]) == ["2", "4"]


def test_parts_of_the_spool_do_not_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    posts = [question(n, AcceptedAnswerId=n + 200) for n in range(1, 60)]
    posts += [answer(n + 100 * k, n, 10 + n * k % 7) for n in range(1, 61) for k in (1, 2, 3)]
    write(tmp_path, *posts)
    whole, counts = read(tmp_path)
    monkeypatch.setattr(reader, "_PART_BYTES", 5000)
    monkeypatch.setattr(spool, "_BUDGET", 1000)
    parts, counts_of_parts = read(tmp_path)
    assert len(list((tmp_path / ".scratch").rglob("*.parquet"))) > 4
    assert counts == counts_of_parts
    assert_frame_equal(parts.sort("id"), whole.sort("id"))


def test_votes_rank_is_the_mid_rank_share_of_the_year(tmp_path: Path) -> None:
    scores = {2015: [n * n % 23 - 3 for n in range(40)], 2016: [5, 12, 12], 2017: [12] * 30}
    posts, everything = [], []
    for year, votes in scores.items():
        for score in votes:
            number = len(posts)
            everything.append((year, score))
            day = f"{year}-06-01T00:00:00.000"
            posts += [question(number + 1), answer(number + 2, number + 1, score, CreationDate=day)]
    write(tmp_path, *posts)
    frame, _ = read(tmp_path)
    assert len(frame) > 30
    for year, score, rank in frame.select(
        pl.col("created_at").dt.year(), "votes", "votes_rank"
    ).iter_rows():
        peers = scores[year] if len(scores[year]) >= 30 else [votes for _, votes in everything]
        below, same = sum(v < score for v in peers), sum(v == score for v in peers)
        assert rank == pytest.approx((below + same / 2) / len(peers), abs=1e-6)


def test_malformed_rows_cost_themselves_and_say_where(tmp_path: Path) -> None:
    folder = write(
        tmp_path,
        *POSTS,
        question(6),
        answer(7, 6, OwnerUserId=9, Body="a &lt; b < c"),
        answer(8, 6, "many"),  # type: ignore[arg-type]
        answer(9, "none"),  # type: ignore[arg-type]
        question(10, Body=None),
        answer(11, 10),
        question(12, Body=None),  # no kept answer belongs to it: nobody looks at it
        users=(*(user(n, "x") for n in range(100, 210)), '  <row Id="5" DisplayName="say "hi"" />'),
    )
    ingest = Ingest(limits=Limits(max_malformed=0.5))
    (found,) = stackexchange.find(tmp_path, ingest)
    tally = Tally(0.5)
    frame = pl.concat(stackexchange.read(found, ingest, tally, tmp_path / "s"))
    assert ids(frame) == ["2", "5"]
    assert frame["author"].to_list() == ["anonymous"] * 2
    posts, users = (f"stackexchange/{SITE}/{name}.xml" for name in ("Posts", "Users"))
    assert sorted((file, line) for file, line, _ in tally.malformed) == [
        *((posts, line) for line in (9, 10, 11, 12)),
        (users, 113),
    ]
    lines = (folder / "Posts.xml").read_text(encoding="utf-8").splitlines()
    assert 'Score="many"' in lines[9]


def test_where_the_best_answer_is_malformed_the_next_best_takes_its_place(tmp_path: Path) -> None:
    broken = {"Body": "no < markup"}
    write(
        tmp_path,
        question(1),
        answer(11, 1, 90, **broken),
        answer(12, 1, 80, **broken),
        answer(13, 1, 70),
        answer(14, 1, 60, **broken),  # nobody needs it, nobody looks at it
        question(2),
        answer(21, 2, 90, **broken),
        question(3),
        answer(31, 3, 90),
        answer(32, 3, 10, CreationDate="2019-02-31T00:00:00.000"),
    )
    frame, reasons = read(tmp_path, Ingest(limits=Limits(max_malformed=1)))
    assert ids(frame) == ["13", "31"]
    assert reasons == {"malformed": 3, "not_top_answer": 2}


def test_more_than_one_percent_malformed_is_an_error_that_the_recipe_may_allow(
    tmp_path: Path,
) -> None:
    posts = [question(1), answer(2, 1), *(row(n, 4) for n in range(10, 206))]
    write(tmp_path / "few", *posts, "  <row broken", "  <row broken")
    frame, reasons = read(tmp_path / "few")
    assert (ids(frame), reasons["malformed"]) == (["2"], 2)
    write(tmp_path / "many", *posts, *["  <row broken"] * 3)
    with pytest.raises(SourceError) as caught:
        read(tmp_path / "many")
    assert str(caught.value) == (
        f"stackexchange/{SITE}/Posts.xml: 3 of 201 rows are malformed, more than the 1.00% that "
        "the recipe allows (first: line 201, no whole row on this line: '<row broken'). Repair the "
        "file, or raise ingest.limits.max_malformed."
    )
    allowed = Ingest(limits=Limits(max_malformed=0.02))
    assert ids(read(tmp_path / "many", allowed)[0]) == ["2"]


@pytest.mark.parametrize("site", ["evil\x1b[31m\n.example", "..", "a b.example", "a..example"])
def test_a_name_that_can_be_no_host_is_refused(tmp_path: Path, site: str) -> None:
    write(tmp_path, *POSTS, site=f"{site}__2020" if site == ".." else site)
    with pytest.raises(SourceError, match="is no name of a site") as caught:
        read(tmp_path)
    assert str(caught.value).isprintable()


# What the real dumps give -----------------------------------------------------------------------


def _by_lxml(data: bytes, min_votes: int) -> dict[int, int]:
    """Compute question -> top answer in another way: a real XML parser and plain Python."""
    etree = pytest.importorskip("lxml.etree")
    posts = [dict(node.attrib) for node in etree.fromstring(data)]
    asked = {post["Id"]: post for post in posts if post["PostTypeId"] == "1"}
    best: dict[str, tuple[int, bool, int]] = {}
    for post in posts:
        parent = post.get("ParentId")
        if post["PostTypeId"] == "2" and parent in asked and int(post["Score"]) >= min_votes:
            accepted = asked[parent].get("AcceptedAnswerId") == post["Id"]
            key = (int(post["Score"]), accepted, -int(post["Id"]))
            best[parent] = max(best.get(parent, key), key)
    return {int(parent): -key[2] for parent, key in best.items()}


@pytest.mark.parametrize(
    ("site", "min_votes"), [("coffee", 10), ("coffee", 0), ("arabic", 0), ("iot", 2)]
)
def test_real_dumps_agree_with_an_xml_parser(
    site: str, min_votes: int, shared: Path, tmp_path: Path
) -> None:
    host = f"{site}.stackexchange.com"
    home = shared / "dumps" / "stackexchange"
    (tmp_path / "stackexchange").mkdir()
    for path in (home / host, home / f"{host}.7z"):
        if path.exists():
            (tmp_path / "stackexchange" / path.name).symlink_to(path)
    if (home / host).is_dir():
        with (home / host / "Posts.xml.zst").open("rb") as packed:
            data = zstandard.ZstdDecompressor().stream_reader(packed).read()
    else:
        with py7zr.SevenZipFile(home / f"{host}.7z") as archive:
            archive.extract(targets=["Posts.xml"], factory=(f := py7zr.io.BytesIOFactory(1 << 30)))
        data = next(iter(f.products.values())).read()
    frame, _ = read(tmp_path, settings(min_votes=min_votes))
    got = {
        int(asked.rsplit("/", 1)[1]): int(given.rsplit("/", 1)[1])
        for asked, given in frame.select("prompt_url", "url").iter_rows()
    }
    assert got == _by_lxml(data, min_votes)
    assert len(got) > 10
    assert frame.select("licence", "author", "url").null_count().sum_horizontal().item() == 0


def test_real_snapshots_give_each_post_once(shared: Path) -> None:
    frame, reasons = read(shared / "snapshots", settings(min_votes=2))
    assert frame["id"].is_unique().all()
    assert reasons["superseded"] > 50


VARIANTS = {
    "JesseAldridge_posts.xml": "<xml> where <posts> belongs",
    "conlang_2018_excerpt_Posts.xml": 14,
    "seekoff_Posts.xml": 2,
    "clevertech_Posts.xml.zst": 4,
    "stackoverflow_2014_truncated_Posts.xml.zst": "breaks off: there is no </posts>",
    "windycitydb_posts.xml.zst": "first row has no PostTypeId",
    "windycitydb_answers.xml.zst": "<answers> where <posts> belongs",
}


@pytest.mark.parametrize("name", VARIANTS)
def test_real_files_that_are_odd_are_refused_or_read_right(
    name: str, shared: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "stackexchange" / SITE
    folder.mkdir(parents=True)
    source = shared / "malformed" / "stackexchange-variants" / name
    (folder / ("Posts.xml" + source.suffix.replace(".xml", ""))).symlink_to(source)
    wanted = VARIANTS[name]
    if isinstance(wanted, str):
        with pytest.raises(SourceError) as caught:
            read(tmp_path)
        assert wanted in str(caught.value)
        return
    data = source.read_bytes()
    if source.suffix == ".zst":
        data = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data)).read()
    frame, _ = read(tmp_path)
    assert len(frame) == len(_by_lxml(data, 10)) > 1


def test_real_archives_that_are_odd_are_refused_with_one_sentence(
    shared: Path, tmp_path: Path
) -> None:
    with tarfile.open(shared / "malformed" / "7z_fixtures.tar") as fixtures:
        for member in fixtures:
            data = fixtures.extractfile(member)
            assert data is not None
            path = Path(member.name)
            home = tmp_path / path.parent.name / "stackexchange"
            home.mkdir(parents=True, exist_ok=True)
            (home / path.name).write_bytes(data.read())
    everything = settings(meta=True, min_votes=-99)
    errors = []
    for folder in sorted(tmp_path.iterdir()):
        for found in stackexchange.find(folder, everything):
            with pytest.raises(SourceError) as caught:
                list(stackexchange.read(found, everything, Tally(0.01), tmp_path / "scratch"))
            errors.append(str(caught.value))
    # Their rows are broken over many lines, as no official dump has them.
    spread = [text for text in errors if ":Posts.xml: none of its " in text]
    others = sorted(text for text in errors if text not in spread)
    assert len(spread) == 11
    assert others == [
        "stackexchange/coffee.corrupted.7z is damaged or no 7z archive (not a 7z file). "
        "Download it again.",
        "stackexchange/coffee.rubbish.in.Posts.xml.7z:Posts.xml is not a Stack Exchange table: "
        "no element where <posts> belongs.",
    ]
