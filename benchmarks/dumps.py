"""Make dumps of any size with known answers: texts of a few rows, varied until no two are alike.

    python -m benchmarks.dumps OUT --posts 100000 [--from DIR] [--seed 0]

Threads are drawn from the dumps below --from (default: data/sample). In each copy half of the long
words are replaced by words of the whole collection, so that two copies of one text share about a
tenth of their 5-grams, and every title gets four words of its own. Votes are drawn anew, since a
sample has few bad answers: 60 % have two or more, 12 % ten or more, as in small real sites.
Then copies are planted: answers of earlier questions, letter for letter or with one word of sixty
changed, each under a new question.

OUT gets stackexchange/<site>/Posts.xml and Users.xml for four sites, and truth.json: posts,
questions, answers, and each planted pair with its kind.
"""

import argparse
import html
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.random import Generator

from pipeline.recipe import Limits
from pipeline.sources import sevenzip
from pipeline.sources.opening import bare_name, open_stream

SAMPLE = Path(__file__).parents[1] / "data" / "sample"
SITES = ("cooking", "travel", "physics", "stats")  # two for each group of the shipped recipes
_EXACT, _NEAR = 0.01, 0.01  # of the questions
_NEAR_WORDS = 60  # words for each one that a near copy changes: a Jaccard similarity above 0.8
_MIN_SLOTS = 40  # long words of a text that can be varied or planted
_KEPT = 500  # answers that may be planted again
_USERS = 5_000
_ATTRIBUTE = re.compile(r' ([A-Za-z]+)="([^"]*)"')
# Long words outside of tags, references and code names.
_LONG = re.compile(r"(?<![\w&;/#.-])[a-z]{5,}(?![\w;.-]*[;/\w=])")
_MU, _SIGMA = 0.978, 1.127  # of the logarithm of votes


@dataclass(frozen=True)
class Text:
    """A text cut into what stays and long words, in turns; `slots` are the places of the words."""

    pieces: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> "Text":
        """Cut a text."""
        pieces, end = [], 0
        for match in _LONG.finditer(text):
            pieces += [text[end : match.start()], match.group()]
            end = match.end()
        return cls((*pieces, text[end:]))

    @property
    def slots(self) -> int:
        """The number of long words."""
        return len(self.pieces) // 2

    def varied(self, words: Sequence[str], count: int, random: Generator) -> str:
        """Return the text with `count` of its long words replaced."""
        if not self.slots or not count:
            return "".join(self.pieces)
        pieces = list(self.pieces)
        places = random.permutation(self.slots)[:count]
        for place, word in zip(
            places.tolist(), random.integers(len(words), size=count).tolist(), strict=False
        ):
            pieces[2 * place + 1] = words[word]
        return "".join(pieces)


@dataclass(frozen=True)
class Thread:
    """A question with its answers, as attributes of rows; texts and titles are cut."""

    question: dict[str, str]
    answers: tuple[dict[str, str], ...]
    texts: tuple[Text, ...]  # the question's, then the answers'
    title: Text


def read_threads(folder: Path) -> list[Thread]:
    """Read all questions below a folder that have an answer with enough long words."""
    threads = []
    for lines in posts_below(folder):
        rows = [dict(_ATTRIBUTE.findall(line)) for line in lines if "<row " in line]
        answers: dict[str, list[dict[str, str]]] = {}
        for row in rows:
            if row.get("PostTypeId") == "2" and row.get("Body"):
                answers.setdefault(row.get("ParentId", ""), []).append(row)
        for row in rows:
            own = answers.get(row.get("Id", ""), [])
            if row.get("PostTypeId") != "1" or not row.get("Title"):
                continue
            texts = [Text.of(answer["Body"]) for answer in own]
            long = [n for n, text in enumerate(texts) if text.slots >= _MIN_SLOTS]
            if long:
                kept = tuple(own[n] for n in long)
                body = Text.of(row.get("Body", ""))
                cut = (body, *(texts[n] for n in long))
                threads.append(Thread(row, kept, cut, Text.of(row["Title"])))
    return threads


def posts_below(folder: Path) -> Iterator[list[str]]:
    """Yield the lines of each Posts.xml below a folder, packed or not."""
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        if bare_name(path) == "Posts.xml":
            with open_stream(path, Limits(), path.name) as stream:
                yield stream.read().decode("utf-8-sig", "replace").split("\n")
        elif path.suffix == ".7z":
            for _, stream in sevenzip.members(path, {"Posts.xml"}, Limits(), path.name):
                yield stream.read().decode("utf-8-sig", "replace").split("\n")


