"""An article between its layout and its Markdown: introduction, parts, steps, sections."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from pipeline.recipe import WikiHow

_ENDS = tuple(".!?:;,…)\"'”’")
_CLINGS = tuple(".,;:!?)’'”")


_SENTENCES = re.compile(r"(.{5,}?[a-z]{3}[)\"”’']?[.!?][)\"”’']?)\s+([A-Z“\"(].*)")


@dataclass
class Step:
    """A step: its bold words, what follows them, and the points below (two spaces a level)."""

    headline: str = ""
    text: str = ""
    points: list[str] = field(default_factory=list)

    def is_empty(self) -> bool:
        return not (self.headline or self.text or self.points)


@dataclass
class Part:
    """A method or part of an article; `heading` is empty where the article has only one."""

    heading: str = ""
    steps: list[Step] = field(default_factory=list)


@dataclass
class Article:
    """One article as its layout gives it; `title` is still as found."""

    title: str
    intro: str = ""
    parts: list[Part] = field(default_factory=list)
    ingredients: list[str] = field(default_factory=list)
    tips: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    category: str | None = None
    url: str | None = None
    created_at: datetime | None = None
    author: str | None = None  # where the record names one; else the site's
    licence: str | None = None

    def steps(self) -> int:
        """Count the steps that say something."""
        return sum(1 for part in self.parts for step in part.steps if not step.is_empty())


def render(article: Article, settings: WikiHow) -> str:
    """Write the article as Markdown: introduction, numbered steps, sections that are wanted."""
    parts = [(p.heading, [s for s in p.steps if not s.is_empty()]) for p in article.parts]
    parts = [(heading, steps) for heading, steps in parts if steps]
    blocks = [article.intro.strip()]
    blocks += _section("Ingredients", article.ingredients)
    for heading, steps in parts:
        if heading and len(parts) > 1:
            blocks.append(f"### {one_line(heading)}")
        elif article.ingredients and heading == "":
            blocks.append("### Steps")
        blocks.append("\n".join(_step(number, step) for number, step in enumerate(steps, 1)))
    if settings.tips:
        blocks += _section("Tips", article.tips)
    if settings.warnings:
        blocks += _section("Warnings", article.warnings)
    return "\n\n".join(block for block in blocks if block)


def one_line(text: str) -> str:
    """Join the words of a text by single spaces."""
    return " ".join(text.split())


def bullets(lines: Iterable[str]) -> str:
    """Write lines as bullets; leading spaces, two a level, make them nested."""
    written = []
    for line in lines:
        depth = (len(line) - len(line.lstrip(" "))) // 2
        if line.strip():
            written.append(f"{'  ' * depth}- {one_line(line)}")
    return "\n".join(written)


def _section(name: str, lines: list[str]) -> list[str]:
    listed = bullets(lines)
    return [f"### {name}", listed] if listed else []


def _step(number: int, step: Step) -> str:
    headline = one_line(step.headline.replace("**", ""))
    text = step.text.strip()
    if match := _SENTENCES.fullmatch(headline):  # bold is the first sentence alone
        headline, text = match[1], f"{match[2]} {text}".strip()
    if headline and re.match(r"[.!?:](\s|$)", text):
        headline, text = headline.rstrip(".") + text[0], text[1:].strip()
    if headline and not text.startswith(_CLINGS):
        if not headline.endswith(_ENDS) and (not text or text[0].isupper()):
            headline += "."
        text = f"**{headline}** {text}".rstrip()
    elif headline:
        text = f"**{headline}**{text}"
    elif not text and step.points:
        text, step = step.points[0].strip(), Step(points=step.points[1:])
    marker = f"{number}. "
    indent = " " * len(marker)
    below = bullets(step.points)
    lines = re.sub(r"\n{3,}", "\n\n", text.strip()).split("\n") + (
        below.split("\n") if below else []
    )
    return marker + "\n".join(indent + line if line else "" for line in lines).lstrip()
