"""Measure the guards: what they find of what is planted or labelled, and where they alarm falsely.

    python benchmarks/guards.py --data DIR [--write docs/guards.md]

DIR holds real dumps and labelled sets (`dumps`, `dumps-meta`, `lima`, `eval`, `human_vs_machine`,
`near_dup`), each as published, also as .zst. Prints Markdown tables, or puts them between the marks
of the document. Planted cases are made here, from a seed; people and numbers are invented.
"""

import argparse
import csv
import io
import json
import random
import re
import string
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import zstandard
from lxml import etree

from filters.assistant import assistant_style
from filters.language import language
from filters.personal import find as find_personal
from filters.personal import personal_data
from filters.rule import Rule, judge
from filters.unsafe import unsafe
from pipeline.contamination.match import Index, find
from pipeline.encoder import load_encoder, resolve_dtype
from pipeline.instructions import read_instructions
from pipeline.markdown import html_to_markdown
from pipeline.recipe import Contamination, Embed
from pipeline.text import clean_text

SEED = 11
EACH = 100
MARK = "<!-- measured: python benchmarks/guards.py -->"
END = "<!-- end: measured -->"
SITES = ("stackoverflow", "travel", "cardano", "datascience", "ai", "coffee")
_FRENCH = re.compile(
    r"(?i)\b(?:le|la|les|des|est|une|que|qui|pour|dans|pas|sur|avec|ne|ce|nous|je|et)\b"
)
_ENGLISH = re.compile(
    r"(?i)\b(?:the|and|is|of|to|that|in|it|for|you|this|are|with|be|not|i|have)\b"
)
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)


