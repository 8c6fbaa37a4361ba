"""Stack Exchange dumps: `<site>.7z` as published, or a folder with Posts.xml (also compressed).

In: the posts and users of one site, of one dump or several. Out: one candidate per question, with
its top answer by votes, then accepted, then lower id (LIMA section 2.1: "the top answer").
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import polars as pl

from pipeline.errors import SourceError
from pipeline.recipe import Ingest
from pipeline.record import RAW, conform
from pipeline.sources import dialogues, sevenzip
from pipeline.sources.base import Found, Tally, found, printable
from pipeline.sources.opening import SUFFIXES, bare_name, open_stream
from pipeline.sources.sites import group_of, short_name
from pipeline.sources.spool import Spool
from pipeline.sources.xmlrows import WELL_FORMED, attribute, moment, number, row_frames, unescape

NAME = "stackexchange"
TABLES = {"Posts.xml": "posts", "Users.xml": "users", "Comments.xml": "comments"}
NEEDED = {
    "Posts.xml": ("Id", "PostTypeId", "CreationDate"),
    "Users.xml": ("Id", "DisplayName"),
    "Comments.xml": ("Id", "PostId", "Text"),
}
_ARCHIVE = re.compile(r"(?P<site>.+?)(?:-(?P<table>Posts|Users|Comments))?\.7z")
_OTHER_ARCHIVE = re.compile(r".+-(Badges|PostHistory|PostLinks|Tags|Votes)\.7z")
_PART_BYTES = 256 << 20  # of dump per part of the spool; packed dumps expand about five times
_FRAME_ROWS = 20_000
_MIN_YEAR = 30  # answers of a year that make a distribution of their own

_QUESTION = 1
_ANSWER = 2

_POST = pl.Schema(
    {
        "answer": pl.Int64(),  # null for questions
        "question": pl.Int64(),
        "dump": pl.Int32(),
        "votes": pl.Int64(),
        "created_at": pl.Datetime("ms"),
        "accepted_answer": pl.Int64(),
        "closed": pl.Boolean(),
        "title": pl.String(),
        "body": pl.String(),
        "tags": pl.String(),
        "owner": pl.Int64(),
        "owner_name": pl.String(),
        "content_licence": pl.String(),
    }
)


def find(dumps: Path, settings: Ingest) -> list[Found]:
    """List the sites below dumps/stackexchange; all dumps of one site are one Found.

    A folder `<site>__<anything>` is a further dump of the site. Sites that the table or the
    recipe leaves out are not listed (`left_out` names them).
    """
    sites: dict[str, list[Path]] = {}
    for site, path in _dumps_of_sites(dumps):
        if group_of(site, settings.stackexchange):
            sites.setdefault(site, []).append(path)
    return [found(NAME, site, paths, dumps) for site, paths in sorted(sites.items())]


def left_out(dumps: Path, settings: Ingest) -> list[str]:
    """Name the sites that are there and not read: meta sites, and those marked `skip`."""
    sites = {site for site, _ in _dumps_of_sites(dumps)}
    return sorted(site for site in sites if group_of(site, settings.stackexchange) is None)


def _dumps_of_sites(dumps: Path) -> Iterator[tuple[str, Path]]:
    folder = dumps / NAME
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.is_file() and not _OTHER_ARCHIVE.fullmatch(path.name):
            match = _ARCHIVE.fullmatch(path.name)
            if match:
                yield match["site"].split("__")[0], path
        elif path.is_dir():
            files = {bare_name(file): file for file in sorted(path.iterdir()) if file.is_file()}
            if not any(name.lower() == "posts.xml" for name in files):
                continue
            for name in files:
                if name in TABLES or name.lower() == "posts.xml":
                    yield path.name.split("__")[0], files[name]


@dataclass
class _Dump:
    """The files of one dump of a site: one archive, several, or the files of a folder."""

    files: dict[str, Path] = field(default_factory=dict)  # table -> its own file
    archives: list[Path] = field(default_factory=list)


def read(found: Found, settings: Ingest, tally: Tally, scratch: Path) -> Iterator[pl.DataFrame]:
    """Read one site. Votes below the recipe's are dropped before anything else is looked at."""
    reading = _Reading(found, settings, tally, scratch)
    for dump in _group(found):
        reading.add(dump)
    yield from reading.candidates()


