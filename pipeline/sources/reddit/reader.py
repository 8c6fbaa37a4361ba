"""Read Reddit dumps: the best reply of each thread, and titles that are prompts by themselves.

All files are read together, since a thread's replies may stand in a later file than the thread.
Comments are read first; of each thread only the best reply with enough votes is kept in memory.
Then each submission is written with its reply. Every record has one fate: it is half of a
candidate, or it is left out with a reason. Top-level replies with fewer votes than the recipe asks
for are `low_votes`, others that another reply beats `not_top_answer`, nested ones `not_a_post`.
"""

import logging
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.recipe import Ingest
from pipeline.record import raw_frame
from pipeline.sources.base import Found, Tally, forgiving, found
from pipeline.sources.opening import bare_name
from pipeline.sources.reddit.posts import (
    Comment,
    Submission,
    comment,
    holds_comments,
    is_table,
    read_records,
    submission,
)
from pipeline.sources.reddit.rules import is_bot, is_gone, is_question, plain_prompt, story_prompt
from pipeline.text import plain_title

logger = logging.getLogger(__name__)

LICENCE = "LicenseRef-Reddit"  # under Reddit's terms, which are no open licence
_SITE = "https://www.reddit.com"
_STORIES = "writingprompts"
_SUFFIXES = (".json", ".jsonl", ".ndjson", ".csv")
_PUSHSHIFT = re.compile(r"R[SC]_[\w-]+")
_BATCH = 1000


def find(dumps: Path, settings: Ingest) -> list[Found]:
    """Find all Reddit files, as one piece; dumps of months before tables."""
    files = [
        path
        for path in (dumps / "reddit").rglob("*")
        if path.is_file()
        and (bare_name(path).lower().endswith(_SUFFIXES) or _PUSHSHIFT.fullmatch(bare_name(path)))
    ]
    files.sort(key=lambda path: (is_table(path), path))
    return [found("reddit", "threads", files, dumps)] if files else []


def read(found: Found, settings: Ingest, tally: Tally, scratch: Path) -> Iterator[pl.DataFrame]:
    """Join replies to submissions. Kept in memory: a thread's best reply, and ids of threads."""
    reader = _Reader(found, settings, tally)
    submissions = []
    for path in found.files:
        with forgiving(settings):
            if holds_comments(path, found.label(path), settings):
                reader.read_comments(path)
            else:
                submissions.append(path)
    reader.rank_votes()
    batch: list[dict[str, Any]] = []
    for path in submissions:
        with forgiving(settings):
            for row in reader.read_submissions(path):
                batch.append(row)
                if len(batch) == _BATCH:
                    yield raw_frame(batch)
                    batch = []
    if batch:
        yield raw_frame(batch)
    reader.close()


