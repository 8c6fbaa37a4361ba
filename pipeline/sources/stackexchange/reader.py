"""Stack Exchange dumps: `<site>.7z` as published, or a folder with Posts.xml (also compressed).

In: the posts and users of one site, of one dump or several. Out: one candidate per question, with
its top answer by votes, then accepted, then lower id (LIMA section 2.1: "the top answer").
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, TypeVar

import polars as pl

from pipeline.errors import SourceError
from pipeline.recipe import Ingest
from pipeline.sources import sevenzip
from pipeline.sources.attributes import as_number, cut
from pipeline.sources.base import Found, Tally
from pipeline.sources.opening import SUFFIXES, bare_name, open_stream
from pipeline.sources.sites import group_of
from pipeline.sources.spool import Spool
from pipeline.sources.stackexchange.candidates import finish
from pipeline.sources.stackexchange.columns import ANSWER, ranks
from pipeline.sources.stackexchange.files import TABLES, Dump, dumps_of, host, is_posts
from pipeline.sources.stackexchange.posts import (
    POST,
    Block,
    note_unsound,
    number,
    read_block,
    texts,
)
from pipeline.sources.xmlrows import map_rows, map_slices, unescape

T = TypeVar("T")

NEEDED = {
    "Posts.xml": ("Id", "PostTypeId", "CreationDate"),
    "Users.xml": ("Id", "DisplayName"),
    "Comments.xml": ("Id", "PostId", "Text"),
}
_PART_BYTES = 256 << 20  # of dump per part of the spool; packed dumps expand about five times
_FRAME_ROWS = 20_000

_USER = pl.Schema({"owner": pl.Int64(), "name": pl.String(), "dump": pl.Int32()})
_COMMENT = pl.Schema(
    {
        "comment": pl.Int64(),
        "answer": pl.Int64(),
        "user": pl.Int64(),
        "text": pl.String(),
        "dump": pl.Int32(),
    }
)


def _sound(
    rows: pl.DataFrame,
    names: tuple[str, ...],
    numbers: tuple[str, ...],
    label: str,
    tally: Tally,
    *texts: str,
) -> pl.DataFrame:
    """Return the attributes of the rows that are well-formed and have the numbers and texts."""
    cells = pl.concat([rows.select("number"), cut(rows["line"], names)], how="horizontal")
    has_all = [as_number(pl.col(name)).is_not_null() for name in numbers]
    has_all += [pl.col(name).is_not_null() for name in texts]
    cells = cells.with_columns(pl.all_horizontal("sound", *has_all).alias("sound"))
    note_unsound(cells, label, tally)
    return cells.filter("sound")


def read(found: Found, settings: Ingest, tally: Tally, scratch: Path) -> Iterator[pl.DataFrame]:
    """Read one site. Votes below the recipe's are dropped before anything else is looked at."""
    reading = _Reading(found, settings, tally, scratch)
    for dump in dumps_of(found):
        reading.add(dump)
    yield from reading.candidates()


