"""ATTRIBUTION.md: who wrote what, where and under which licence.

In: the released rows. Out: a Markdown text, one line a row, grouped by source and licence. It meets
what Stack Exchange asks of those who reuse its content: it says that the content comes from there,
links the question, names the author and links the author's profile.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from pipeline.release.escape import address, code, link, markdown, one_line
from pipeline.release.licences import Licence, parse
from pipeline.review.verdicts import EDITED

SOURCES = {
    "stackexchange": (
        "Stack Exchange",
        "Questions and answers from sites of the [Stack Exchange](https://stackexchange.com) "
        "network. Each title links to the question on its site and each answer to its place below "
        "it; the names of those who asked and answered link to their profiles there. The licence "
        "is that of the answer.",
    ),
    "wikihow": (
        "wikiHow",
        "Articles from [wikiHow](https://www.wikihow.com), written by its community; the title "
        "links to the article and its list of authors.",
    ),
    "reddit": (
        "Reddit",
        "Submissions and comments from [Reddit](https://www.reddit.com). Their authors gave "
        "Reddit a licence, not the public: see the card before you share or train.",
    ),
    "natural_instructions": (
        "Natural Instructions",
        "Examples from the tasks of [Super-NaturalInstructions]"
        "(https://github.com/allenai/natural-instructions).",
    ),
    "authored": ("Authored", "Examples written for this collection."),
}

_READ = (
    "id",
    "source",
    "title",
    "prompt",
    "url",
    "author",
    "author_url",
    "prompt_url",
    "prompt_author",
    "prompt_author_url",
    "licence",
    "created_at",
)

_HEAD = """\
# Attribution

Every row of this release, with its author, its origin and its licence. The rows were changed:
markup was turned into Markdown, links, images and site furniture were removed, and a question's
title or its body became the prompt. Neither the authors nor the sites endorse this collection.
"""


def render(rows: pl.DataFrame) -> str:
    """Write the whole text; the same rows give the same bytes."""
    reviewed = [name for name in ("review",) if name in rows.columns]
    ordered = rows.select(*_READ, *reviewed).sort("id").to_dicts()
    sections: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in ordered:
        sections.setdefault((row["source"], parse(row["licence"]).spdx), []).append(row)
    lines = [_HEAD]
    last = None
    for source, spdx in sorted(sections):
        if source != last:
            name, text = SOURCES.get(source, (markdown(source), "Rows of a local table."))
            lines += [f"## {name}\n", f"{text}\n"]
            last = source
        members = sections[source, spdx]
        lines.append(f"### {_licence(parse(spdx))}: {_rows(len(members))}\n")
        lines += [line(row) for row in members]
        lines.append("")
    return "\n".join(lines)


def line(row: Mapping[str, Any]) -> str:
    """Write the line of one row; it ends with the row's id, by which `verify` finds it."""
    title = _cut(row["title"] or row["prompt"] or row["id"])
    author = link(row["author"], row["author_url"])
    if row["prompt_author"]:
        asker = link(row["prompt_author"], row["prompt_author_url"])
        parts = [f"{link(title, row['prompt_url'] or row['url'])} asked by {asker}"]
        parts.append(f"{link('answer', row['url'])} by {author}")
    else:
        parts = [f"{link(title, row['url'])} by {author}"]
    if row["created_at"]:
        parts.append(f"{row['created_at']:%Y-%m-%d}")
    if row.get("review") == EDITED:
        parts.append("edited by a reviewer of this collection")
    if not address(row["url"]):
        parts.append(code(row["url"]))
    return "- " + ", ".join([*parts, _licence(parse(row["licence"])), code(row["id"])])


def check(rows: Sequence[Mapping[str, Any]], text: str) -> Iterator[str]:
    """Say which rows are not named with author and origin, and which lines stand for no row."""
    found = (item.rpartition(", <code>") for item in text.split("\n") if item.startswith("- "))
    lines = {f"<code>{last}": first for first, _, last in found}
    for row in rows:
        said = lines.pop(code(row["id"]), None)
        if said is None:
            yield f"no line names {row['id']}"
        elif markdown(row["author"]) not in said or _where(row["url"]) not in said:
            yield f"the line of {row['id']} does not name its author and its url"
    for left in lines:
        yield f"a line names {one_line(left)}, which is not in the release"


def _where(url: str) -> str:
    return address(url) or code(url)


def _licence(licence: Licence) -> str:
    if licence.known and licence.granted:
        return link(licence.spdx, licence.url)
    if licence.known:
        return f"no public licence ({link(licence.spdx, licence.url)})"
    return f"{markdown(licence.spdx)} (not a licence that we know)"


def _rows(count: int) -> str:
    return f"{count:,} row" + ("" if count == 1 else "s")


def _cut(text: str, limit: int = 200) -> str:
    line = one_line(text)
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"
