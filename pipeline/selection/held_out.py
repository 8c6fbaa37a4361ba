"""Keep training and validation rows apart from the release's own test prompts.

The picked test prompts are an evaluation set like any other, so they are looked for in the same
ways: the same prompt, words in a row, MinHash, and the vectors that prompts have already. In: the
files of the pool and the ids of the test prompts. Out: the books of the rows that hold their text.
"""

from collections.abc import Sequence

import polars as pl

from pipeline.contamination.match import Index, evidence, find
from pipeline.contamination.neighbours import long_enough, near
from pipeline.contamination.sets import TEXTS
from pipeline.dialogue import as_single_turn, every_question
from pipeline.pool import only_prompt
from pipeline.recipe import Contamination
from pipeline.stage import InputFile
from pipeline.tables import BOOKS
from pipeline.vectors import PROMPT, matrix

NAME = "the test split"  # as the evidence calls the set
REASON = "contaminated"


def overlapping(
    files: Sequence[InputFile], tests: Sequence[str], settings: Contamination
) -> pl.DataFrame:
    """Return the books of the rows with text of these test prompts, sorted by id; file by file."""
    asked = _read(files, pl.col("id").is_in(list(tests))).sort("id")
    if asked.is_empty():
        return pl.DataFrame(schema=BOOKS)
    index = Index(_texts(asked), settings)
    known = asked.filter(long_enough(asked["prompt"]))
    known_rows = known.select(set=pl.lit(NAME), row="id", side=pl.lit("prompt"), text="prompt")
    known_vectors = matrix(known[PROMPT])
    books = []
    for file in files:
        rows = _read([file], ~only_prompt())
        hits = [find(every_question(as_single_turn(rows)), index)]
        if settings.cosine is not None:
            hits.append(near(rows, known_rows, known_vectors, settings.cosine))
        books.append(evidence(pl.concat(hits)))
    lines = pl.concat(books).with_columns(reason=pl.lit(REASON)).select(BOOKS.names())
    return lines.unique("id", keep="first", maintain_order=True).sort("id")


def _read(files: Sequence[InputFile], wanted: pl.Expr) -> pl.DataFrame:
    columns = ["id", "prompt", "response", "history", PROMPT]
    frames = [pl.scan_parquet(file.path).filter(wanted).select(columns) for file in files]
    return pl.concat(frames).collect()


def _texts(asked: pl.DataFrame) -> pl.DataFrame:
    """List the questions of the test rows: the last, and what the user said before it."""
    lines = []
    for name, prompt, history in asked.select("id", "prompt", "history").iter_rows():
        said = [turn["content"] for turn in history or [] if turn["role"] == "user"]
        lines += [(NAME, name, "prompt", text) for text in (prompt, *said) if text.strip()]
    return pl.DataFrame(lines, schema=TEXTS, orient="row")
