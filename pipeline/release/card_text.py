"""The words of a dataset card: what does not change from release to release."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import polars as pl

from pipeline.release.escape import markdown

COLUMNS = {
    "id": "stable across runs and dumps",
    "source": "kind of dump",
    "group": "the quota that the row counts for",
    "domain": "site, category or subreddit",
    "prompt": "what the user asks, in Markdown",
    "response": "the answer, in Markdown; null in test",
    "system": "words of the system, if any",
    "history": "earlier turns of a dialogue, `role` and `content`",
    "title": "title of the post or article",
    "url": "where it was published",
    "author": "who wrote the response (in test: the prompt)",
    "author_url": "the author's profile, where there is one",
    "prompt_url": "where the prompt was published, if somebody else wrote it",
    "prompt_author": "who wrote the prompt, if somebody else",
    "prompt_author_url": "that author's profile",
    "licence": "licence of the row",
    "created_at": "when it was written (UTC)",
    "votes": "votes in the dump; null where the source has none",
    "origin": "human, model or unknown",
    "accepted": "chosen by the asker; null where the source has no such mark",
    "votes_rank": "share of the answers of the same site and year with fewer votes",
    "tags": "tags that the source gives the question",
    "adult": "marked as adult by the source",
    "split": "train, validation or test",
    "messages": "the whole chat: system, history, prompt, response",
    "rank": "place in the order of selection within its group and split",
    "quality": "the quality score, 0 to 1",
    "quality_parts": "the parts of the score, each by itself",
    "cluster": "number of the topic",
    "cluster_words": "words that name the topic",
    "tokens": "WordPiece tokens of all messages (vocabulary of all-MiniLM-L6-v2, uncut); other "
    "models count differently",
    "review": "accepted or edited by a reviewer; null where nobody judged it",
}

_LIMITS = """\
## Known limits

- Votes are what readers liked, not what is true: no answer was checked for facts, and old answers
  may be out of date.
- The rules look for one language and for the habits of a few sites; what is rare there is rare here.
- This is no safety training: apart from what the sources mark and the rules catch, nothing teaches
  a model to refuse.
{checks}
- Links and images were removed; an answer that leaned on them may have lost something.
"""

REPRODUCE = """\
## How to make it again

`manifest.json` has the resolved recipe (digest `{digest}`), the seed ({seed}), the digests of all
inputs and the version of the code ({code}). Save its `recipe` as `recipe.json`, then:

```sh
thousand run recipe.json --dumps DIR
thousand verify RELEASE
```

The same inputs, recipe and seed give the same data files and decisions, byte for byte, on the same
kind of machine.

## How to cite

Cite this release by its name and version, and credit the authors named in
[ATTRIBUTION.md](ATTRIBUTION.md). The recipe follows LIMA:

```bibtex
@article{{zhou2023lima,
  title   = {{LIMA: Less Is More for Alignment}},
  author  = {{Zhou, Chunting and Liu, Pengfei and Xu, Puxin and Iyer, Srini and Sun, Jiao and Mao,
             Yuning and Ma, Xuezhe and Efrat, Avia and Yu, Ping and Yu, Lili and others}},
  journal = {{arXiv preprint arXiv:2305.11206}},
  year    = {{2023}}
}}
```
"""


def limits(recipe: Mapping[str, Any], sources: Collection[str]) -> str:
    """Say what the set cannot promise; which checks were left out is read from its recipe."""
    checks = []
    if not recipe["contamination"]["against"] and not recipe["gates"]["evaluation"]:
        checks.append("whether a row is found in an evaluation set")
    limited = recipe["score"]["lm"]["machine_text_limits"]
    if free := sorted(set(sources) - set(limited)):
        of = f" of {', '.join(free)}" if limited else ""
        checks.append(
            f"whether a text{of} was written by a machine, beyond what the rules of its source say of bots, "
            "phrases and dates"
        )
    checks.append("what a model trained on this set can do")
    listed = "; ".join(checks)
    return _LIMITS.format(checks=f"- Not checked: {listed}.")


def intro(manifest: Mapping[str, Any], rows: pl.DataFrame) -> str:
    """Say in a paragraph what the set is and how large."""
    counts = manifest["rows"]
    splits = ", ".join(f"{count:,} {split}" for split, count in counts.items() if count)
    train = rows.filter(pl.col("split") == "train")
    domains = rows.select("group", "domain").n_unique()
    described = manifest["recipe"].get("description") or ""
    text = f"# {markdown(manifest['name'])} {markdown(manifest['version'])}\n\n"
    if described:
        text += f"{markdown(described)}\n\n"
    text += (
        f"A small instruction-tuning set in the manner of LIMA, picked from "
        f"{_count(manifest['funnel'][0]['rows_in'], 'record')} in "
        f"{_count(len(manifest['inputs']), 'file')}. It holds "
        f"{_count(len(rows), 'row')} ({splits}) from {_count(domains, 'domain')}."
    )
    if len(train):
        lengths = sorted(train["response"].str.len_chars().to_list())
        text += (
            f" A training row has {train['tokens'].sum() / len(train):,.0f} tokens on average and a response "
            f"of {lengths[len(lengths) // 2]:,} characters in the middle, {lengths[0]:,} to "
            f"{lengths[-1]:,}."
        )
    return text + (
        "\n\n```python\nfrom datasets import load_dataset\n\n"
        f'train = load_dataset("path/to/this/folder", split="{next(iter(_filled(counts)), "train")}")'
        '\nprint(train[0]["messages"])\n```'
    )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def _filled(counts: Mapping[str, int]) -> list[str]:
    return [split for split, count in counts.items() if count]


def quoted(row: Mapping[str, Any]) -> str:
    """Show a prompt as a line of a list."""
    return f"- {markdown(row['prompt'])} *({markdown(row['domain'] or row['group'])})*"


def table(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    right: Collection[int] = (),
    raw: Collection[int] = (),
) -> str:
    """Lay out a Markdown table; cells are escaped but for the columns in `raw`."""
    marks = ["---:" if place in right else "---" for place in range(len(head))]
    lines = [list(head), marks]
    for row in rows:
        lines.append([c if place in raw else markdown(c) for place, c in enumerate(row)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
