"""The release's own test split: prompts of a subreddit as test prompts, the others beside them."""

import random
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl

from benchmarks.guarding.evaluation import swapped
from benchmarks.guarding.real import SEED, lines
from benchmarks.marked import share, table
from pipeline.encoder import load_encoder, resolve_dtype
from pipeline.recipe import Contamination, Embed
from pipeline.record import TURN
from pipeline.selection.held_out import overlapping
from pipeline.stage import InputFile
from pipeline.vectors import column, snap

TESTS, OTHERS = 70, 2000  # LIMA's test set has 70 prompts of Reddit
_WRAP = "There is a question that my aunt asked at every wedding. "


def own_test(data: Path) -> str:
    """Planted rows with text of the test prompts, and real ones that leave."""
    posts = lines(data / "dumps/reddit/pushshift/RS_2019-10_AskWomen.zst")
    titles = list(dict.fromkeys(" ".join(post["title"].split()) for post in posts))
    rng = random.Random(SEED)
    rng.shuffle(titles)
    long = [title for title in titles if len(title.split()) >= 10]
    tests, rest = long[:TESTS], [title for title in titles if title not in set(long[:TESTS])]
    others = rest[:OTHERS]
    spare = sorted({word for title in rest for word in title.lower().split() if word.isalpha()})
    kinds: dict[str, list[tuple[str, str]]] = {
        "the same prompt, in capitals": [(text.upper(), "Yes.") for text in tests],
        "inside a response": [("Tell me something.", f"{_WRAP}{text}") for text in tests],
        "every tenth word another": [(swapped(text, 10, spare, rng), "Yes.") for text in tests],
        "every fifth word another": [(swapped(text, 5, spare, rng), "Yes.") for text in tests],
        "other prompts of the subreddit": [(text, "Yes.") for text in others],
    }
    rows = [(f"test:{n}", text, None) for n, text in enumerate(tests)]
    rows += [
        (f"{kind}:{n}", asked, said)
        for kind, pairs in kinds.items()
        for n, (asked, said) in enumerate(pairs)
    ]
    schema = {"id": pl.String, "prompt": pl.String, "response": pl.String}
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    vectors = load_encoder(Embed(), resolve_dtype("auto"), 1).encode(frame["prompt"].to_list())
    frame = frame.with_columns(
        column("prompt_vector", snap(np.asarray(vectors))),
        history=pl.lit([], pl.List(TURN)),
        split=pl.lit(None, pl.String),
    )
    with TemporaryDirectory() as folder:
        path = Path(folder, "pool.parquet")
        frame.write_parquet(path)
        names = [f"test:{n}" for n in range(TESTS)]
        found = overlapping([InputFile(path, "", "pool")], names, Contamination())
    cells = []
    for kind, pairs in kinds.items():
        of_kind = found.filter(pl.col("id").str.starts_with(f"{kind}:"))
        ways = of_kind["detail"].str.extract(r"\((exact|13-gram|8-gram|minhash|embedding), ")
        counts = ways.value_counts(sort=True).sort("count", "detail", descending=[True, False])
        said = ", ".join(f"{way} {count}" for way, count in counts.iter_rows())
        cells.append([kind, share(len(of_kind), len(pairs)), said])
    return (
        f"### The release's own test split\n\n{TESTS} titles of AskWomen as test prompts, of 10 "
        "words and more:\n\n" + table(["rows", "leave", "first by"], cells)
    )
