"""Questions in other words: MRPC's pairs by words and by vectors."""

import csv
import io
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.guarding.real import opened
from benchmarks.marked import table
from pipeline.contamination.match import Index, find
from pipeline.encoder import load_encoder, resolve_dtype
from pipeline.recipe import Contamination, Embed


def paraphrases(data: Path) -> str:
    """MRPC: pairs of sentences, labelled as paraphrase or not (but always about the same)."""
    with io.TextIOWrapper(
        opened(next((data / "near_dup/MRPC").glob("*train*"))), encoding="utf-8-sig"
    ) as stream:
        records = list(csv.reader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))[1:1001]
    encoder = load_encoder(Embed(), resolve_dtype("auto"), 1)
    left = encoder.encode([r[3] for r in records]).astype(np.float32)
    right = encoder.encode([r[4] for r in records]).astype(np.float32)
    cosine = np.einsum("ij,ij->i", left, right)
    strangers = np.einsum("ij,ij->i", left, np.roll(right, 1, axis=0))
    same = np.array([r[0] == "1" for r in records])
    rows = []
    for threshold in (0.85, 0.9, 0.95):
        rows.append(
            [
                str(threshold),
                f"{(cosine[same] >= threshold).mean():.1%}",
                f"{(cosine[~same] >= threshold).mean():.1%}",
                f"{(strangers >= threshold).mean():.1%}",
            ]
        )
    texts = pl.DataFrame(
        {
            "set": "mrpc",
            "row": [str(n) for n in range(len(records))],
            "side": "prompt",
            "text": [r[3] for r in records],
        }
    )
    frame = pl.DataFrame(
        {
            "id": [str(n) for n in range(len(records))],
            "prompt": [r[4] for r in records],
            "response": "",
        }
    )
    hits = find(frame, Index(texts, Contamination())).filter(pl.col("id") == pl.col("row"))
    found = np.zeros(len(records), bool)
    found[hits["id"].cast(pl.Int64).to_list()] = True
    rows.insert(0, ["words alone", f"{found[same].mean():.1%}", f"{found[~same].mean():.1%}", ""])
    return (
        f"Paraphrases: {int(same.sum())} pairs of MRPC that say the same, {int((~same).sum())} about the same event that do not. The recipes' cosine is 0.9.\n\n"
        + table(["cosine", "say the same: found", "do not: found", "strangers: found"], rows)
    )
