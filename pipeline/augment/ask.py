"""Ask an OpenAI-compatible endpoint to rewrite or extend responses under a system message.

What comes back has the origin `model` and names its parent row, so that no release takes it unless
the recipe gives such rows a share (`select.max_model_share`). Replies are kept by request, so that
the same command goes on where it stopped; the set appears whole or not at all.
"""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.augment.systems import system_for
from pipeline.errors import CurationError, ModelError
from pipeline.instructions import read_instructions
from pipeline.manifest import write_atomic

MODES = {
    "rewrite": "Below are a question and an answer to it. Write the answer anew, in your own words "
    "and in the manner that your instructions ask for. Keep every fact; add none.",
    "extend": "Below are a question and an answer to it. Give the answer with its reasoning spelled "
    "out, in the manner that your instructions ask for. Do not contradict it.",
}


@dataclass(frozen=True)
class Wanted:
    """Who is asked, and what that may cost. The texts of the rows are sent to `endpoint`."""

    endpoint: str
    model: str
    key_variable: str | None = None
    mode: str = "rewrite"
    budget_calls: int = 1000
    max_tokens: int = 1024
    seed: int = 0
    timeout_seconds: float = 120
    tries: int = 5


def augment(
    file: Path, out: Path, wanted: Wanted, cache: Path, done: Callable[[int], None] = lambda _: None
) -> dict[str, Any]:
    """Write the augmented rows to `out` (JSONL); returns the bill."""
    if wanted.mode not in MODES:
        raise CurationError(f"The mode {wanted.mode!r} is none of {', '.join(MODES)}.")
    if out.suffix != ".jsonl":
        raise CurationError(f"{out}: augmented rows are written as .jsonl.")
    rows = read_instructions(file).filter(pl.col("response").is_not_null())
    client = None
    calls = cached = empty = 0
    lines: list[str] = []
    for row in rows.iter_rows(named=True):
        request = _request(row, wanted)
        kept = cache / f"{_key(request, wanted.endpoint)}.json"
        if kept.is_file():
            text = json.loads(kept.read_text(encoding="utf-8"))["text"]
            cached += 1
        elif calls >= wanted.budget_calls:
            break
        else:
            client = client or _client(wanted)
            text = _ask(client, request, wanted)
            calls += 1
            cache.mkdir(parents=True, exist_ok=True)
            write_atomic(kept, json.dumps({"text": text}, ensure_ascii=False))
        done(1)
        if text.strip():
            lines.append(json.dumps(_made(row, text, wanted), ensure_ascii=False))
        else:
            empty += 1
    if lines:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(out, "".join(f"{line}\n" for line in lines))
    return {
        "rows": len(rows),
        "made": len(lines),
        "calls": calls,
        "from_cache": cached,
        "empty": empty,
        "left": len(rows) - len(lines) - empty,
        "out": str(out) if lines else None,
    }


def _made(row: dict[str, Any], text: str, wanted: Wanted) -> dict[str, Any]:
    return {
        "id": f"{row['id']}#{wanted.mode}",
        "parent": row["id"],
        "source": row["source"],
        "system": system_for(row["id"], wanted.seed) or None,
        "prompt": row["prompt"],
        "response": text.strip(),
        "licence": row["licence"],
        "origin": "model",
        "model": wanted.model,
    }


def _request(row: dict[str, Any], wanted: Wanted) -> dict[str, Any]:
    system = system_for(row["id"], wanted.seed)
    asked = f"{MODES[wanted.mode]}\n\nQuestion:\n{row['prompt']}\n\nAnswer:\n{row['response']}"
    first = [{"role": "system", "content": system}] if system else []
    return {
        "model": wanted.model,
        "messages": [*first, {"role": "user", "content": asked}],
        "temperature": 0,
        "seed": wanted.seed,
        "max_tokens": wanted.max_tokens,
    }


def _key(request: dict[str, Any], endpoint: str) -> str:
    text = json.dumps([endpoint, request], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:40]


def _client(wanted: Wanted) -> Any:  # noqa: ANN401 - the client's type would import openai
    import openai

    key = "none"
    if wanted.key_variable:
        key = os.environ.get(wanted.key_variable, "").strip()
        if not key:
            raise ModelError(f"The environment variable {wanted.key_variable} is not set.")
    return openai.OpenAI(
        base_url=wanted.endpoint,
        api_key=key,
        timeout=wanted.timeout_seconds,
        max_retries=wanted.tries - 1,
    )


def _ask(client: Any, request: dict[str, Any], wanted: Wanted) -> str:  # noqa: ANN401
    import openai

    try:
        answer = client.chat.completions.create(**request)
        return str(answer.choices[0].message.content or "")
    except openai.APIStatusError as error:
        raise ModelError(
            f"{wanted.endpoint} refuses the request (status {error.status_code}); replies so far "
            "are kept, and the same command goes on from there."
        ) from error
    except (openai.APIError, AttributeError, IndexError, TypeError, ValueError) as error:
        raise ModelError(
            f"{wanted.endpoint} gives no chat completion ({type(error).__name__}); replies so far "
            "are kept, and the same command goes on from there."
        ) from error