class Maker:
    """Writes threads one after the other, and keeps the books of what is planted."""

    def __init__(self, threads: Sequence[Thread], random: Generator) -> None:
        self.threads = threads
        self.random = random
        words = {w for t in threads for text in t.texts for w in text.pieces[1::2]}
        self.words = sorted(words)
        self.kept: list[tuple[str, str]] = []  # answers that may be planted: id, body
        self.planted: list[tuple[str, str, str]] = []  # copy, original, kind
        self.questions = self.answers = 0

    def site(self, folder: Path, name: str, posts: int) -> None:
        """Write one site of about so many posts."""
        folder.mkdir(parents=True)
        self.kept = []
        with (folder / "Posts.xml").open("w", encoding="utf-8", newline="\n") as file:
            file.write('\ufeff<?xml version="1.0" encoding="utf-8"?>\n<posts>\n')
            number = 1
            while number <= posts:
                number = self.thread(file, name, number)
            file.write("</posts>\n")
        with (folder / "Users.xml").open("w", encoding="utf-8", newline="\n") as file:
            file.write('\ufeff<?xml version="1.0" encoding="utf-8"?>\n<users>\n')
            for user in range(1, _USERS + 1):
                file.write(f'  <row Id="{user}" Reputation="1" DisplayName="Person {user}" />\n')
            file.write("</users>\n")

    def thread(self, file: TextIO, site: str, number: int) -> int:
        """Write a question and its answers with ids from `number` on; returns the next one."""
        random = self.random
        thread = self.threads[random.integers(len(self.threads))]
        lot = random.random() if len(self.kept) >= _KEPT else 1.0
        plant = "exact" if lot < _EXACT else "near" if lot < _EXACT + _NEAR else ""
        answers = thread.answers[:1] if plant else thread.answers
        four = " ".join(self.words[w] for w in random.integers(len(self.words), size=4))
        title = thread.title.varied(self.words, (thread.title.slots + 1) // 2, random)
        asked = {
            "Id": str(number),
            "AcceptedAnswerId": str(number + 1),
            "Title": f"{title.removesuffix('?')} ({four})?",
            "Body": self.vary(thread.texts[0]),
            "AnswerCount": str(len(answers)),
        }
        self.row(file, thread.question, asked)
        for place, answer in enumerate(answers, 1):
            body, votes = self.vary(thread.texts[place]), int(random.lognormal(_MU, _SIGMA))
            own = f"stackexchange:{site}:{number + place}"
            if plant:
                original, body = self.kept[random.integers(len(self.kept))]
                if plant == "near":
                    text = Text.of(body)
                    body = text.varied(self.words, max(1, len(body.split()) // _NEAR_WORDS), random)
                self.planted.append((own, original, plant))
                votes += 2
            elif len(answers) == 1 and votes >= 2:
                if len(self.kept) < _KEPT:
                    self.kept.append((own, body))
                elif random.random() < 0.1:
                    self.kept[random.integers(_KEPT)] = own, body
            given = {"Id": str(number + place), "ParentId": str(number), "Body": body}
            self.row(file, answer, given | {"Score": str(votes)})
        self.questions += 1
        self.answers += len(answers)
        return number + len(answers) + 1

    def vary(self, text: Text) -> str:
        """Replace half of the long words of a text."""
        return text.varied(self.words, text.slots // 2, self.random)

    def row(self, file: TextIO, like: dict[str, str], values: dict[str, str]) -> None:
        """Write a row with the attributes of another one, some of them replaced."""
        user = str(self.random.integers(1, _USERS + 1))
        merged = {
            **{k: values.get(k, v) for k, v in like.items() if k not in _LEFT_OUT},
            "OwnerUserId": user,
        }
        file.write("  <row")
        for key, value in merged.items():
            file.write(f' {key}="{value}"')
        file.write(" />\n")


# Of the person who wrote a row, and what would make a question leave.
_LEFT_OUT = {"OwnerDisplayName", "LastEditorUserId", "LastEditorDisplayName", "ClosedDate"}


def make(out: Path, posts: int, source: Path = SAMPLE, seed: int = 0) -> dict[str, Any]:
    """Write dumps of about `posts` posts; returns what is known of them (also truth.json)."""
    threads = read_threads(source)
    if not threads:
        raise SystemExit(f"There is no Posts.xml with long answers below {source}.")
    maker = Maker(threads, np.random.default_rng(seed))
    for site in SITES:
        host = f"{site}.stackexchange.com"
        maker.site(out / "stackexchange" / host, site, posts // len(SITES))
    truth = {
        "posts": maker.questions + maker.answers,
        "questions": maker.questions,
        "answers": maker.answers,
        "threads_drawn_from": len(threads),
        "planted": [dict(zip(("copy", "of", "kind"), p, strict=True)) for p in maker.planted],
    }
    (out / "truth.json").write_text(json.dumps(truth) + "\n", encoding="utf-8")
    return truth


def plain_text(body: str) -> str:
    """Return the text of a Body attribute without markup."""
    return html.unescape(re.sub(r"<[^>]+>", " ", html.unescape(body)))


def main() -> None:
    """Make dumps."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--posts", type=int, default=100_000)
    parser.add_argument("--from", dest="source", type=Path, default=SAMPLE, metavar="DIR")
    parser.add_argument("--seed", type=int, default=0)
    words = parser.parse_args()
    truth = make(words.out, words.posts, words.source, words.seed)
    print({key: len(value) if key == "planted" else value for key, value in truth.items()})


if __name__ == "__main__":
    main()
