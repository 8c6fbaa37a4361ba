"""Read labelled sets of human and machine text, as published, also as .zst.

A pair is what people and what a model wrote on one prompt. The sets belong to others and are no
part of this repository; SOURCES says where each lies in the folder that a benchmark is given.
"""

import csv
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import zstandard

Pairs = list[tuple[list[str], list[str]]]  # human texts and machine texts on one prompt


def unpacked(path: Path) -> bytes:
    """Read a file, with or without .zst."""
    raw = path.read_bytes()
    if path.suffix != ".zst":
        return raw
    return zstandard.ZstdDecompressor().stream_reader(io.BytesIO(raw)).read()


def fast_detect(path: Path) -> Pairs:
    """Originals and samples at the same places."""
    value = json.loads(unpacked(path))
    return [([a], [b]) for a, b in zip(value["original"], value["sampled"], strict=True)]


def hc3(path: Path) -> Pairs:
    """Questions with the answers of people and of ChatGPT."""
    rows = map(json.loads, unpacked(path).decode().splitlines())
    return [(row["human_answers"][:1], row["chatgpt_answers"][:1]) for row in rows]


def m4(path: Path) -> Pairs:
    """One text of each kind to a line."""
    rows = map(json.loads, unpacked(path).decode().splitlines())
    return [([row["human_text"]], [row["machine_text"]]) for row in rows]


def stories(path: Path) -> Pairs:
    """Prompts of r/WritingPrompts with a story and a completion."""
    rows = csv.DictReader(io.StringIO(unpacked(path).decode(), newline=""))
    return [([row["story"]], [row["completion"]]) for row in rows]


def essays(path: Path) -> Pairs:
    """Files human/N.txt and chatgpt/N.txt."""
    found: dict[str, tuple[list[str], list[str]]] = {}
    with tarfile.open(fileobj=io.BytesIO(unpacked(path))) as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isfile() else None
            if file:
                kind, name = member.name.split("/")[-2:]
                pair = found.setdefault(name, ([], []))
                pair[kind == "chatgpt"].append(file.read().decode("utf-8", "replace"))
    return [found[name] for name in sorted(found)]


SOURCES: dict[str, tuple[str, Callable[[Path], Pairs]]] = {
    "XSum news, gpt-3.5-turbo": (
        "fast-detect-gpt/xsum_gpt-3.5-turbo.raw_data.json.zst",
        fast_detect,
    ),
    "PubMed answers, gpt-3.5-turbo": (
        "fast-detect-gpt/pubmed_gpt-3.5-turbo.raw_data.json",
        fast_detect,
    ),
    "WritingPrompts, gpt-3.5-turbo": (
        "fast-detect-gpt/writing_gpt-3.5-turbo.raw_data.json.zst",
        fast_detect,
    ),
    "r/WritingPrompts stories, gpt-3.5-turbo": (
        "writingprompts/gpt-3.5-turbo_train.csv.zst",
        stories,
    ),
    "HC3 open questions, ChatGPT": ("HC3/open_qa.jsonl.zst", hc3),
    "M4 Reddit, Llama 2": ("M4/test_reddit_llama2.jsonl.zst", m4),
    "essays, ChatGPT": ("chatgpt-generated-text-detection-corpus.tar.zst", essays),
}
