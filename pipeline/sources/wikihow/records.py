"""wikiHow as JSON lines: title with html (2008), with steps, or with text."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from pipeline.recipe import Ingest
from pipeline.sources.base import Tally, parse_json
from pipeline.sources.opening import lines
from pipeline.sources.wikihow.article import Article, Part, Step, one_line
from pipeline.sources.wikihow.html import parse_html
from pipeline.sources.wikihow.mend import mend

_NUMBERED = re.compile(r"^\s{0,3}\d{1,3}[.)]\s+")
# Shortened articles announce lists that they no longer hold.
_PROMISE = re.compile(r"(?:(?<=[.!?])\s+|\A)[^.!?\n]*:\Z")
_FEATURED = re.compile(r"^featured[- ]articles?$", re.IGNORECASE)


def read_records(
    path: Path, label: str, settings: Ingest, tally: Tally
) -> Iterator[tuple[int, Article]]:
    """Read articles, one JSON object a line."""
    for number, line in lines(path, settings.limits, label):
        if line is not None and not line.strip():
            continue
        tally.read(label)
        if line is None:
            tally.bad(label, number, "longer than ingest.limits.max_line_bytes")
            continue
        try:
            article = _article(parse_json(line))
        except ValueError as error:
            tally.bad(label, number, str(error))
            continue
        yield number, article


def _article(record: object) -> Article:
    """Build an article from a record; raises ValueError if it is none."""
    if not isinstance(record, dict):
        raise ValueError("not a JSON object")
    title = record.get("title")
    if not isinstance(title, str) or not title.strip():
        raise ValueError("no title")
    if isinstance(record.get("html"), str):
        article = parse_html(record["html"])
        article.title = title
    elif isinstance(record.get("steps"), list):
        article = Article(title, parts=[Part(steps=[_step(step) for step in record["steps"]])])
    elif isinstance(record.get("text"), str):
        article = _from_text(title, record["text"])
    else:
        raise ValueError("neither html, nor steps, nor text")
    for name in ("intro", "introduction", "overview"):
        if not article.intro and isinstance(record.get(name), str):
            article.intro = mend(record[name])
    article.tips = article.tips or _strings(record.get("tips"))
    article.warnings = article.warnings or _strings(record.get("warnings"))
    article.category = category(record.get("category")) or article.category
    url = record.get("url")
    if isinstance(url, str) and re.fullmatch(r"https?://[^\s<>\"]{4,2000}", url):
        article.url = url
    for name in ("author", "licence"):
        if isinstance(record.get(name), str) and record[name].strip():
            setattr(article, name, one_line(record[name])[:200])
    article.created_at = _date(record.get("created_at") or record.get("date")) or article.created_at
    return article


def _step(value: object) -> Step:
    if isinstance(value, str):
        return Step(text=mend(value))
    if not isinstance(value, dict):
        raise ValueError("a step that is neither text nor an object")
    headline, text = value.get("headline") or "", value.get("text") or ""
    if not isinstance(headline, str) or not isinstance(text, str):
        raise ValueError("a step whose headline or text is no text")
    headline, text = one_line(headline), text.strip()
    if headline and text.startswith(headline):
        text = text[len(headline) :].strip()
    text = "\n\n".join(mend(one_line(p)) for p in text.split("\n\n"))
    return Step(mend(headline), _PROMISE.sub("", text))


def _from_text(title: str, text: str) -> Article:
    """Read steps from numbered lines, or take each paragraph as one."""
    paragraphs = [line.strip() for line in text.splitlines() if line.strip()]
    numbered = [bool(_NUMBERED.match(line)) for line in paragraphs]
    if sum(numbered) < 2:
        return Article(title, parts=[Part(steps=[Step(text=mend(p)) for p in paragraphs])])
    start = numbered.index(True)
    steps: list[Step] = []
    for line, is_step in zip(paragraphs[start:], numbered[start:], strict=True):
        if is_step:
            steps.append(Step(text=mend(_NUMBERED.sub("", line))))
        else:
            steps[-1].points.append(mend(line.lstrip("-*• ")))
    return Article(title, "\n\n".join(mend(p) for p in paragraphs[:start]), [Part(steps=steps)])


def category(value: object) -> str | None:
    """Name the highest category that is not "Featured Articles"."""
    if isinstance(value, str):
        value = re.split(r"\s*[>|]\s*", value)
    for name in value if isinstance(value, list) else []:
        plain = one_line(name.replace("-", " "))[:100] if isinstance(name, str) else ""
        if plain and not _FEATURED.match(plain):
            return plain
    return None


def _strings(value: object) -> list[str]:
    return (
        [mend(item) for item in value if isinstance(item, str)] if isinstance(value, list) else []
    )


def _date(value: object) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    return found.astimezone(UTC).replace(tzinfo=None) if found.tzinfo else found
