"""Familiarity: has a named base model seen these texts? Min-K% Prob beside plain perplexity.

Shi et al., arXiv 2310.16789, with WikiMIA's protocol: a text is cut to its first 32, 64, 128 or
256 words, and only texts of one length are held against each other, since both numbers depend on
length. With labels (`member`), or with a second set that the model cannot have seen, the area under
the ROC curve says how well the numbers tell the two apart; without, no probability can be given.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline.audit.diversity import spread
from pipeline.audit.space import draw
from pipeline.cores import cores

LENGTHS = (32, 64, 128, 256)
FEWEST = 10  # texts of a kind below which no curve is drawn
FALSE_ALARMS = 0.05
# A token is about three quarters of an English word; code and rare words need more of them.
_TOKENS_PER_WORD = 3

Floats = npt.NDArray[np.float64]

LIMITS = (
    "Min-K% Prob tells members by rare words that are not surprising; on WikiMIA it reached a mean "
    "AUC of 0.72 where perplexity reached 0.67, with models of 2.8 to 66 billion parameters "
    "(arXiv 2310.16789).",
    "Its gain shrinks with the model: a small one remembers little of any single text.",
    "Members and non-members that differ in date or topic differ in likelihood without any "
    "membership: part of WikiMIA's AUC is such a shift. A second set must be of the same kind.",
    "A text that is common, formulaic or quoted elsewhere is likely without having been seen.",
)


@dataclass(frozen=True)
class Auc:
    """The area under the ROC curve with its 95 % interval (DeLong)."""

    value: float
    low: float
    high: float


def measure(
    rows: pl.DataFrame,
    model: str,
    unseen: pl.DataFrame | None,
    seed: int,
    cache: Path | None,
    sample: int,
) -> dict[str, Any]:
    """Score a set, and what labels or unseen texts allow to say of it."""
    from pipeline.lm.load import load_model

    loaded = load_model(model, cache=cache)
    texts = draw(_texts(rows), sample, seed)
    other = None if unseen is None else draw(_texts(unseen), sample, seed)
    lines = []
    for length in LENGTHS:
        own = _scored(texts, length, loaded, cache)
        line: dict[str, Any] = {
            "words": length,
            "rows": len(own),
            "min_k": spread(own["min_k"]),
            "perplexity": spread(own["loss"].exp()),
        }
        members = _labelled(own, other, length, loaded, cache)
        if members is not None:
            line |= _compared(*members, against_unseen=other is not None)
        lines.append(line)
    return {
        "model": model,
        "k": 0.2,
        "lengths": lines,
        "compared_with": "unseen"
        if other is not None
        else "labels"
        if _has_labels(texts)
        else None,
        "limits": list(LIMITS),
    }


def _texts(rows: pl.DataFrame) -> pl.DataFrame:
    text = pl.coalesce("response", "prompt").str.strip_chars()
    return rows.select("id", "member", text=text).filter(pl.col("text").str.len_chars() > 0)


def _has_labels(texts: pl.DataFrame) -> bool:
    return bool(texts["member"].null_count() < len(texts))


def first_words(text: str, count: int) -> str | None:
    """Return the first words of a text; none of a text that has fewer."""
    words = text.split()
    return " ".join(words[:count]) if len(words) >= count else None


def _scored(texts: pl.DataFrame, length: int, model: Any, cache: Path | None) -> pl.DataFrame:  # noqa: ANN401
    from pipeline.lm.rows import Row
    from pipeline.lm.score import score

    cut = [first_words(text, length) for text in texts["text"]]
    kept = texts.with_columns(text=pl.Series(cut, dtype=pl.String)).drop_nulls("text")
    if not len(kept):
        return kept.with_columns(loss=pl.lit(None, pl.Float64), min_k=pl.lit(None, pl.Float64))
    found = score(
        model,
        [Row(text) for text in kept["text"]],
        max_tokens=_TOKENS_PER_WORD * length,
        cache=cache and cache / "scores",
        threads=cores(),
    )
    return kept.hstack(found.select("loss", "min_k")).drop_nulls(["loss", "min_k"])


def _labelled(
    own: pl.DataFrame,
    other: pl.DataFrame | None,
    length: int,
    model: Any,  # noqa: ANN401
    cache: Path | None,
) -> tuple[pl.DataFrame, pl.DataFrame] | None:
    """Return (held for members, known as none): the set and unseen texts, or by label."""
    if other is not None:
        pair = own, _scored(other, length, model, cache)
    else:
        pair = own.filter(pl.col("member")), own.filter(~pl.col("member"))
    return pair if min(map(len, pair)) >= FEWEST else None


def _compared(
    members: pl.DataFrame, others: pl.DataFrame, *, against_unseen: bool
) -> dict[str, Any]:
    found: dict[str, Any] = {"members": len(members), "others": len(others), "auc": {}}
    for name, sign in (("min_k", 1), ("loss", -1)):
        positive, negative = (
            sign * frame[name].to_numpy().astype(np.float64) for frame in (members, others)
        )
        area = auc(positive, negative)
        found["auc"]["perplexity" if name == "loss" else name] = {
            "value": round(area.value, 4),
            "low": round(area.low, 4),
            "high": round(area.high, 4),
        }
    if against_unseen:
        bound = np.quantile(others["min_k"].to_numpy(), 1 - FALSE_ALARMS)
        flagged = float((members["min_k"].to_numpy() > bound).mean())
        found["flagged_share"] = round(flagged, 4)
        found["false_alarms"] = FALSE_ALARMS
    return found


def auc(positive: Floats, negative: Floats) -> Auc:
    """Return the share of pairs in which the positive is above, ties half, with DeLong's interval.

    The interval is normal on the area itself, cut to 0 and 1 (Biometrics 44, 1988, p. 837).
    """
    above = _above(positive, negative)
    below = 1 - _above(negative, positive)
    value = float(above.mean())
    variance = 0.0
    if len(positive) > 1 and len(negative) > 1:
        variance = above.var(ddof=1) / len(positive) + below.var(ddof=1) / len(negative)
    half = 1.959964 * float(np.sqrt(variance))
    return Auc(value, max(0.0, value - half), min(1.0, value + half))


def _above(values: Floats, others: Floats) -> Floats:
    """Return of each value the share of the others below it, ties half."""
    ordered = np.sort(others)
    left, right = (np.searchsorted(ordered, values, side=side) for side in ("left", "right"))
    return np.asarray((left + right) / 2 / len(others), np.float64)