def _group(found: Found) -> list[_Dump]:
    dumps: dict[str, _Dump] = {}
    for path in found.files:
        if path.suffix == ".7z":
            match = _ARCHIVE.fullmatch(path.name)
            dump = dumps.setdefault(match["site"] if match else path.name, _Dump())
            dump.archives.append(path)
        else:
            dumps.setdefault(path.parent.name, _Dump()).files[bare_name(path)] = path
    return list(dumps.values())


class _Reading:
    """What is known of a site while its dumps are read."""

    def __init__(self, found: Found, settings: Ingest, tally: Tally, scratch: Path) -> None:
        self.found = found
        self.settings = settings
        self.tally = tally
        self.host = _host(found)
        # What cannot be told apart by file is booked on the posts of the first dump.
        self.label = next((label for label in found.labels if "Posts" in label), found.labels[0])
        size = sum(
            path.stat().st_size * (5 if path.suffix in (*SUFFIXES, ".7z") else 1)
            for path in found.files
        )
        parts = 1 + size // _PART_BYTES
        self.answers = Spool(scratch / "answers", "question", parts)
        self.questions = Spool(scratch / "questions", "question", parts)
        self.dumps = 0
        self.newest: list[pl.Series] = []  # of each dump: the time of its last post
        self.ids: list[pl.Series] = []  # of each dump: all its posts, to know what is superseded
        self.scores: list[pl.DataFrame] = []
        self.names: list[pl.DataFrame] = []
        self.comments: list[pl.DataFrame] = []
        self.several = len(_group(found)) > 1

    def add(self, dump: _Dump) -> None:
        """Read the tables of one dump, posts first."""
        wanted = {"Posts.xml", "Users.xml"}
        if self.settings.stackexchange.dialogues:
            wanted.add("Comments.xml")
        owners = posts = None
        seen: set[str] = set()
        # An archive is read in its own order; what comes before the posts needs a second pass.
        for _ in range(2):
            for table, label, stream in self._tables(dump, wanted - seen):
                if table == "Posts.xml":
                    owners, posts = self._posts(stream, label)
                elif owners is None or posts is None:
                    continue
                elif table == "Users.xml":
                    self._users(stream, label, owners)
                else:
                    self._comments(stream, label, posts)
                seen.add(table)
                self.tally.check(label)
            if wanted <= seen:
                break
        if posts is None:
            raise SourceError(
                f"{self.found.labels[0]}: there is no Posts.xml in this dump of {self.host}."
            )
        self.dumps += 1

    def _tables(self, dump: _Dump, wanted: set[str]) -> Iterator[tuple[str, str, BinaryIO]]:
        for path in dump.files.values():
            if bare_name(path) not in TABLES and bare_name(path).lower() == "posts.xml":
                raise SourceError(
                    f"{self.found.label(path)} is not an official dump: the file is called "
                    "Posts.xml there. If it is one, rename it."
                )
        for table in ("Posts.xml", "Users.xml", "Comments.xml"):
            path_of_table = dump.files.get(table)
            if path_of_table and table in wanted:
                label = self.found.label(path_of_table)
                with open_stream(path_of_table, self.settings.limits, label) as stream:
                    yield table, label, stream
        order = sorted(dump.archives, key=lambda path: ("-Posts" not in path.name, path.name))
        for path in order:
            label = self.found.label(path)
            for name, stream in sevenzip.members(path, wanted, self.settings.limits, label):
                yield name, f"{label}:{name}", stream

    def _rows(self, stream: BinaryIO, table: str, label: str) -> Iterator[pl.DataFrame]:
        return row_frames(
            stream, TABLES[table], NEEDED[table], self.settings.limits, label, self.tally
        )

    def _posts(self, stream: BinaryIO, label: str) -> tuple[pl.Series, pl.Series]:
        """Keep what may become a candidate; returns the owners and the answers it names."""
        owners, answers, ids, newest, scores = [], [], [], [], []
        for rows in self._rows(stream, "Posts.xml", label):
            heads = rows.with_columns(
                number("Id").alias("id"),
                number("PostTypeId").alias("kind"),
                number("Score").alias("votes"),
                moment("CreationDate").alias("created_at"),
            )
            kept = self._heads(heads, label)
            posts = self._survivors(kept, label)
            owners.append(posts["owner"].drop_nulls().unique())
            answers.append(posts["answer"].drop_nulls())
            if self.several:
                ids.append(heads["id"])
            newest.append(heads["created_at"])
            scores.append(_count_scores(heads))
            self.answers.add(posts.filter(pl.col("answer").is_not_null()))
            self.questions.add(posts.filter(pl.col("answer").is_null()))
        if self.several:
            self.ids.append(pl.concat(ids).drop_nulls())
        self.newest.append(pl.concat(newest))
        self.scores.append(_sum_scores(pl.concat(scores)))
        return pl.concat(owners).unique(), pl.concat(answers)

    def _heads(self, heads: pl.DataFrame, label: str) -> pl.DataFrame:
        """Drop by what stands at the head of a row; the long text is not looked at."""
        readable = (
            pl.col("id").is_not_null()
            & pl.col("kind").is_not_null()
            & (
                ~pl.col("kind").is_in([_QUESTION, _ANSWER])
                | (pl.col("votes").is_not_null() & pl.col("created_at").is_not_null())
            )
        )
        for row in heads.filter(~readable).iter_rows(named=True):
            self.tally.bad(
                label, row["number"], "no readable Id, PostTypeId, Score or CreationDate"
            )
        heads = heads.filter(readable)
        is_post = pl.col("kind").is_in([_QUESTION, _ANSWER])
        low = (pl.col("kind") == _ANSWER) & (
            pl.col("votes") < self.settings.stackexchange.min_votes
        )
        counts = heads.select(other=(~is_post).sum(), low=low.sum())
        self.tally.leave_out(label, "not_a_post", counts["other"].item())
        self.tally.leave_out(label, "low_votes", counts["low"].item())
        heads = heads.filter(is_post & ~low)
        unanswered = (pl.col("kind") == _QUESTION) & (number("AnswerCount") == 0).fill_null(False)
        count = heads.select(unanswered.sum()).item()
        self.tally.leave_out(label, "no_answer", count)
        return heads.filter(~unanswered)

    def _survivors(self, heads: pl.DataFrame, label: str) -> pl.DataFrame:
        sound = pl.col("line").str.contains(WELL_FORMED)
        parent = number("ParentId")
        is_answer = pl.col("kind") == _ANSWER
        body = pl.col("line").str.contains(r'\sBody="')
        sound = sound & body & (~is_answer | parent.is_not_null())
        for row in heads.filter(~sound).iter_rows(named=True):
            self.tally.bad(label, row["number"], "attributes are missing or not well-formed")
        heads = heads.filter(sound)
        posts = heads.select(
            answer=pl.when(is_answer).then("id"),
            question=pl.when(is_answer).then(parent).otherwise("id"),
            dump=pl.lit(self.dumps),
            votes="votes",
            created_at="created_at",
            accepted_answer=number("AcceptedAnswerId"),
            closed=pl.col("line").str.contains(r'\sClosedDate="'),
            title=attribute("Title"),
            body=attribute("Body"),
            tags=attribute("Tags"),
            owner=number("OwnerUserId"),
            owner_name=attribute("OwnerDisplayName"),
            content_licence=attribute("ContentLicense"),
        ).cast(_POST)
        texts = ("title", "body", "tags", "owner_name")
        return posts.with_columns(unescape(posts[name]).alias(name) for name in texts)

    def _users(self, stream: BinaryIO, label: str, owners: pl.Series) -> None:
        for rows in self._rows(stream, "Users.xml", label):
            users = rows.select(number("Id").alias("owner"), attribute("DisplayName").alias("name"))
            users = users.filter(pl.col("owner").is_in(owners.implode()))
            users = users.with_columns(unescape(users["name"]), dump=pl.lit(self.dumps))
            self.names.append(users)

    def _comments(self, stream: BinaryIO, label: str, answers: pl.Series) -> None:
        for rows in self._rows(stream, "Comments.xml", label):
            comments = rows.select(
                number("Id").alias("comment"),
                number("PostId").alias("answer"),
                number("UserId").alias("user"),
                attribute("Text").alias("text"),
            ).filter(pl.col("answer").is_in(answers.implode()))
            self.comments.append(comments.with_columns(unescape(comments["text"])))

    def candidates(self) -> Iterator[pl.DataFrame]:
        """Join answers to questions, pick the top ones and give them their names."""
        age = [series.max() for series in self.newest]
        # Later dumps are newer; equal ones keep the order of their names.
        order = sorted(range(self.dumps), key=lambda dump: (str(age[dump]), dump))
        names = self._names(order)
        scores = _ranks(self.scores[order[-1]])
        for part in range(self.answers.parts):
            answers, questions = self.answers.part(part), self.questions.part(part)
            if answers is None:
                continue
            if questions is None:
                questions = answers.clear()
            top = self._top(self._current(answers, order), self._current(questions, order))
            frame = self._finish(top, names, scores)
            for start in range(0, len(frame), _FRAME_ROWS):
                yield frame.slice(start, _FRAME_ROWS)

    def _current(self, posts: pl.DataFrame, order: list[int]) -> pl.DataFrame:
        """Keep each post as the newest dump that holds it has it."""
        if not self.several or not len(posts):
            return posts
        post = pl.coalesce("answer", "question")
        for position, dump in enumerate(order):
            newer = [self.ids[later] for later in order[position + 1 :]]
            if newer:
                old = (pl.col("dump") == dump) & post.is_in(pl.concat(newer).unique().implode())
                answers = posts.filter(old & pl.col("answer").is_not_null())
                self.tally.leave_out(self.label, "superseded", len(answers))
                posts = posts.filter(~old)
        return posts

    def _top(self, answers: pl.DataFrame, questions: pl.DataFrame) -> pl.DataFrame:
        label = self.label
        joined = answers.join(
            questions.drop("answer").unique("question", keep="first", maintain_order=True),
            on="question",
            how="left",
            suffix="_asked",
        )
        orphan = pl.col("created_at_asked").is_null()
        self.tally.leave_out(label, "no_question", len(joined.filter(orphan)))
        joined = joined.filter(~orphan)
        if not self.settings.stackexchange.closed:
            closed = joined.filter("closed_asked")
            self.tally.leave_out(label, "removed", len(closed))
            joined = joined.filter(~pl.col("closed_asked"))
        joined = joined.with_columns(
            accepted=(pl.col("answer") == pl.col("accepted_answer_asked")).fill_null(False)
        )
        top = joined.sort(
            "question", "votes", "accepted", "answer", descending=[False, True, True, False]
        ).unique("question", keep="first", maintain_order=True)
        self.tally.leave_out(label, "not_top_answer", len(joined) - len(top))
        return top

    def _names(self, order: list[int]) -> pl.DataFrame:
        schema = pl.Schema({"owner": pl.Int64(), "name": pl.String(), "dump": pl.Int32()})
        names = pl.concat(
            [frame.cast(schema) for frame in self.names] or [pl.DataFrame(schema=schema)]
        )
        rank = pl.col("dump").replace_strict(
            {dump: position for position, dump in enumerate(order)}, return_dtype=pl.Int32
        )
        names = names.with_columns(rank.alias("dump")).sort("dump", "owner")
        return names.unique("owner", keep="last", maintain_order=True).select("owner", "name")

    def _finish(self, top: pl.DataFrame, names: pl.DataFrame, scores: pl.DataFrame) -> pl.DataFrame:
        top = top.join(names, on="owner", how="left").join(
            names.rename({"owner": "owner_asked", "name": "name_asked"}),
            on="owner_asked",
            how="left",
        )
        top = top.with_columns(year=pl.col("created_at").dt.year()).join(
            scores, on=["year", "votes"], how="left"
        )
        name, base = short_name(self.host), f"https://{self.host}"
        frame = top.sort("answer").select(
            pl.format("stackexchange:{}:{}", pl.lit(name), "answer").alias("id"),
            source=pl.lit(NAME),
            group=pl.lit(group_of(self.host, self.settings.stackexchange)),
            domain=pl.lit(name),
            title="title_asked",
            body="body_asked",
            response="body",
            system=pl.lit(None, pl.String),
            history=pl.lit([], RAW["history"]),
            markup=pl.lit("html"),
            url=pl.format("{}/a/{}", pl.lit(base), "answer"),
            author=_author("name", "owner_name"),
            author_url=_profile(base, "owner"),
            prompt_url=pl.format("{}/q/{}", pl.lit(base), "question"),
            prompt_author=_author("name_asked", "owner_name_asked"),
            prompt_author_url=_profile(base, "owner_asked"),
            licence=_licence(),
            created_at="created_at",
            votes="votes",
            origin=pl.lit("human"),
            accepted="accepted",
            votes_rank="votes_rank",
            tags=_tags("tags_asked"),
            adult=pl.lit(False),
            split=pl.lit(None, pl.String),
        )
        if self.comments:
            keys = top.sort("answer").select("answer", "owner", "owner_asked")
            frame = dialogues.extend(frame, keys, pl.concat(self.comments))
        return conform(frame, RAW)


