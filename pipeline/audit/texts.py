"""What the texts and records of a set tell without any vector: who, how long, which language."""

from collections import Counter
from typing import Any

import numpy as np
import polars as pl

from filters.assistant import PHRASES
from filters.language import identify
from filters.text import prose
from pipeline.audit.diversity import spread
from pipeline.audit.style import EXPLAINING, marks
from pipeline.instructions import ORIGINS
from pipeline.release.licences import parse, summarise

SURE = 0.65  # of a language; FineWeb's threshold, as the filter has it
_LETTERS = 60
_FIRST_WORDS = 6


def describe(rows: pl.DataFrame) -> dict[str, Any]:
    """Return origin, licences, languages, lengths and style of a set, as shares and counts."""
    answered = rows.filter(pl.col("response").is_not_null())
    found = marks(answered["response"])
    return {
        "shapes": _counts(rows["shape"]),
        "answered": len(answered),
        "turns": _counts((rows["history"].list.len().fill_null(0) // 2 + 1).cast(pl.String)),
        "origin": origins(rows),
        "licences": _licences(rows),
        "languages": _languages(rows),
        "lengths": _lengths(rows, answered),
        "opening": _opening(rows),
        "style": _style(answered, found),
        "explanation": _explanation(answered, found),
    }


def origins(rows: pl.DataFrame) -> dict[str, int]:
    """Count rows by who wrote the response; what neither record nor shape says is unknown."""
    said = rows["origin"].str.to_lowercase().fill_null("unknown").to_list()
    counts = Counter(name if name in ORIGINS else "unknown" for name in said)
    return {name: counts.get(name, 0) for name in ORIGINS}


def _counts(values: pl.Series) -> dict[str, int]:
    counts = Counter(values.fill_null("unknown").to_list())
    return dict(sorted(counts.items(), key=lambda item: (-item[1], str(item[0]))))


def _licences(rows: pl.DataFrame) -> dict[str, Any]:
    written = rows["licence"].drop_nulls().to_list()
    summary = summarise(written) if written else None
    return {
        "rows": summary.shares if summary else {},
        "missing": len(rows) - len(written),
        "non_commercial": summary.non_commercial if summary else [],
        "not_granted": summary.unlicensed if summary else [],
        "open": bool(written) and len(written) == len(rows) and all(parse(w).open for w in written),
    }


def _languages(rows: pl.DataFrame) -> dict[str, int]:
    text = pl.coalesce("response", "prompt")
    plain = rows.select(response=text).select(prose("response")).to_series()
    verdicts = identify(plain)
    letters = plain.fill_null("").str.slice(0, 1000).str.count_matches(r"\p{L}").to_list()
    names = [
        verdict["language"]
        if verdict and verdict["confidence"] >= SURE and count >= _LETTERS
        else "not sure"
        for verdict, count in zip(verdicts.to_list(), letters, strict=True)
    ]
    return _counts(pl.Series(names, dtype=pl.String))


def _lengths(rows: pl.DataFrame, answered: pl.DataFrame) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, frame in (("prompt", rows), ("response", answered)):
        words = frame[name].fill_null("").str.count_matches(r"\S+")
        found[name] = {
            "chars": spread(frame[name].fill_null("").str.len_chars().cast(pl.Float64)),
            "words": spread(words.cast(pl.Float64)),
            "word_points": _points(words),
        }
    return found


def _opening(rows: pl.DataFrame) -> dict[str, Any]:
    """Return the first words that most prompts share: a template where it is a large part."""
    starts = Counter(" ".join((text or "").split()[:_FIRST_WORDS]) for text in rows["prompt"])
    words, count = min(starts.items(), key=lambda item: (-item[1], item[0]))
    return {"words": words, "rows": count, "share": _ratio(count, len(rows))}


def _style(answered: pl.DataFrame, found: pl.DataFrame) -> dict[str, Any]:
    counts = Counter(name for names in found["assistant"] for name in names)
    marked = (found["assistant"].list.len() > 0).to_list()
    samples = answered.filter(pl.Series(marked, dtype=pl.Boolean)).head(5)
    return {
        "rows": sum(marked),
        "share": _ratio(sum(marked), len(answered)),
        "markers": {name: counts.get(name, 0) for name in PHRASES},
        "examples": samples["id"].to_list(),
    }


def _explanation(answered: pl.DataFrame, found: pl.DataFrame) -> dict[str, Any]:
    counts = Counter(name for names in found["explaining"] for name in names)
    rows = int(found["explains"].sum())
    return {
        "rows": rows,
        "share": _ratio(rows, len(answered)),
        "markers": {name: counts.get(name, 0) for name in EXPLAINING},
        "with_system": int(answered["system"].is_not_null().sum()),
    }


def _ratio(count: int, total: int) -> float:
    return round(count / total, 4) if total else 0.0


def _points(values: pl.Series) -> list[float]:
    """Return 41 points of a distribution, from the least to the greatest in equal shares."""
    if not len(values):
        return []
    return [float(v) for v in np.quantile(values.to_numpy(), np.linspace(0, 1, 41))]
