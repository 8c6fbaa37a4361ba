"""Ask an OpenAI-compatible endpoint to rewrite or extend responses under a system message.

What comes back has the origin `model` and names its parent row, so that no release takes it unless
the recipe gives such rows a share (`select.max_model_share`). Calls, tries, budget and the cache of
replies are the judge's, so that the same command goes on where it stopped; the set appears whole or
not at all.
"""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.augment.systems import system_for
from pipeline.errors import CurationError, ModelError
from pipeline.instructions import read_instructions
from pipeline.judge.asking import Asker
from pipeline.judge.replies import Reply
from pipeline.manifest import write_atomic
from pipeline.recipe import Judge

MODES = {
    "rewrite": "Below are a question and an answer to it. Write the answer anew, in your own words "
    "and in the manner that your instructions ask for. Keep every fact; add none.",
    "extend": "Below are a question and an answer to it. Give the answer with its reasoning spelled "
    "out, in the manner that your instructions ask for. Do not contradict it.",
}
TOKENS = 1024  # of a reply


def augment(
    file: Path,
    out: Path,
    settings: Judge,
    cache: Path,
    *,
    mode: str = "rewrite",
    seed: int = 0,
    done: Callable[[int], None] = lambda _: None,
) -> dict[str, Any]:
    """Write the augmented rows to `out` (JSONL); returns the bill.

    The texts of the rows are sent to the endpoint of `settings`, which also hold the budget.
    """
    if mode not in MODES:
        raise CurationError(f"The mode {mode!r} is none of {', '.join(MODES)}.")
    if out.suffix != ".jsonl":
        raise CurationError(f"{out}: augmented rows are written as .jsonl.")
    every = read_instructions(file).filter(pl.col("response").is_not_null())
    # Of a dialogue one question and one answer would lose what they are about.
    rows = every.filter(pl.col("history").list.len() == 0).to_dicts()
    requests = [_request(row, settings, mode, seed) for row in rows]
    with Asker(settings, cache, done) as asker:
        replies = asker.replies(requests)
        bill = asker.bill
    lines: list[str] = []
    failures = Counter({"dialogue": len(every) - len(rows)})
    said = ""
    for row, reply in zip(rows, replies, strict=True):
        if not isinstance(reply, Reply):
            failures[reply.reason or "unanswered"] += 1
            said = said or reply.detail or ""
        elif not reply.finished:
            failures["cut_off"] += 1
        elif not reply.text.strip():
            failures["empty"] += 1
        else:
            made = _made(row, reply.text, settings, mode, seed)
            lines.append(json.dumps(made, ensure_ascii=False))
    if not lines and said:
        raise ModelError(
            f"{settings.endpoint} made none of {len(rows):,} rows ({said}); nothing is written."
        )
    if lines:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(out, "".join(f"{line}\n" for line in lines))
    return {
        "rows": len(every),
        "made": len(lines),
        "calls": bill.calls,
        "tokens": bill.tokens,
        "from_cache": bill.from_cache,
        "failures": {name: n for name, n in sorted(failures.items()) if n},
        "out": str(out) if lines else None,
    }


def _made(row: dict[str, Any], text: str, settings: Judge, mode: str, seed: int) -> dict[str, Any]:
    return {
        "id": f"{row['id']}#{mode}",
        "parent": row["id"],
        "source": row["source"],
        "system": system_for(row["id"], seed) or None,
        "prompt": row["prompt"],
        "response": text.strip(),
        "licence": row["licence"],
        "origin": "model",
        "model": settings.model,
    }


def _request(row: dict[str, Any], settings: Judge, mode: str, seed: int) -> dict[str, Any]:
    system = system_for(row["id"], seed)
    asked = f"{MODES[mode]}\n\nQuestion:\n{row['prompt']}\n\nAnswer:\n{row['response']}"
    first = [{"role": "system", "content": system}] if system else []
    return {
        "model": settings.model,
        "messages": [*first, {"role": "user", "content": asked}],
        "temperature": 0,
        "seed": seed,
        "max_tokens": settings.max_reply_tokens or TOKENS,
    }