def _host(found: Found) -> str:
    path = found.files[0]
    match = _ARCHIVE.fullmatch(path.name)
    name = match["site"] if match else path.parent.name
    return printable(name.split("__")[0])


def _author(name: str, fallback: str) -> pl.Expr:
    texts = [pl.col(column).str.strip_chars() for column in (name, fallback)]
    filled = [pl.when(text.str.len_chars() > 0).then(text) for text in texts]
    return pl.coalesce(*filled, pl.lit("anonymous"))


def _profile(base: str, owner: str) -> pl.Expr:
    # A negative id is the site's own account (Community), which has a profile, too.
    return pl.format("{}/users/{}", pl.lit(base), pl.col(owner).cast(pl.String))


def _licence() -> pl.Expr:
    """ContentLicense, else by the date of the post (the site's terms of use at that time)."""
    day = pl.col("created_at").dt.date()
    by_date = (
        pl.when(day < pl.date(2011, 4, 8))
        .then(pl.lit("CC BY-SA 2.5"))
        .when(day < pl.date(2018, 5, 2))
        .then(pl.lit("CC BY-SA 3.0"))
        .otherwise(pl.lit("CC BY-SA 4.0"))
    )
    return pl.coalesce(pl.col("content_licence"), by_date)


def _tags(column: str) -> pl.Expr:
    """Read `<a><b>` (until 2023) and `|a|b|` (from 2024)."""
    return pl.col(column).fill_null("").str.extract_all(r"[^<>|]+")