@dataclass
class _Reader:
    """The state of one reading."""

    found: Found
    settings: Ingest
    tally: Tally
    best: dict[str, tuple[Comment, str]] = field(default_factory=dict)  # thread: reply, its file
    scores: dict[str, Counter[int]] = field(default_factory=dict)  # of usable replies
    ranks: dict[str, dict[int, float]] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Prepare the names of subreddits for comparison."""
        self.replied = _lower(self.settings.reddit.subreddits)
        self.asked = _lower(self.settings.reddit.prompt_subreddits)

    def read_comments(self, path: Path) -> None:
        """Keep what may still be a thread's best reply."""
        label = self.found.label(path)
        for number, record in read_records(path, label, self.settings, self.replied):
            self.tally.read(label)
            try:
                if isinstance(record, str):
                    raise ValueError(record)
                reason = "excluded_site" if record is None else self._judge(comment(record), label)
            except ValueError as error:
                self.tally.bad(label, number, str(error))
                continue
            if reason:
                self.tally.leave_out(label, reason)
        self.tally.check(label)
        logger.info("source=reddit file=%s comments=%d", label, self.tally.rows[label])

    def _judge(self, reply: Comment, label: str) -> str | None:
        """Say why a reply is left out, or keep it as the best of its thread so far."""
        subreddit = reply.subreddit.lower()
        if self.replied is not None and subreddit not in self.replied:
            return "excluded_site"
        if not reply.top_level:
            return "not_a_post"
        if is_gone(reply.body):
            return "removed"
        if is_bot(reply.author, reply.body):
            return "machine_text"
        if reply.official:
            return "not_a_post"
        self.scores.setdefault(subreddit, Counter())[reply.votes] += 1
        if reply.votes < self.settings.reddit.min_votes:
            return "low_votes"
        if len(reply.body) < self.settings.reddit.min_chars:
            return "too_short"
        rival = self.best.get(reply.thread)
        if rival is not None:
            if rival[0].id == reply.id:
                return "duplicate_exact"
            if _order(rival[0]) < _order(reply):
                return "not_top_answer"
            self.tally.leave_out(rival[1], "not_top_answer")
        self.best[reply.thread] = (reply, label)
        return None

    def rank_votes(self) -> None:
        """Turn counts of scores into mid-ranks: the share with fewer votes, ties counted half."""
        for subreddit, counts in self.scores.items():
            below, total, ranks = 0, counts.total(), {}
            for score in sorted(counts):
                ranks[score] = (below + counts[score] / 2) / total
                below += counts[score]
            self.ranks[subreddit] = ranks

    def read_submissions(self, path: Path) -> Iterator[dict[str, Any]]:
        """Yield threads with a reply, and prompts."""
        label = self.found.label(path)
        name = Path(bare_name(path)).stem
        wanted = None if self.replied is None or self.asked is None else self.replied | self.asked
        for number, record in read_records(path, label, self.settings, wanted):
            self.tally.read(label)
            try:
                if isinstance(record, str):
                    raise ValueError(record)
                row = (
                    "excluded_site"
                    if record is None
                    else self._row(submission(record, name), label)
                )
            except ValueError as error:
                self.tally.bad(label, number, str(error))
                continue
            if isinstance(row, str):
                self.tally.leave_out(label, row)
            else:
                yield row
        self.tally.check(label)
        logger.info("source=reddit file=%s submissions=%d", label, self.tally.rows[label])

    def _row(self, post: Submission, label: str) -> dict[str, Any] | str:
        """Make a row of a thread, or say why it is left out; its reply then leaves, too."""
        subreddit = post.subreddit.lower()
        answered = self.replied is None or subreddit in self.replied
        prompts = self.asked is None or subreddit in self.asked
        if not answered and not prompts:
            return "excluded_site"
        if post.id in self.seen:
            return "duplicate_exact"
        self.seen.add(post.id)
        title = story_prompt(post.title) if subreddit == _STORIES else plain_prompt(post.title)
        reason = _unfit(post, title)
        reply, file = self.best.pop(post.id, (None, ""))
        if reason is None and reply is not None and reply.subreddit.lower() == subreddit:
            rank = self.ranks[subreddit][reply.votes]
            return _thread(post, title or "", reply, rank)
        if reason is None and prompts:
            reason = None if is_question(post.title) else "not_a_post"
        elif reason is None:
            reason = "no_answer"
        if reply is not None:
            self.tally.leave_out(file, reason or "no_answer")
        return reason or _prompt(post, title or "")

    def close(self) -> None:
        """Count the replies whose threads are in none of the files."""
        for _, label in self.best.values():
            self.tally.leave_out(label, "no_answer")
        self.best.clear()


def _unfit(post: Submission, title: str | None) -> str | None:
    if is_gone(post.title) or post.removed or (post.selftext and is_gone(post.selftext)):
        return "removed"
    if is_bot(post.author, post.selftext):
        return "machine_text"
    if post.official or title is None:
        return "not_a_post"
    return None


def _order(reply: Comment) -> tuple[int, bool, float, int, str]:
    """Sort replies from best to worst: votes, then the earlier, then the lower id."""
    at = reply.created_at
    seconds = at.replace(tzinfo=UTC).timestamp() if at else 0.0
    return (-reply.votes, at is None, seconds, len(reply.id), reply.id)


def _thread(post: Submission, title: str, reply: Comment, rank: float) -> dict[str, Any]:
    page = post.permalink or f"/r/{post.subreddit}/comments/{post.id}/_/"
    story = post.subreddit.lower() == _STORIES
    return {
        **_common(post, title, reply.author),
        "id": f"reddit:{post.subreddit}:{reply.id}",
        "body": None if story else post.selftext.strip() or None,
        "response": reply.body,
        "url": _SITE + (reply.permalink or f"{page.rstrip('/')}/{reply.id}/"),
        "created_at": reply.created_at,
        "votes": reply.votes,
        "votes_rank": rank,
        "prompt_url": _SITE + page,
        "prompt_author": post.author or "anonymous",
        "prompt_author_url": _profile(post.author),
    }


def _prompt(post: Submission, title: str) -> dict[str, Any]:
    """Make a row without a response, of the title alone: a prompt to test models with."""
    return {
        **_common(post, title, post.author),
        "id": f"reddit:{post.subreddit}:{post.id}",
        "url": _SITE + (post.permalink or f"/r/{post.subreddit}/comments/{post.id}/"),
        "created_at": post.created_at,
        "votes": post.votes,
        "split": "test",
    }


def _profile(author: str) -> str | None:
    return f"{_SITE}/user/{author}" if author else None


def _common(post: Submission, title: str, author: str) -> dict[str, Any]:
    return {
        "source": "reddit",
        "group": "reddit",
        "domain": post.subreddit,
        "title": plain_title(title),
        "markup": "reddit",
        "author": author or "anonymous",
        "author_url": _profile(author),
        "licence": LICENCE,
        "origin": "human",
        "adult": post.adult,
    }


def _lower(names: list[str] | None) -> frozenset[str] | None:
    return None if names is None else frozenset(name.lower().removeprefix("r/") for name in names)
