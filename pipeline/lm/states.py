"""What a causal model makes of a response while it reads it: hidden states of its middle layers.

The mean over the tokens of the response, after its prompt, of what leaves a layer at half and one
at two thirds of the depth. Later layers turn to the next token; what they know of a text as a whole
stands before (found on labels of people, docs/quality.md). The rest of the model is not run.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline import vectorcache
from pipeline.errors import ModelError
from pipeline.lm.find import find_model
from pipeline.lm.forward import Batch, TokenIds, batches, budget_of, padded, spread
from pipeline.lm.load import CausalModel
from pipeline.lm.rows import Prepared, Row, prepare
from pipeline.lm.score import cache_name, row_key, segments, unfit

DEPTHS = (8 / 15, 2 / 3)
MAX_TOKENS = 512
# Raised when the same model and tokens give other states than before.
SCHEME = 1

States = npt.NDArray[np.float16]


@dataclass(frozen=True)
class Reading:
    """How responses were read for a learned score; another model or other layers have other states."""

    model: str  # as `find_model` knows it
    digest: str
    layers: tuple[int, ...]  # ascending; what leaves the first is number 1
    max_tokens: int
    width: int  # of a state: all layers together
    dtype: str  # that the model multiplies in

    @classmethod
    def by(cls, model: CausalModel, name: str, max_tokens: int = MAX_TOKENS) -> "Reading":
        """Say how a model is to read."""
        config = model.model.config.get_text_config()
        layers = sorted({max(1, round(depth * config.num_hidden_layers)) for depth in DEPTHS})
        width = config.hidden_size * len(layers)
        return cls(name, model.digest, tuple(layers), max_tokens, width, model.dtype)


def check_reading(reading: Reading) -> None:
    """Raise ModelError where the installed model is another than a score was trained with."""
    if find_model(reading.model).digest != reading.digest:
        raise ModelError(
            f"The learned score was trained with another {reading.model} than is installed here; train it again, "
            "or install the model that its card names."
        )


def states(
    model: CausalModel,
    rows: Sequence[Row],
    reading: Reading,
    *,
    cache: Path | None = None,
    threads: int = 1,
    done: Callable[[int], None] | None = None,
) -> States:
    """Return the state of each row, rows by `reading.width`; nan where there is no response."""
    answers = np.full((len(rows), reading.width), np.nan, np.float16)
    folder = cache and cache / _name(model, reading)
    keys = [row_key(row) for row in rows]
    known = vectorcache.lookup(folder, keys) if folder else {}
    open_rows = {
        key: row
        for key, row in zip(keys, rows, strict=True)
        if key not in known and unfit(row.response) is None
    }
    if done:
        done(sum(key not in open_rows for key in keys))
    for chosen in segments(open_rows, reading.max_tokens, budget_of(model)):
        prepared = prepare(model, [open_rows[key] for key in chosen], reading.max_tokens)
        new = _read(model, prepared, reading, threads)
        if folder:
            vectorcache.store(folder, chosen, new)
        known.update(zip(chosen, new, strict=True))
        if done:
            done(len(chosen))
    for place, key in enumerate(keys):
        if key in known:
            answers[place] = known[key]
    return answers


def _name(model: CausalModel, reading: Reading) -> str:
    more = {"states": SCHEME, "layers": reading.layers}
    return cache_name(model, reading.max_tokens, **more).replace("lm-", "states-")


def _read(model: CausalModel, rows: Sequence[Prepared], reading: Reading, threads: int) -> States:
    import torch

    found = np.full((len(rows), reading.width), np.nan, np.float32)
    # The response counts from its first token on, which nothing need predict.
    sequences = {
        place: TokenIds(before + row.response, len(before))
        for place, row in enumerate(rows)
        for before in [row.prompt or list(model.start)]
        if row.response
    }
    where = list(sequences)
    cut = batches([len(sequences[place].ids) for place in where], budget_of(model))
    with _until(model, reading.layers) as forward:

        def mean(batch: Batch) -> None:
            chosen, length, count = batch
            places = [where[number] for number in chosen]
            with torch.inference_mode():
                own_ids = [sequences[place] for place in places]
                hidden = forward(padded(model, own_ids, length, count))
                means = []
                for row, sequence in enumerate(own_ids):
                    own = [each[row, sequence.first : len(sequence.ids)].float() for each in hidden]
                    means.append(torch.cat([each.mean(dim=0) for each in own]))
                found[places] = torch.stack(means).cpu().numpy()

        list(spread(model, mean, cut, threads))
    limit = float(np.finfo(np.float16).max)
    return np.clip(found, -limit, limit).astype(np.float16)


class _EnoughError(Exception):
    """The last layer was reached: raised in a hook, so that the rest of the model does not run."""


@contextlib.contextmanager
def _until(model: CausalModel, layers: Sequence[int]) -> Iterator[Callable[[Any], list[Any]]]:
    """Give a function from token ids to what leaves each layer, rows by tokens by width."""
    own = threading.local()  # a hook hears of all threads' passes through the model

    def keep(_module: Any, _args: Any, output: Any) -> None:  # noqa: ANN401
        left = getattr(own, "left", None)
        if left is None:
            return
        left.append(output[0] if isinstance(output, tuple) else output)
        if len(left) == len(layers):
            raise _EnoughError

    def forward(ids: Any) -> list[Any]:  # noqa: ANN401
        left = own.left = []
        try:
            with contextlib.suppress(_EnoughError):
                model.model(input_ids=ids, use_cache=False)
        finally:
            del own.left
        return left

    blocks = _blocks(model)
    handles = [blocks[layer - 1].register_forward_hook(keep) for layer in layers]
    try:
        yield forward
    finally:
        for handle in handles:
            handle.remove()


def _blocks(model: CausalModel) -> Any:  # noqa: ANN401
    """The layers of a model, whatever its family calls them."""
    import torch

    count = model.model.config.get_text_config().num_hidden_layers
    # A model that sees or hears has layers for that as well, sometimes as many.
    for module in model.model.get_decoder().modules():
        if isinstance(module, torch.nn.ModuleList) and len(module) == count:
            return module
    raise ModelError(
        f"The language model has no list of {count} layers that could be found; it cannot be read for a "
        "learned score."
    )
