"""The guard of evaluation sets: planted copies, changed ones, and real rows."""

import random
import re
from collections.abc import Callable
from pathlib import Path

import polars as pl

from benchmarks.guarding.real import SEED, answers
from benchmarks.marked import share, table
from pipeline.contamination.match import Index, find
from pipeline.instructions import read_instructions


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
    for name, frame in {
        "LIMA, every second row": lima,
        **{
            site: answers(data, site).with_columns(prompt=pl.lit(""))
            for site in ("travel", "stackoverflow", "datascience")
        },
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
                name,
                share(hits["id"].n_unique(), len(frame)),
                said.replace("|", "/").replace("<", "&lt;"),
            ]
        )
    return (
        f"### Evaluation sets\n\n{len(paths)} files, {len(index.texts):,} texts. 500 prompts of 8 words and more, changed by seed {SEED}:\n\n"
        + table(["planted", "found", "first by"], rows)
        + "\n\nReal rows that leave, to be read (nothing is planted there):\n\n"
        + table(["rows", "leave", "by"], alarms)
    )


def swapped(text: str, step: int, spare: list[str], rng: random.Random) -> str:
    """A text with each so many-th word replaced."""
    words = text.split()
    for place in range(step - 1, len(words), step):
        words[place] = rng.choice(spare)
    return " ".join(words)
