"""Submissions and comments as dumps hold them: fields of any type in, checked values out."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pipeline.errors import SourceError
from pipeline.recipe import Ingest
from pipeline.sources.base import parse_json, printable
from pipeline.sources.opening import bare_name, lines
from pipeline.sources.records import csv_rows

Record = Mapping[str, object]
# (number of the line, record, or why it cannot be read; None if it is of another subreddit)
Numbered = Iterator[tuple[int, Record | str | None]]

_ID = re.compile(r"[0-9a-z]{1,16}")
_ANY_SUBREDDIT = re.compile(rb'"subreddit": ?"[A-Za-z0-9_.-]{1,60}"')
_SUBREDDIT = re.compile(r"[A-Za-z0-9_.-]{1,60}")
_USER = re.compile(r"[A-Za-z0-9_.-]{1,60}")
_PERMALINK = re.compile(r"(?:https?://[a-z.]*reddit\.com)?(/r/[^\s<>\"?#]{3,500})")
_SECONDS = range(1_100_000_000, 4_100_000_000)  # 2004 to 2099
_INT64 = 2**63

GONE = frozenset({"[deleted]", "[removed]", "[deleted by user]", "[removed by reddit]"})


@dataclass(frozen=True)
class Submission:
    """What a thread asks."""

    id: str
    subreddit: str
    title: str
    selftext: str
    author: str
    votes: int
    created_at: datetime | None
    permalink: str | None
    adult: bool
    removed: bool
    official: bool  # pinned, or posted by a moderator as such


@dataclass(frozen=True)
class Comment:
    """What somebody replied; `top_level` where the reply is to the submission itself."""

    id: str
    thread: str
    subreddit: str
    body: str
    author: str
    votes: int
    created_at: datetime | None
    permalink: str | None
    top_level: bool
    official: bool


def submission(record: Record, subreddit: str | None = None) -> Submission:
    """Check a submission; raises ValueError that says what is wrong with it."""
    title = record.get("title")
    if not isinstance(title, str) or not title.strip():
        raise ValueError("no title")
    selftext = record.get("selftext")
    permalink = _permalink(record.get("permalink"))
    return Submission(
        id=_id(record.get("id"), "id", "t3_"),
        subreddit=_subreddit(record.get("subreddit"), permalink, subreddit),
        title=title,
        selftext=selftext if isinstance(selftext, str) else "",
        author=_author(record.get("author")),
        votes=_votes(record),
        created_at=_created(record.get("created_utc")),
        permalink=permalink,
        adult=_true(record.get("over_18")),
        removed=bool(record.get("removed_by_category") or record.get("banned_by")),
        official=_official(record),
    )


def comment(record: Record) -> Comment:
    """Check a comment; raises ValueError that says what is wrong with it."""
    body = record.get("body")
    if not isinstance(body, str):
        raise ValueError("no body")
    thread = _id(record.get("link_id"), "link_id", "t3_")
    parent = record.get("parent_id")
    permalink = _permalink(record.get("permalink"))
    return Comment(
        id=_id(record.get("id"), "id", "t1_"),
        thread=thread,
        subreddit=_subreddit(record.get("subreddit"), permalink, None),
        body=body,
        author=_author(record.get("author")),
        votes=_votes(record),
        created_at=_created(record.get("created_utc")),
        permalink=permalink,
        top_level=isinstance(parent, str) and parent == f"t3_{thread}",
        official=_official(record),
    )


def read_records(
    path: Path, label: str, settings: Ingest, names: frozenset[str] | None = None
) -> Numbered:
    """Read JSON lines or a CSV table; with `names`, lines of other subreddits are not parsed."""
    if is_table(path):
        yield from _read_table(path, label, settings)
        return
    wanted = _line_filter(names)
    for number, line in lines(path, settings.limits, label):
        if line is None:
            yield number, "longer than ingest.limits.max_line_bytes"
        elif line.strip():
            other = wanted and not wanted.search(line) and _ANY_SUBREDDIT.search(line)
            yield number, None if other else parse(line)


def _line_filter(names: frozenset[str] | None) -> re.Pattern[bytes] | None:
    if names is None:
        return None
    listed = b"|".join(re.escape(name.encode()) for name in sorted(names))
    return re.compile(rb'"subreddit": ?"(?i:' + listed + rb')"')


def parse(line: bytes) -> Record | str:
    """Parse one JSON line; a text says why it is no object."""
    try:
        record = parse_json(line)
    except ValueError as error:
        return str(error)
    return record if isinstance(record, dict) else "not a JSON object"


def is_table(path: Path) -> bool:
    """Tell tables from JSON lines by the name."""
    return Path(bare_name(path)).suffix.lower() == ".csv"


def holds_comments(path: Path, label: str, settings: Ingest) -> bool:
    """Tell comments from submissions by the first record that is either."""
    if is_table(path):
        return False
    for count, (_, record) in enumerate(read_records(path, label, settings)):
        if isinstance(record, dict):
            if "title" in record:
                return False
            if "body" in record or "link_id" in record:
                return True
        if count >= 100:
            break
    else:
        if Path(bare_name(path)).name.startswith("RC_"):
            return True  # empty, or all broken: the reading will tell
        if Path(bare_name(path)).name.startswith("RS_"):
            return False
    raise SourceError(
        f"{label} holds neither Reddit submissions (title) nor comments (body, link_id), one JSON "
        "object a line."
    )


def _read_table(path: Path, label: str, settings: Ingest) -> Numbered:
    def check(header: list[str]) -> None:
        if not {"id", "title", "score"} <= set(header):
            raise SourceError(
                f"{label} is no table of Reddit submissions: it needs the columns id, title and "
                f"score, and has {printable(', '.join(header))[:200]}."
            )

    for number, row in csv_rows(path, settings.limits, label, check):
        yield number, str(row) if isinstance(row, ValueError) else row


def _id(value: object, name: str, prefix: str) -> str:
    if isinstance(value, str):
        bare = value.removeprefix(prefix)
        if _ID.fullmatch(bare):
            return bare
    raise ValueError(f"{name} is no Reddit id: {str(value)[:40]!r}")


def _subreddit(value: object, permalink: str | None, default: str | None) -> str:
    if value is None and permalink:
        value = permalink.split("/")[2]
    if value is None or value == "":
        value = default
    if isinstance(value, str) and _SUBREDDIT.fullmatch(value):
        return value
    raise ValueError(f"no subreddit: {str(value)[:40]!r}")


def _author(value: object) -> str:
    """Return the name; "" where the author is unknown or gone."""
    if isinstance(value, str) and value.lower() not in GONE and _USER.fullmatch(value):
        return value
    return ""


def _votes(record: Record) -> int:
    for name in ("score", "ups"):
        value = record.get(name)
        if isinstance(value, bool) or value is None or value == "":
            continue
        try:
            votes = int(float(value)) if isinstance(value, (int, float, str)) else None
        except (ValueError, OverflowError):
            votes = None
        if votes is not None and abs(votes) < _INT64:
            return votes
        break
    raise ValueError(f"score is no number: {str(record.get('score'))[:40]!r}")


def _created(value: object) -> datetime | None:
    """Read seconds since 1970 as int, float or text; what cannot be a date of Reddit is None."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        seconds = int(float(value))
    except (ValueError, OverflowError):
        return None
    if seconds not in _SECONDS:
        return None
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)


def _permalink(value: object) -> str | None:
    match = _PERMALINK.fullmatch(value) if isinstance(value, str) else None
    return match[1] if match and match[1].count("/") >= 4 else None


def _official(record: Record) -> bool:
    by = record.get("distinguished")
    return _true(record.get("stickied")) or (isinstance(by, str) and by in ("moderator", "admin"))


def _true(value: object) -> bool:
    return value is True or (isinstance(value, str) and value.strip().lower() == "true")