class _Reading:
    """What is known of a site while its dumps are read."""

    def __init__(self, found: Found, settings: Ingest, tally: Tally, scratch: Path) -> None:
        self.found = found
        self.settings = settings
        self.tally = tally
        self.host = host(found)
        # What cannot be told apart by file is booked on the posts of the first dump.
        self.label = next((label for label in found.labels if "Posts" in label), found.labels[0])
        self.labels: list[str] = []  # of each dump's posts
        size = sum(
            path.stat().st_size * (5 if path.suffix in (*SUFFIXES, ".7z") else 1)
            for path in found.files
        )
        parts = 1 + size // _PART_BYTES
        self.scratch = scratch
        self.answers = Spool(scratch / "answers", "question", parts)
        self.questions = Spool(scratch / "questions", "question", parts)
        self.dumps = 0
        self.newest: list[datetime] = []  # of each dump: the time of its last post
        self.ids: list[pl.Series] = []  # of each dump: all its posts, to know what is superseded
        self.ranks: list[pl.DataFrame] = []
        self.names: list[pl.DataFrame] = []
        self.comments: list[pl.DataFrame] = []
        self.several = len(dumps_of(found)) > 1

    def add(self, dump: Dump) -> None:
        """Read the tables of one dump, posts first."""
        wanted = {"Posts.xml", "Users.xml"}
        if self.settings.stackexchange.dialogues:
            wanted.add("Comments.xml")
        owners = posts = None
        seen: set[str] = set()
        # An archive is read in its own order; what comes before the posts needs a second pass.
        for _ in range(2):
            read: set[str] = set()
            for table, label, stream in self._tables(dump, wanted - seen):
                if table in read:
                    raise SourceError(
                        f"{label}: {table} is there a second time in one dump of {self.host}; "
                        "keep one of the two."
                    )
                read.add(table)
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

    def _tables(self, dump: Dump, wanted: set[str]) -> Iterator[tuple[str, str, BinaryIO]]:
        for path in dump.files:
            if bare_name(path) not in TABLES:
                raise SourceError(
                    f"{self.found.label(path)} is not an official dump: the file is called "
                    "Posts.xml there. If it is one, rename it."
                )
        for path in sorted(dump.files, key=lambda path: (not is_posts(path), path.name)):
            if bare_name(path) in wanted:
                label = self.found.label(path)
                with open_stream(path, self.settings.limits, label) as stream:
                    yield bare_name(path), label, stream
        order = sorted(dump.archives, key=lambda path: ("-Posts" not in path.name, path.name))
        for path in order:
            label = self.found.label(path)
            for name, stream in sevenzip.members(path, wanted, self.settings.limits, label):
                yield name, f"{label}:{name}", stream

    def _rows(
        self, stream: BinaryIO, table: str, label: str, work: Callable[[pl.DataFrame, Tally], T]
    ) -> Iterator[T]:
        limits = self.settings.limits
        return map_rows(stream, TABLES[table], NEEDED[table], limits, label, self.tally, work)

    def _posts(self, stream: BinaryIO, label: str) -> tuple[pl.Series, pl.Series]:
        """Keep what may become a candidate; returns the owners and the answers it names."""
        dump, min_votes = self.dumps, self.settings.stackexchange.min_votes

        def work(rows: pl.DataFrame, tally: Tally) -> Block:
            return read_block(rows, min_votes, label, tally)

        self.labels.append(label)
        asked = Spool(self.scratch / f"asked-{dump}", "id", self.answers.parts)
        owners, answers, parents, ids, newest, scores = [], [], [], [], [], []
        for block in self._rows(stream, "Posts.xml", label, work):
            owners.append(block.answers["owner"].drop_nulls().unique())
            kept = block.answers.rename({"id": "answer", "parent": "question"})
            answers.append(kept["answer"])
            parents.append(kept["question"])
            if self.several:
                ids.append(block.ids)
            newest.append(block.newest)
            scores.append(block.scores)
            self.answers.add(kept.with_columns(dump=pl.lit(dump)))
            asked.add(block.questions)
        if self.several:
            self.ids.append(pl.concat(ids).drop_nulls())
        self.newest.append(max(newest))
        self.ranks.append(ranks(pl.concat(scores)).with_columns(dump=pl.lit(self.dumps)))
        owners += self._questions(asked, pl.concat(parents).unique(), label)
        return pl.concat(owners).unique(), pl.concat(answers)

    def _questions(self, asked: Spool, parents: pl.Series, label: str) -> list[pl.Series]:
        """Cut the questions that kept answers belong to; returns their owners.

        With several dumps all are cut: an answer may belong to a question of another dump.
        """
        dump, owners = self.dumps, []

        def work(rows: pl.DataFrame, tally: Tally) -> pl.DataFrame:
            return texts(rows, dump, label, tally)

        for part in range(asked.parts):
            rows = asked.part(part)
            if rows is None:
                continue
            if not self.several:
                rows = rows.filter(pl.col("id").is_in(parents.implode()))
            for questions in map_slices(rows, self.tally, work):
                owners.append(questions["owner"].drop_nulls().unique())
                self.questions.add(questions)
        return owners

    def _users(self, stream: BinaryIO, label: str, owners: pl.Series) -> None:
        dump = pl.lit(self.dumps)

        def work(rows: pl.DataFrame, tally: Tally) -> pl.DataFrame:
            wanted = rows.filter(number("Id").is_in(owners.implode()).fill_null(True))
            users = _sound(wanted, ("Id", "DisplayName"), ("Id",), label, tally)
            users = users.select(owner=as_number(pl.col("Id")), name="DisplayName", dump=dump)
            return users.with_columns(unescape(users["name"])).cast(_USER)

        self.names.extend(self._rows(stream, "Users.xml", label, work))

    def _comments(self, stream: BinaryIO, label: str, answers: pl.Series) -> None:
        dump = pl.lit(self.dumps)

        def work(rows: pl.DataFrame, tally: Tally) -> pl.DataFrame:
            wanted = rows.filter(number("PostId").is_in(answers.implode()).fill_null(True))
            names = ("Id", "PostId", "UserId", "Text")
            comments = _sound(wanted, names, ("Id", "PostId"), label, tally, "Text")
            comments = comments.select(
                comment=as_number(pl.col("Id")),
                answer=as_number(pl.col("PostId")),
                user=as_number(pl.col("UserId")),
                text="Text",
                dump=dump,
            )
            return comments.with_columns(unescape(comments["text"])).cast(_COMMENT)

        self.comments.extend(self._rows(stream, "Comments.xml", label, work))

    def candidates(self) -> Iterator[pl.DataFrame]:
        """Join answers to questions, pick the top ones and give them their names."""
        # The dump with the latest post is the newest; equal ones keep the order of their names.
        order = sorted(range(self.dumps), key=lambda dump: (self.newest[dump], dump))
        names = self._newest(self.names, _USER, "owner", order)
        comments = self._newest(self.comments, _COMMENT, "comment", order)
        votes_ranks = pl.concat(self.ranks)
        group = group_of(self.host, self.settings.stackexchange)
        for part in range(self.answers.parts):
            answers, questions = self.answers.part(part), self.questions.part(part)
            if answers is None:
                continue
            if questions is None:
                questions = pl.DataFrame(schema=POST)
            top = self._top(self._current(answers, order), self._current(questions, order))
            frame = finish(top, names, comments, votes_ranks, self.host, group)
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
        asked = questions.drop("answer").unique("question", keep="first", maintain_order=True)
        asked = asked.rename(lambda name: name if name == "question" else f"{name}_asked")
        joined = answers.join(asked, on="question", how="left")
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
        top, unsound = self._best(joined)
        self.tally.leave_out(label, "not_top_answer", len(joined) - len(top) - unsound)
        return top

    def _best(self, answers: pl.DataFrame) -> tuple[pl.DataFrame, int]:
        """Return the best answer of each question, with its texts, and how many were unsound.

        Where the best is no well-formed row it is noted, and the next best is looked at.
        """
        waiting = answers.sort(
            "question", "votes", "accepted", "answer", descending=[False, True, True, False]
        )
        chosen: list[pl.DataFrame] = []
        unsound = 0
        while True:
            first = waiting.unique("question", keep="first", maintain_order=True)
            texts_of = self._texts(first)
            chosen.append(first.drop("line").join(texts_of, on="question", maintain_order="left"))
            bad = first.join(texts_of, on="question", how="anti")
            if not len(bad):
                return pl.concat(chosen), unsound
            for label in self.labels:  # a file of broken answers ends here, not after all of them
                self.tally.check(label)
            unsound += len(bad)
            again = waiting.filter(pl.col("question").is_in(bad["question"].implode()))
            line = ["dump", "number"]
            waiting = again.join(bad, on=line, how="anti", maintain_order="left")

    def _texts(self, answers: pl.DataFrame) -> pl.DataFrame:
        """Return the texts of answers by `question`; unsound rows are noted and not among them."""
        whole = answers.select(
            *("number", "line", "dump", "votes", "written"),
            id="answer",
            kind=pl.lit(ANSWER),
            parent="question",
        )
        texts_of = ["question", "created_at", "body", "owner_name", "content_licence"]
        parts = [pl.DataFrame(schema={name: POST[name] for name in texts_of})]
        for (dump,), of_dump in whole.partition_by("dump", as_dict=True).items():

            def work(rows: pl.DataFrame, tally: Tally, dump: int = dump) -> pl.DataFrame:
                return texts(rows.drop("dump"), dump, self.labels[dump], tally)

            parts += [posts.select(texts_of) for posts in map_slices(of_dump, self.tally, work)]
        return pl.concat(parts)

    def _newest(
        self, frames: list[pl.DataFrame], schema: pl.Schema, key: str, order: list[int]
    ) -> pl.DataFrame:
        """Join what was read of all dumps; of rows with one key the newest dump's is kept."""
        frame = pl.concat([pl.DataFrame(schema=schema), *frames])
        age = {dump: position for position, dump in enumerate(order)}
        frame = frame.with_columns(pl.col("dump").replace_strict(age, return_dtype=pl.Int32))
        frame = frame.sort("dump", key, maintain_order=True)
        return frame.unique(key, keep="last", maintain_order=True).drop("dump")