def main() -> None:
    """Print the tables, or write them into a document."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with dumps and sets")
    parser.add_argument("--write", type=Path, help="put the tables between the marks of this page")
    words = parser.parse_args()
    text = "\n\n".join(part(words.data) for part in (languages, personal, harm, style, evaluation))
    if words.write is None:
        print(text)
        return
    page = words.write.read_text(encoding="utf-8")
    before, _, rest = page.partition(MARK)
    after = rest.partition(END)[2]
    words.write.write_text(f"{before}{MARK}\n\n{text}\n\n{END}{after}", encoding="utf-8")


def opened(path: Path) -> io.BufferedIOBase:
    """The bytes of a plain or compressed file."""
    window = zstandard.ZstdDecompressor(max_window_size=2**31)
    return window.stream_reader(path.open("rb")) if path.suffix == ".zst" else path.open("rb")


def answers(folder: Path) -> pl.DataFrame:
    """The answers of one unpacked site, as Markdown."""
    rows = []
    with opened(next(folder.glob("Posts.xml*"))) as stream:
        for _, row in etree.iterparse(stream, tag="row", huge_tree=True):
            if row.get("PostTypeId") == "2":
                text = clean_text(html_to_markdown(row.get("Body", "")))
                rows.append((f"{folder.name.split('.')[0]}:{row.get('Id')}", text))
            row.clear()
    return pl.DataFrame(rows, schema={"id": pl.String, "response": pl.String}, orient="row")


def lines(path: Path) -> list[Any]:
    """The objects of a file of JSON lines."""
    with io.TextIOWrapper(opened(path), encoding="utf-8") as stream:
        return [json.loads(line) for line in stream if line.strip()]


def dropped(frame: pl.DataFrame, *rules: Rule) -> int:
    """How many rows break one of the rules."""
    return len(frame) - judge(frame, list(rules))["reason"].null_count()


def share(part: int, whole: int) -> str:
    """A count with its whole and its share."""
    return f"{part:,} of {whole:,} ({part / whole:.1%})" if whole else "none"


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    out = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    return "\n".join([*out, *("| " + " | ".join(row) + " |" for row in rows)])


# Language


def languages(data: Path) -> str:
    """The labels are function words and scripts, which the model does not know of."""
    sites = {
        "French meta": answers(data / "dumps-meta/stackexchange/french.meta.stackexchange.com"),
        "Arabic": answers(data / "dumps/stackexchange/arabic.stackexchange.com"),
    }
    english = {
        name: answers(data / f"dumps/stackexchange/{name}.stackexchange.com")
        if name != "stackoverflow"
        else answers(data / "dumps/stackexchange/stackoverflow.com")
        for name in SITES
    }
    rows = []
    for name, frame in (sites | english).items():
        groups: dict[str, list[str]] = {}
        for text in frame["response"]:
            groups.setdefault(label(text), []).append(text)
        for kind, texts in sorted(groups.items()):
            rows.append(
                [
                    name,
                    kind,
                    share(dropped(pl.DataFrame({"response": texts}), language()), len(texts)),
                ]
            )
    head = "### Language\n\nAnswers that leave with `languages: [en]`. The kind is told by scripts and function words; code-heavy: half of the characters stand in code.\n\n"
    return head + table(["site", "kind", "leave"], rows)


def label(text: str) -> str:
    """Tell the language of a text by scripts and function words."""
    prose = _CODE.sub(" ", text)
    letters = sum(map(str.isalpha, prose)) or 1
    arabic = len(re.findall(r"[\u0600-\u06ff]", prose)) / letters
    french, english = len(_FRENCH.findall(prose)), len(_ENGLISH.findall(prose))
    if letters < 60:
        return "under 60 letters of prose"
    if arabic > 0.6:
        return "Arabic"
    if arabic > 0.1 or min(french, english) * 3 > max(french, english):
        return "mixed"
    if french > english:
        return "French"
    return "English, code-heavy" if len(prose) * 2 < len(text) else "English"


# Personal data


def personal(data: Path) -> str:
    """Planted finds, decoys, and real answers."""
    rng = random.Random(SEED)
    rows = []
    for kind, (expected, make) in PLANTED.items():
        texts = [make(rng) for _ in range(EACH)]
        found = sum(any(hit.kind == expected for hit in find_personal(text)) for text in texts)
        rows.append([kind, share(found, EACH)])
    decoys = []
    for kind, make_decoy in DECOYS.items():
        texts = [make_decoy(rng) for _ in range(EACH)]
        decoys.append([kind, share(sum(bool(find_personal(text)) for text in texts), EACH)])
    real = []
    for name in SITES:
        folder = "stackoverflow.com" if name == "stackoverflow" else f"{name}.stackexchange.com"
        frame = answers(data / "dumps/stackexchange" / folder)
        counts = Counter(
            kind for text in frame["response"] for kind in {hit.kind for hit in find_personal(text)}
        )
        said = ", ".join(f"{kind} {count}" for kind, count in counts.most_common()) or "none"
        real.append([name, share(dropped(frame, personal_data()), len(frame)), said])
    return (
        f"### Personal data\n\nPlanted, {EACH} of each kind from seed {SEED}:\n\n"
        + table(["planted", "found"], rows)
        + "\n\nWhat is nobody's:\n\n"
        + table(["decoy", "false alarms"], decoys)
        + "\n\nReal answers:\n\n"
        + table(["site", "answers with a find", "by kind"], real)
    )


def digits(rng: random.Random, count: int) -> str:
    """Random digits."""
    return "".join(rng.choice(string.digits) for _ in range(count))


def token(rng: random.Random, count: int) -> str:
    """Random letters and digits."""
    return "".join(rng.choice(string.ascii_letters + string.digits) for _ in range(count))


def name(rng: random.Random) -> str:
    """The first part of an invented address."""
    return (
        rng.choice(("orla", "bram", "tamsin", "ludo", "wanda"))
        + rng.choice((".", "_", ""))
        + rng.choice(("quill", "fenn", "harrow", "stroud"))
    )


def host(rng: random.Random) -> str:
    """The host of an invented address."""
    return rng.choice(("northmail", "kelpworks", "dunmere-post", "mail.oakhold")) + rng.choice(
        (".net", ".org", ".co.uk", ".de")
    )


def card(rng: random.Random) -> str:
    """A card number with a right check digit."""
    body = rng.choice(("4", "51", "55", "6011")) + digits(rng, 16)
    body = body[:15]
    for check in string.digits:
        total = 0
        for place, digit in enumerate(reversed(body + check)):
            value = int(digit) * (2 if place % 2 else 1)
            total += value - 9 if value > 9 else value
        if total % 10 == 0:
            return body + check
    raise AssertionError


def iban(rng: random.Random) -> str:
    """A German IBAN with right check digits."""
    body = digits(rng, 18)
    check = 98 - int(body + "131400") % 97
    return f"DE{check:02d}{body}"


def spaced(number: str, step: int = 4, by: str = " ") -> str:
    """A number in groups."""
    return by.join(number[place : place + step] for place in range(0, len(number), step))


Make = Callable[[random.Random], str]
PLANTED: dict[str, tuple[str, Make]] = {
    "e-mail address": ("e-mail", lambda r: f"Write to {name(r)}@{host(r)} about the boiler."),
    "e-mail, written out (at, dot)": ("e-mail", lambda r: f"Write to {name(r)} at {host(r).replace('.', ' dot ')}."),
    "telephone, international": ("telephone", lambda r: f"My number: +44 20 7{digits(r, 3)} {digits(r, 4)}."),
    "telephone, American": ("telephone", lambda r: f"She lives there, (212) {r.randint(200, 554)}-{digits(r, 4)}."),
    "telephone, national, after a word": ("telephone", lambda r: f"Please call me, 030 90{digits(r, 6)}."),
    "telephone, national, without one": ("telephone", lambda r: f"It is 030 90{digits(r, 6)}."),
    "IPv4": ("ip", lambda r: f"The box answers at {r.randint(81, 95)}.{r.randint(40, 250)}.{r.randint(1, 250)}.{r.randint(1, 250)} only."),
    "IPv6": ("ip", lambda r: f"ping 2a02:8109:{r.randint(4096, 65535):x}:{r.randint(256, 65535):x}::{r.randint(16, 255):x} now"),
    "key, known prefix": ("key", lambda r: "curl -H token " + r.choice(("ghp_" + token(r, 36), "AKIA" + token(r, 16).upper(), "sk_live_" + token(r, 24), "AIza" + token(r, 35)))),
    "key, by name and entropy": ("key", lambda r: r.choice(('api_key = "{}"', "SECRET_KEY: {}", "password={}")).format(token(r, 32))),
    "key, neither": ("key", lambda r: f"then paste {token(r, 40)} there"),
    "private key": ("key", lambda r: f"-----BEGIN RSA PRIVATE KEY-----\n{token(r, 64)}\n{token(r, 64)}\n-----END RSA PRIVATE KEY-----"),
    "card, in groups": ("card", lambda r: f"I paid by {spaced(card(r), by=r.choice((' ', '-')))} yesterday."),
    "card, bare, after a word": ("card", lambda r: f"My credit card is {card(r)}."),
    "card, bare, without one": ("card", lambda r: f"I wrote {card(r)} on the form."),
    "IBAN": ("identity", lambda r: f"Send it to {spaced(iban(r))}, please."),
    "SSN": ("identity", lambda r: f"Number on file: {r.randint(100, 600)}-{r.randint(10, 99)}-{r.randint(1000, 9999)}."),
}  # fmt: skip
DECOYS: dict[str, Make] = {
    "version": lambda r: f"Update to {r.choice(('v', 'version ', 'build '))}{r.randint(1, 20)}.{r.randint(0, 99)}.{r.randint(0, 9999)}.{r.randint(0, 200)}.",
    "four numbers like a version, no word": lambda r: f"We run openssl {r.randint(1, 9)}.{r.randint(0, 12)}.{r.randint(0, 25)}.{r.randint(0, 25)} here.",
    "git hash": lambda r: f"commit {''.join(r.choice('0123456789abcdef') for _ in range(40))}",
    "SHA-256 as token": lambda r: f"sha256: {''.join(r.choice('0123456789abcdef') for _ in range(64))}",
    "UUID": lambda r: f"token={token(r, 0)}{''.join(r.choice('0123456789abcdef') for _ in range(8))}-1b2c-4d3e-8f4a-{''.join(r.choice('0123456789abcdef') for _ in range(12))}",
    "ISBN": lambda r: f"ISBN 978-{r.randint(0, 9)}-{digits(r, 3)}-{digits(r, 5)}-{r.randint(0, 9)}",
    "date and time": lambda r: f"20{r.randint(10, 24)}-{r.randint(10, 12)}-{r.randint(10, 28)} {r.randint(10, 23)}:{r.randint(10, 59)}:{r.randint(10, 59)}, {r.randint(1500000000, 1700000000)}",
    "coordinates": lambda r: f"at {r.uniform(-90, 90):.6f}, {r.uniform(-180, 180):.6f} or +{r.uniform(10, 90):.6f}",
    "example.com": lambda r: f"mail {name(r)}@example.com or you@yourdomain.com, see 192.0.2.{r.randint(1, 254)}",
    "private network": lambda r: f"ssh pi@192.168.{r.randint(0, 255)}.{r.randint(1, 254)} via 10.{r.randint(0, 255)}.0.1",
    "price and sum": lambda r: f"It cost ${r.randint(1, 999)},{digits(r, 3)}.{digits(r, 2)} of {digits(r, 12)} lovelace.",
    "order number": lambda r: f"Order {digits(r, 3)}-{digits(r, 7)}-{digits(r, 7)} left on Monday.",
    "16 digits": lambda r: f"id = {r.choice('456')}{digits(r, 15)}",
    "phone for stories": lambda r: f"Ring ({r.randint(201, 989)}) 555-01{digits(r, 2)} and ask for her.",
    "test card": lambda r: r.choice(("4242 4242 4242 4242", "4111-1111-1111-1111", "card 378282246310005")),
    "placeholder key": lambda r: r.choice(("api_key = YOUR_API_KEY_GOES_HERE_12345", "AKIAIOSFODNN7EXAMPLE", "token: xxxxxxxxxxxxxxxxxxxxxxxxxxxx1")),
}  # fmt: skip


# Unsafe text


def harm(data: Path) -> str:
    """Rows that leave by the word lists."""
    lima = read_instructions(data / "lima/lima_train_even.jsonl.zst")
    rules = [unsafe("prompt"), unsafe()]
    rows = [["LIMA, every second row", share(dropped(lima, *rules), len(lima))]]
    for name_ in SITES:
        folder = "stackoverflow.com" if name_ == "stackoverflow" else f"{name_}.stackexchange.com"
        frame = answers(data / "dumps/stackexchange" / folder)
        rows.append([f"answers, {name_}", share(dropped(frame, *rules), len(frame))])
    posts = lines(data / "dumps/reddit/pushshift/RS_2019-10_AskWomen.zst")
    for adult in (False, True):
        texts = [
            f"{p.get('title', '')}\n{p.get('selftext', '')}"
            for p in posts
            if bool(p.get("over_18")) is adult
        ]
        said = "marked over 18" if adult else "not marked"
        rows.append(
            [
                f"Reddit, AskWomen, {said}",
                share(dropped(pl.DataFrame({"response": texts}), *rules), len(texts)),
            ]
        )
    return (
        "### Unsafe text\n\nRows that leave by the word lists. Only the last line is marked by its source (which the rule `adult` reads); all others count as false alarms until read.\n\n"
        + table(["rows", "leave"], rows)
    )


# Style of assistants


def style(data: Path) -> str:
    """Recall and false alarms of the phrases of assistants."""
    folder = data / "human_vs_machine"
    rows = []
    for name_, human, machine in pairs(folder):
        cells = [name_]
        for threshold in (99, 3, 2):
            for texts in (machine, human):
                cells.append(
                    f"{dropped(pl.DataFrame({'response': texts}), assistant_style(threshold)) / len(texts):.1%}"
                )
        rows.append([*cells, f"{len(machine):,} / {len(human):,}"])
    head = [
        "set",
        "telling phrases: machine",
        "human",
        "or 3 stock: machine",
        "human",
        "or 2 stock: machine",
        "human",
        "texts",
    ]
    return (
        "### Style of assistants\n\nShare of texts that leave (machine: recall; human: false alarms). The recipes have 3.\n\n"
        + table(head, rows)
    )


def pairs(folder: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    """Sets of human and machine text: name, human, machine."""
    hc3 = lines(folder / "HC3/open_qa.jsonl.zst")
    yield (
        "HC3, open questions, ChatGPT",
        [t for r in hc3 for t in r["human_answers"]],
        [t for r in hc3 for t in r["chatgpt_answers"]],
    )
    for path in sorted((folder / "fast-detect-gpt").glob("*.json*")):
        with io.TextIOWrapper(opened(path), encoding="utf-8") as stream:
            value = json.load(stream)
        yield (
            f"Fast-DetectGPT, {path.name.split('_')[0]}, GPT-3.5",
            value["original"],
            value["sampled"],
        )


# Evaluation sets


def evaluation(data: Path) -> str:
    """Planted and real rows against all evaluation sets."""
    paths = [
        p
        for p in sorted((data / "eval").rglob("*"))
        if p.is_file() and p.name != "judge_prompts.jsonl"
    ]
    index = Index.of(paths)
    rng = random.Random(SEED)
    asked = index.texts.filter(pl.col("side") == "prompt").filter(
        pl.col("text").str.split(" ").list.len() >= 8
    )
    chosen = asked["text"].sample(500, seed=SEED).to_list()
    spare = sorted(
        {word for text in asked["text"].head(400) for word in re.findall(r"[a-z]{4,}", text)}
    )
    wrap = "There is a riddle that my uncle told at every wedding. "
    planted: dict[str, Callable[[str], tuple[str, str]]] = {
        "the same prompt": lambda t: (t, "Yes."),
        "other case and punctuation": lambda t: (re.sub(r"[^\w\s]+", " ; ", t).upper(), "Yes."),
        "inside a response": lambda t: ("Tell me something.", f"{wrap}{t} {wrap}"),
        "every tenth word another": lambda t: (swapped(t, 10, spare, rng), "Yes."),
        "every fifth word another": lambda t: (swapped(t, 5, spare, rng), "Yes."),
        "every third word another": lambda t: (swapped(t, 3, spare, rng), "Yes."),
    }
    rows = []
    for kind, change in planted.items():
        made = [change(text) for text in chosen]
        frame = pl.DataFrame(
            {
                "id": [str(n) for n in range(len(made))],
                "prompt": [p for p, _ in made],
                "response": [r for _, r in made],
            }
        )
        hits = find(frame, index).unique("id", keep="first", maintain_order=True)
        by = ", ".join(
            f"{m} {n}"
            for m, n in hits["method"]
            .value_counts()
            .sort("count", "method", descending=[True, False])
            .iter_rows()
        )
        rows.append([kind, share(len(hits), len(made)), by])
    lima = read_instructions(data / "lima/lima_train_even.jsonl.zst")
    alarms = []
    for name_, frame in {
        "LIMA, every second row": lima,
        **{n: real(data, n) for n in ("travel", "stackoverflow", "datascience")},
    }.items():
        hits = find(frame, index)
        said = (
            "; ".join(
                f"{r['set']} by {r['method']}: {r['overlap'][:70]}"
                for r in hits.head(3).iter_rows(named=True)
            )
            or "none"
        )
        alarms.append(
            [
                name_,
                share(hits["id"].n_unique(), len(frame)),
                said.replace("|", "/").replace("<", "&lt;"),
            ]
        )
    return (
        f"### Evaluation sets\n\n{len(paths)} files, {len(index.texts):,} texts. 500 prompts of 8 words and more, changed by seed {SEED}:\n\n"
        + table(["planted", "found", "first by"], rows)
        + "\n\nReal rows that leave, to be read (nothing is planted there):\n\n"
        + table(["rows", "leave", "by"], alarms)
        + "\n\n"
        + paraphrases(data)
    )


def real(data: Path, site: str) -> pl.DataFrame:
    """The answers of a site, without prompts."""
    folder = "stackoverflow.com" if site == "stackoverflow" else f"{site}.stackexchange.com"
    return answers(data / "dumps/stackexchange" / folder).with_columns(prompt=pl.lit(""))


def swapped(text: str, step: int, spare: list[str], rng: random.Random) -> str:
    """A text with each so many-th word replaced."""
    words = text.split()
    for place in range(step - 1, len(words), step):
        words[place] = rng.choice(spare)
    return " ".join(words)


def paraphrases(data: Path) -> str:
    """MRPC: pairs of sentences, labelled as paraphrase or not (but always about the same)."""
    with io.TextIOWrapper(
        opened(next((data / "near_dup/MRPC").glob("*train*"))), encoding="utf-8-sig"
    ) as stream:
        records = list(csv.reader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))[1:1001]
    encoder = load_encoder(Embed(), resolve_dtype("auto"), 1)
    left = encoder.encode([r[3] for r in records]).astype(np.float32)
    right = encoder.encode([r[4] for r in records]).astype(np.float32)
    cosine = np.einsum("ij,ij->i", left, right)
    strangers = np.einsum("ij,ij->i", left, np.roll(right, 1, axis=0))
    same = np.array([r[0] == "1" for r in records])
    rows = []
    for threshold in (0.85, 0.9, 0.95):
        rows.append(
            [
                str(threshold),
                f"{(cosine[same] >= threshold).mean():.1%}",
                f"{(cosine[~same] >= threshold).mean():.1%}",
                f"{(strangers >= threshold).mean():.1%}",
            ]
        )
    texts = pl.DataFrame(
        {
            "set": "mrpc",
            "row": [str(n) for n in range(len(records))],
            "side": "prompt",
            "text": [r[3] for r in records],
        }
    )
    frame = pl.DataFrame(
        {
            "id": [str(n) for n in range(len(records))],
            "prompt": [r[4] for r in records],
            "response": "",
        }
    )
    hits = find(frame, Index(texts, Contamination())).filter(pl.col("id") == pl.col("row"))
    found = np.zeros(len(records), bool)
    found[hits["id"].cast(pl.Int64).to_list()] = True
    rows.insert(0, ["words alone", f"{found[same].mean():.1%}", f"{found[~same].mean():.1%}", ""])
    return (
        f"Paraphrases: {int(same.sum())} pairs of MRPC that say the same, {int((~same).sum())} about the same event that do not. The recipes' cosine is 0.9.\n\n"
        + table(["cosine", "say the same: found", "do not: found", "strangers: found"], rows)
    )


if __name__ == "__main__":
    main()