def _count_scores(heads: pl.DataFrame) -> pl.DataFrame:
    answers = heads.filter((pl.col("kind") == _ANSWER) & pl.col("votes").is_not_null())
    return answers.group_by(pl.col("created_at").dt.year().alias("year"), "votes").len("count")


def _sum_scores(counts: pl.DataFrame) -> pl.DataFrame:
    return counts.group_by("year", "votes").agg(pl.col("count").sum())


def _ranks(counts: pl.DataFrame) -> pl.DataFrame:
    """Return the mid-rank share of each number of votes among the site's answers of the year.

    Years with fewer than 30 answers take the distribution of all years.
    """
    counts = counts.cast({"count": pl.Float64}).sort("year", "votes")
    below = pl.col("count").cum_sum() - pl.col("count") / 2
    yearly = counts.with_columns(
        votes_rank=(below / pl.col("count").sum()).over("year"),
        answers=pl.col("count").sum().over("year"),
    )
    overall = counts.group_by("votes").agg(pl.col("count").sum()).sort("votes")
    overall = overall.select("votes", site_rank=below / pl.col("count").sum())
    joined = yearly.join(overall, on="votes", how="left", maintain_order="left")
    rank = pl.when(pl.col("answers") >= _MIN_YEAR).then("votes_rank").otherwise("site_rank")
    return joined.select("year", "votes", rank.round(6).alias("votes_rank"))
