"""Turn rows into token sequences that fit the window: what is cut is flagged, nothing is dropped.

The response is tokenised by itself, so that it has the same tokens with and without its prompt and
their losses can be compared token by token.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.lm.load import CausalModel
from pipeline.lm.template import Turn

_lock = threading.Lock()

# What the prompt may take at least where prompt and response are both too long: so much of the window,
PROMPT_SHARE = 1 / 3
# and of a small one so many tokens, up to half: the markup of a chat template can have 30.
PROMPT_TOKENS = 64


@dataclass(frozen=True)
class Row:
    """A response and its prompt (none: the text is judged by itself)."""

    response: str | None  # null: nothing can be scored
    turns: Sequence[Turn] | None = None


@dataclass(frozen=True)
class Prepared:
    """The tokens of a row, within the window."""

    prompt: list[int] | None
    response: list[int]
    response_tokens: int  # before the cut
    prompt_tokens: int  # markup included, before the cut; 0 without a prompt
    cut: bool


def prepare(model: CausalModel, rows: Sequence[Row], max_tokens: int) -> list[Prepared]:
    """Tokenise rows and cut them to `max_tokens` or the model's window, whichever is less."""
    window = min(max_tokens, model.window)
    # Whether special tokens are split is a switch of the tokenizer, which all threads share.
    with _lock:
        responses = _tokens(model, [row.response or "" for row in rows])
        heads = [
            ([], 0) if row.turns is None else _prompt(model, row.turns, window, response)
            for row, response in zip(rows, responses, strict=True)
        ]
    prepared = []
    for row, response, (head, whole) in zip(rows, responses, heads, strict=True):
        kept = response[: window - max(len(head), len(model.start))]
        cut = len(head) < whole or len(kept) < len(response)
        prompt = None if row.turns is None else head
        prepared.append(Prepared(prompt, kept, len(response), whole, cut))
    return prepared


def _prompt(
    model: CausalModel, turns: Sequence[Turn], window: int, response: Sequence[int]
) -> tuple[list[int], int]:
    """Return the tokens before the response, cut to what it leaves, and how many there were."""
    pieces = [([*model.start] if model.starts_itself else [], True)]
    pieces += [
        (_piece(model, text, fixed=fixed), fixed) for text, fixed in model.template.pieces(turns)
    ]
    if pieces[1:] and pieces[1][0][: len(model.start)] == list(model.start):
        pieces[0] = ([], True)  # a chat template that writes the start itself
    whole = sum(len(tokens) for tokens, _ in pieces)
    least = max(int(window * PROMPT_SHARE), min(PROMPT_TOKENS, window // 2))
    excess = whole - max(least, window - len(response))
    kept: list[int] = []
    # Each text loses its own end; the oldest first, since the last is the question itself.
    for tokens, fixed in pieces:
        gone = 0 if fixed else min(max(excess, 0), len(tokens))
        excess -= gone
        kept += tokens[: len(tokens) - gone]
    # Markup alone can exceed a tiny window; its end is what the response follows.
    return kept[-(window - 1) :], whole


def _piece(model: CausalModel, text: str, *, fixed: bool) -> list[int]:
    found = model.tokenizer(text, add_special_tokens=False, split_special_tokens=not fixed)
    return list(found["input_ids"])


def _tokens(model: CausalModel, texts: Sequence[str]) -> list[list[int]]:
    if not texts:
        return []
    found = model.tokenizer(list(texts), add_special_tokens=False, split_special_tokens=True)
    return [list(ids) for ids in found["input_ids"]]
