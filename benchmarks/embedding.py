"""Vectors of texts on this processor: ours beside `SentenceTransformer.encode` with its defaults.

The same model and the same limit of tokens. Ours encodes two halves on two threads, as a run does
with two shards, and stores vectors on a grid; theirs are float32.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from benchmarks import dumps, to_markdown
from benchmarks.timing import Claim, Result, Way, Work, machine, race
from pipeline.recipe import Embed

_NEIGHBOURS = 10


def texts_of(count: int, source: Path) -> list[str]:
    """Return responses in Markdown."""
    from pipeline.markdown import html_to_markdown

    return [html_to_markdown(text) for text in to_markdown.bodies(count, source)]


def by_ours(count: int, source: Path) -> Work:
    """Shards on threads, as the runner `threads` does."""
    from pipeline.encoder import load_encoder, resolve_dtype

    settings = Embed()
    encoder = load_encoder(settings, resolve_dtype(settings.dtype), 1)
    texts = texts_of(count, source)
    halves = [texts[: count // 2], texts[count // 2 :]]

    def work() -> np.ndarray:
        with ThreadPoolExecutor(2) as pool:
            return np.vstack(list(pool.map(encoder.encode, halves))).astype(np.float32)

    return work


def by_defaults(count: int, source: Path) -> Work:
    """The library as its README shows it."""
    from sentence_transformers import SentenceTransformer

    from pipeline.encoder import find_model

    settings = Embed()
    model = SentenceTransformer(
        str(find_model(settings.model)), device="cpu", local_files_only=True
    )
    model.max_seq_length = settings.max_tokens
    texts = texts_of(count, source)
    return lambda: model.encode(texts, show_progress_bar=False)


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Return the mean share of the nearest neighbours that both have."""
    near = []
    for vectors in (one, other):
        products = vectors @ vectors.T
        np.fill_diagonal(products, -1)
        near.append(np.argsort(-products, axis=1, kind="stable")[:, :_NEIGHBOURS])
    both = [len(set(a) & set(b)) for a, b in zip(*near, strict=True)]
    return float(np.mean(both)) / _NEIGHBOURS


def run(home: Path, rounds: int, count: int = 512, source: Path = dumps.SAMPLE) -> Result:
    """Measure both, after their vectors were compared."""
    from pipeline.encoder import resolve_dtype

    ways = [
        Way("ours", by_ours, (count, source)),
        Way("SentenceTransformer.encode", by_defaults, (count, source)),
    ]
    measured, answers = race(ways, rounds)
    ours, theirs = answers["ours"], answers["SentenceTransformer.encode"]
    scaled = [v / np.linalg.norm(v, axis=1, keepdims=True) for v in (ours, theirs)]
    cosine = float((scaled[0] * scaled[1]).sum(axis=1).mean())
    shared = overlap(*scaled)
    dtype = resolve_dtype(Embed().dtype)
    checked = [
        f"mean cosine to float32 {cosine:.5f}; {shared:.1%} of the {_NEIGHBOURS} nearest the same"
    ]
    claims = [
        Claim("ours", "SentenceTransformer.encode", faster=2.5 if dtype == "bfloat16" else 1.0),
        Claim("ours", holds=cosine >= 0.999, note=f"mean cosine {cosine:.4f}, at least 0.999"),
        Claim("ours", holds=shared >= 0.95, note=f"{shared:.1%} of the 10 nearest, at least 95 %"),
    ]
    what = f"{count:,} responses, {dtype} on the processor"
    facts = {"texts": count, "dtype": dtype, "cosine": cosine, "neighbours": shared}
    return Result("embedding", "Embedding", what, measured, claims, checked, facts, machine())
