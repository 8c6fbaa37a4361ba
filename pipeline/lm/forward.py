"""Run token sequences through a causal model: a log-probability for each token that is asked for.

A row's numbers must not depend on its neighbours. Long sequences run alone; short ones are padded
on the right to a few fixed lengths, in batches with a fixed number of rows, which under causal
attention no token before the padding can see. Logits are made only where a token is predicted that
somebody asked for: those of the prompt and of the padding would be most of the work in the head.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from pipeline.lm.load import CausalModel, enough_memory

STEP = 16  # padded lengths are multiples of this
# Tokens in a batch. A processor gains from batches only while a row is short.
CPU_TOKENS = 256
# A graphics card in float32 has enough to do with fewer: what fills up the last batch of each length is work, too.
GPU_TOKENS = {"float32": 4096, "bfloat16": 16384}
# Logits of a batch that a graphics card must hold: 2 GiB in float32. Large vocabularies get smaller batches.
GPU_LOGITS = 1 << 29
# Positions whose logits are held at once in float32: as many as stay in the cache of a processor.
# 256 take five times as long as 16 each.
CPU_CHUNK = 16
# On a graphics card few and large chunks are better.
GPU_CHUNK = 1024
# Raised when the same model and tokens give other numbers than before.
SCHEME = 3

Batch = tuple[list[int], int, int]  # places of sequences, their padded length, rows
Answer = TypeVar("Answer")

_card = threading.Lock()  # shards may run in threads, and one batch at a time is what a card holds


@dataclass(frozen=True)
class TokenIds:
    """Tokens, and from where on each is to be predicted (at least 1)."""

    ids: list[int]
    first: int


@dataclass(frozen=True)
class TokenNumbers:
    """Of each predicted token: its log-probability and, where asked for, what was to be expected.

    `mean` and `variance` are those of log p(x) over the model's own next-token distribution.
    """

    logp: npt.NDArray[np.float32]
    mean: npt.NDArray[np.float32] | None = None
    variance: npt.NDArray[np.float32] | None = None


def run(
    model: CausalModel,
    sequences: Sequence[TokenIds],
    *,
    moments: bool = False,
    batch_tokens: int | None = None,
    threads: int = 1,
    done: Callable[[int], None] | None = None,
) -> list[TokenNumbers]:
    """Return the numbers of each sequence, in the order given; `done` hears of finished ones."""
    import torch

    def numbers(batch: Batch) -> list[TokenNumbers]:
        places, length, rows = batch
        with torch.inference_mode():
            return _forward(
                model, [sequences[place] for place in places], length, rows, moments=moments
            )

    budget = batch_tokens or budget_of(model)
    cut = batches([len(s.ids) for s in sequences], budget)
    answers: list[TokenNumbers | None] = [None] * len(sequences)
    for (places, _, _), found in zip(cut, spread(model, numbers, cut, threads), strict=True):
        for place, answer in zip(places, found, strict=True):
            answers[place] = answer
        if done:
            done(len(places))
    return [answer for answer in answers if answer is not None]


def spread(
    model: CausalModel, function: Callable[[Batch], Answer], cut: Sequence[Batch], threads: int
) -> Iterator[Answer]:
    """Yield what a function makes of each batch, in their order.

    On a processor several batches at a time, each multiplied by one core: cores that share one
    multiplication wait for each other, and where other programs run, they wait most of the time. A
    graphics card gets one after the other. Raises ModelError where its memory is too small.
    """
    import torch

    def alone() -> None:
        torch.set_num_threads(1)

    if model.device != "cpu":
        for batch in cut:
            with _card, enough_memory(model.device):
                answer = function(batch)
            yield answer
        return
    if threads == 1:
        alone()
        yield from map(function, cut)
        return
    with ThreadPoolExecutor(threads, initializer=alone) as pool:
        yield from pool.map(function, cut)


def budget_of(model: CausalModel) -> int:
    """Return how many tokens make a batch where the model is."""
    if model.device == "cpu":
        return CPU_TOKENS
    vocabulary = int(model.model.config.get_text_config().vocab_size)
    return min(GPU_TOKENS[model.dtype], GPU_LOGITS // vocabulary)


def batches(lengths: Sequence[int], budget: int) -> list[Batch]:
    """Return (places, padded length, rows) of each batch, the longest first."""
    buckets: dict[tuple[int, int], list[int]] = {}
    for place, length in enumerate(lengths):
        padded = -(-length // STEP) * STEP
        rows = budget // padded
        key = (padded, rows) if rows > 1 else (length, 1)
        buckets.setdefault(key, []).append(place)
    found = []
    for (length, rows), places in sorted(buckets.items(), reverse=True):
        for start in range(0, len(places), rows):
            found.append((places[start : start + rows], length, rows))
    return found


def padded(model: CausalModel, chosen: Sequence[TokenIds], length: int, rows: int) -> Any:  # noqa: ANN401
    """Return a batch of token ids, padded on the right, where the model is."""
    import torch

    # The last row fills a batch up: its shape must not tell how many rows were left.
    filled = [*chosen, *([chosen[-1]] * (rows - len(chosen)))]
    pad = model.tokenizer.pad_token_id or 0
    ids = torch.full((rows, length), pad, dtype=torch.long)
    for place, sequence in enumerate(filled):
        ids[place, : len(sequence.ids)] = torch.tensor(sequence.ids, dtype=torch.long)
    return ids.to(model.device)


def _forward(
    model: CausalModel, chosen: Sequence[TokenIds], length: int, rows: int, *, moments: bool
) -> list[TokenNumbers]:
    import torch

    ids = padded(model, chosen, length, rows)
    first = min(sequence.first for sequence in chosen)
    last = max(len(sequence.ids) for sequence in chosen)
    kept = torch.arange(first - 1, last - 1, device=model.device)
    if rows > 1:  # a fixed shape for the head as well
        first, kept = 1, torch.arange(0, length - 1, device=model.device)
    logits = model.model(input_ids=ids, use_cache=False, logits_to_keep=kept).logits
    spans = [range(sequence.first, len(sequence.ids)) for sequence in chosen]
    where = [(place, position) for place, span in enumerate(spans) for position in span]
    asked = torch.tensor(where, dtype=torch.long).reshape(-1, 2).to(model.device)
    chunk = CPU_CHUNK if model.device == "cpu" else GPU_CHUNK
    parts = [
        _numbers(logits[row, position - first].float(), ids[row, position], moments=moments)
        for row, position in (part.T for part in torch.split(asked, chunk))
    ]
    # All of a batch at once: a graphics card that is asked row by row waits most of the time.
    found = torch.cat(parts, dim=1).cpu().numpy()
    ends = np.cumsum([len(span) for span in spans])[:-1]
    return [TokenNumbers(*columns) for columns in np.split(found, ends, axis=1)]


def _numbers(logits: Any, wanted: Any, *, moments: bool) -> Any:  # noqa: ANN401
    """Return the numbers of each position, stacked: columns of TokenNumbers by positions."""
    import torch

    logp = torch.log_softmax(logits, dim=-1)
    token = logp.gather(1, wanted[:, None])[:, 0]
    if not moments:
        return token[None]
    p = logp.exp()
    mean = torch.linalg.vecdot(p, logp)
    square = torch.linalg.vecdot(p.mul_(logp), logp)
    variance = (square - mean * mean).clamp_(min=0)
    return torch.stack((token, mean, variance))
