"""Can LIMA's rows be told from others of the same length, by each part of the score? Called by quality.py."""

import hashlib
import shutil
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
from ablation import candidates, drawn, lines, read_by, simple, table
from lima_rules import markdown, posts, read_lima
from numpy.typing import NDArray

from pipeline.learning.fit import Training, out_of_fold
from pipeline.learning.labels import TOPICS, topics
from pipeline.learning.learn import with_states, with_vectors
from pipeline.learning.measures import auc, interval, rank_correlation
from pipeline.loading import load
from pipeline.recipe import Embed
from pipeline.run import Progress, Workspace, run_one
from pipeline.score.learned import COLUMNS, features
from pipeline.stage import map_here
from pipeline.vectors import PROMPT, matrix

FEWEST, MOST = 1200, 4096  # characters: LIMA's rule of length
ORDINARY = 600  # ordinary answers, drawn by a hash
LM_ORDINARY = 300  # of these are read by --lm
ARTICLE = (3000, 11000)  # characters: eight tenths of LIMA's wikiHow rows
TOPICS_OF_PROMPTS = 20
Floats = NDArray[np.float64]


def lima(data: Path, cache: Path | None, lm: str | None) -> str:
    """AUC of telling LIMA's Stack Exchange rows from ordinary answers of the same length."""
    ours, others = lima_rows(data)
    frame, everything, cells = told_apart(ours, others, cache, lm)
    text = [
        f"## {len(ours)} of LIMA's Stack Exchange rows beside {len(others)} ordinary answers",
        f"Both of {FEWEST:,} to {MOST:,} characters; folds and intervals by {TOPICS_OF_PROMPTS} topics of the "
        "prompts. LIMA's rows come without votes, so votes can have no line here.",
        table(["score", "AUC"], cells),
    ]
    if lm:
        few = drawn(others.select(ours.columns), LM_ORDINARY)
        said = f"The parts one by one, with {lm}, beside {LM_ORDINARY} of the ordinary answers."
        text += [said, one_by_one(ours, few, cache, lm)]
    named = frame.filter(pl.col("votes").is_not_null())
    return "\n\n".join([*text, votes(named, everything[len(ours) :])])


def wikihow(data: Path, cache: Path | None, lm: str | None) -> str:
    """AUC of telling LIMA's wikiHow rows from other articles of the same length."""
    ours, others = wikihow_rows(data)
    _, _, cells = told_apart(ours, others, cache, lm)
    text = [
        f"## {len(ours)} of LIMA's wikiHow rows beside {len(others)} other articles",
        f"Both of {ARTICLE[0]:,} to {ARTICLE[1]:,} characters, without marks of emphasis; folds and intervals by "
        f"{TOPICS_OF_PROMPTS} topics of the prompts. Articles have no votes.",
        table(["score", "AUC"], cells),
    ]
    if lm:
        said = f"The parts one by one, with {lm} reading the beginning of each article."
        text += [said, one_by_one(ours, others, cache, lm)]
    return "\n\n".join(text)


def lima_rows(data: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """LIMA's Stack Exchange rows, and ordinary answers."""
    ours = within_length(read_lima(data / "lima").select("prompt", "response"))
    return ours, within_length(ordinary(data / "dumps" / "stackexchange"))


def wikihow_rows(data: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """LIMA's wikiHow rows, and other articles."""
    rows = read_lima(data / "lima", "wikihow").select("prompt", plain())
    others = articles(data / "dumps" / "wikihow").select("prompt", plain())
    return within_length(rows, *ARTICLE), within_length(others, *ARTICLE)


def one_by_one(ours: pl.DataFrame, others: pl.DataFrame, cache: Path | None, lm: str) -> str:
    """AUC of each part of the score of a recipe, with those of a language model."""
    frame = read_by(candidates(pl.concat([ours, others]), cache), lm, cache)
    labels = (np.arange(len(frame)) < len(ours)).astype(float)
    topics = topics_of(frame)
    return table(
        ["score", "AUC"],
        [[name, str(interval(auc, s, labels, topics))] for name, s in lines(frame).items()],
    )


def topics_of(frame: pl.DataFrame) -> NDArray[np.int64]:
    """Number the topics of the prompts."""
    frame = frame.with_columns(group=pl.lit(None, pl.String))
    return topics(frame, matrix(frame[PROMPT]), TOPICS)[0]


def told_apart(
    ours: pl.DataFrame, others: pl.DataFrame, cache: Path | None, lm: str | None
) -> tuple[pl.DataFrame, Floats, list[list[str]]]:
    """Return all rows, LIMA's first; what was learned of each out of fold; the cells of the table."""
    both = [
        ours.with_columns(label=pl.lit(1.0)),
        others.with_columns(label=pl.lit(0.0)),
    ]
    frame = with_vectors(pl.concat(both, how="diagonal"), Embed(), cache)
    topics = topics_of(frame)
    labels = frame["label"].to_numpy()
    columns = features(frame)
    found: dict[str, Floats] = simple(frame)
    everything = out_of_fold(Training(columns, labels, topics))
    found["**learned**"] = everything
    if lm:
        read = features(with_states(frame, lm, cache)[0])
        found[f"**learned**, responses read by {lm}"] = out_of_fold(Training(read, labels, topics))
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
        + table(
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
