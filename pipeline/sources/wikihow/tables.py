"""wikiHow as tables: wikihowAll.csv, one article a row, and tables with one step a row.

In wikihowAll.csv the bold words of all steps were joined by commas in `headline`, and what follows
them in `text`. Which commas of the text are such joints is found by their number.
"""

import re
from collections.abc import Iterator
from itertools import chain, groupby, pairwise
from pathlib import Path

from pipeline.errors import SourceError
from pipeline.recipe import Ingest
from pipeline.sources.base import Tally, printable
from pipeline.sources.records import csv_rows
from pipeline.sources.wikihow.article import Article, Part, Step, one_line
from pipeline.sources.wikihow.mend import mend

# (number of the line, article); None is an article whose words cannot be put in order.
Numbered = Iterator[tuple[int, Article | None]]

_HEAD_JOINT = re.compile(r",[ \t]*\n|\n+,|(?<=[.!?)\"”]),(?=[A-Z(“\"])")
# Places where a comma can be a joint, from sure to doubtful.
_TEXT_JOINTS = (
    re.compile(r"(?:\A|(?<=[\n,])|(?<=;\n)),"),
    re.compile(r"(?<=[.!?:;]),(?=\s*\Z|\s+[^a-z\s]|\n|,)|(?<=[.!?:;\xa0 ]),(?=,)"),
    re.compile(r"(?<=[)\"”’']),(?=\s*\Z|\s+[A-Z“]|\n|,)"),
    re.compile(r"(?<=[)\"”’' ]),(?=\s+[^a-z\s])"),
)
_WHOLE = {"headline", "title", "text"}
_SHAPES = (_WHOLE, {"title", "heading", "paragraph"})
_SAYS_NOTHING = re.compile(r"[\s;,.]*")


def read_table(path: Path, label: str, settings: Ingest, tally: Tally) -> Numbered:
    """Read one CSV table of either shape; raises SourceError if it has neither's columns."""
    columns: set[str] = set()

    def check(header: list[str]) -> None:
        columns.update(_lower(name) for name in header)
        if not any(shape <= columns for shape in _SHAPES):
            raise SourceError(
                f"{label} is no wikiHow table: it needs the columns headline, title, text or "
                f"title, heading, paragraph, and has {printable(', '.join(header))[:200]}."
            )

    numbered = _records(csv_rows(path, settings.limits, label, check), label, tally)
    first = next(numbered, None)
    if first is None:
        return
    rows = chain([first], numbered)
    if columns >= _WHOLE and "sectionlabel" not in columns:
        for line, record in rows:
            tally.read(label)
            yield line, _whole_article(record)
    elif "heading" in columns:
        yield from _by_steps(rows, "heading", "paragraph", label, tally)
    else:
        yield from _by_steps(rows, "headline", "text", label, tally)


def _lower(name: str) -> str:
    return name.strip().lower()


def _records(
    rows: Iterator[tuple[int, dict[str, str] | ValueError]], label: str, tally: Tally
) -> Iterator[tuple[int, dict[str, str]]]:
    for line, row in rows:
        if isinstance(row, ValueError):
            tally.read(label)
            tally.bad(label, line, str(row))
            continue
        record = {_lower(name): value for name, value in row.items()}
        if not any(record.values()):
            continue
        if not record["title"].strip():
            tally.read(label)
            tally.bad(label, line, "no title")
            continue
        yield line, record


def _by_steps(
    numbered: Iterator[tuple[int, dict[str, str]]], head: str, text: str, label: str, tally: Tally
) -> Numbered:
    """Gather rows of the same title that follow one another; a new section is a new part."""
    for title, group in groupby(numbered, key=lambda item: item[1]["title"]):
        article = Article(title)
        line = 0
        section: str | None = None
        for number, record in group:
            line = line or number
            name = one_line(record.get("sectionlabel", ""))
            if name != section:
                section = name
                article.parts.append(Part("" if name.lower() == "steps" else name))
            article.intro = article.intro or mend(record.get("overview", "").strip())
            article.parts[-1].steps.append(_table_step(record[head], record[text]))
        tally.read(label)
        yield line, article


def _table_step(headline: str, text: str) -> Step:
    headline, text = one_line(headline), one_line(text)
    if text.startswith(headline):
        text = text[len(headline) :]
    return Step(mend(headline).rstrip(","), mend(text.strip()))


def _whole_article(record: dict[str, str]) -> Article | None:
    heads = [h.strip() for h in _HEAD_JOINT.split(record["headline"]) if h.strip(" ,\n\t")]
    texts = _split_text(record["text"], len(heads))
    if texts is None:
        return None
    steps = [_whole_step(h, t) for h, t in zip(heads, texts, strict=True)]
    return Article(record["title"], parts=[Part(steps=steps)])


def _split_text(text: str, pieces: int) -> list[str] | None:
    """Cut the text at its joints; None if no kind of joint gives that many pieces."""
    if pieces == 0:
        return None
    if _SAYS_NOTHING.fullmatch(text):
        return [""] * pieces
    joints: set[int] = set()
    for pattern in _TEXT_JOINTS:
        joints |= {match.start() for match in pattern.finditer(text)}
        if len(joints) >= pieces - 1:
            break
    if len(joints) == pieces and text.rstrip().endswith(","):
        joints.discard(max(joints))  # the last step closes like the others
    if len(joints) != pieces - 1:
        return None
    borders = [-1, *sorted(joints), len(text)]
    return [text[a + 1 : b] for a, b in pairwise(borders)]


def _whole_step(head: str, text: str) -> Step:
    """Put a step together: the first line of its head is bold, further lines are points."""
    text = re.sub(r";\s*$", "", text)
    bold, *begun = [line for line in head.replace("\xa0", " ").split("\n") if line.strip()]
    first, *rest = text.replace("\xa0", " ").lstrip(" ").split("\n")
    if begun:  # the text goes on where the head stopped, in the middle of a point
        begun[-1] = f"{begun[-1]} {first}"
        first = ""
    points = [mend(one_line(p).lstrip("-•* ")) for p in (*begun, *rest) if p.strip()]
    return Step(mend(one_line(bold)).strip(" ,;-"), mend(one_line(first)), points)
