"""The errors that a person can do something about.

CurationError
├── RecipeError        the words or the recipe are wrong (exit status 2)
├── SourceError        a dump is not what its name says, or is hostile
├── StageError         a stage cannot go on: its input is missing or broken
├── ModelError         a model or an optional package is missing
└── ReleaseError       a release cannot be built, or does not keep its promises
    └── GateError      a gate of the recipe blocks it

Each message is one sentence or two: what, where (file, row, field) and what to do.
"""

from pathlib import Path


class CurationError(Exception):
    """Base of all errors that are reported as one clear sentence."""

    exit_status = 1


class RecipeError(CurationError):
    """A recipe, an option or a command line that cannot be meant."""

    exit_status = 2


class SourceError(CurationError):
    """A dump that cannot be read safely or is not what its name says."""


class StageError(CurationError):
    """A stage whose input is missing, incomplete or inconsistent."""


class ModelError(CurationError):
    """A model, package or server that is needed and not there."""


class ReleaseError(CurationError):
    """A release that must not be written, or that breaks a promise."""


class GateError(ReleaseError):
    """A release that a gate blocks; `kept` is the folder where it was put for inspection."""

    def __init__(self, message: str, kept: Path | None = None) -> None:
        super().__init__(message)
        self.kept = kept


def in_short(error: BaseException) -> str:
    """Return what a library says of its error as one sentence that fits into one of ours."""
    text = " ".join(str(error).split()) or type(error).__name__
    text = text if len(text) <= 200 else f"{text[:200].rstrip()}…"
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."
