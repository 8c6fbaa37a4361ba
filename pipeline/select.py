"""Pick about a thousand rows: quotas by group, one of the methods, three splits, a certificate.

Input: scored rows. Output: all.parquet with the picked rows, their `split` (train, validation,
test) and `rank` (the order in which their group gave them), without vectors; test rows are prompts
only. tables/certificate.parquet sets the picked rows beside the controls, tables/controls.parquet
lists what each control would have picked, tables/edits.parquet what reviewers changed.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from pipeline.errors import StageError
from pipeline.pool import only_prompt
from pipeline.previous import Previous, apart
from pipeline.recipe import Contamination, Recipe, Select
from pipeline.review.verdicts import Reviews
from pipeline.selection import churn, held_out
from pipeline.selection.choice import choose, choose_prompts
from pipeline.selection.origin import cap_model_rows
from pipeline.selection.refusals import reserve_refusals
from pipeline.selection.reviewed import without_rejected
from pipeline.selection.shares import SPLITS, Shares, sentence, share, top_reasons
from pipeline.stage import InputFile, Shard, ShardStats
from pipeline.tables import (
    BOOKS,
    TABLES_FOLDER,
    count_reasons,
    ordered,
    read_columns,
    write,
    write_dropped,
)
from pipeline.vectors import PROMPT, RESPONSE, Vectors

TEXTS = ("prompt", "response")  # what reviewers may edit
APART = "apart_from_test"


@dataclass(frozen=True)
class SelectStage:
    """Global. `books`, the folders of earlier stages, only make a shortfall's message clearer.

    `previous` is the last release, where the recipe keeps its rows. `reviews` is what people said
    of rows; it is read before the stage is planned, so that the key and the work see the same.
    `apart` says how test prompts are looked for in the other rows; None: not at all.
    """

    settings: Select
    books: tuple[Path, ...] = ()
    previous: Previous | None = None
    reviews: Reviews = field(default_factory=Reviews)
    apart: Contamination | None = None
    name: str = "select"
    version: int = 5

    @classmethod
    def of(
        cls,
        recipe: Recipe,
        books: Sequence[Path] = (),
        previous: Previous | None = None,
        reviews: Reviews | None = None,
    ) -> "SelectStage":
        """Make the stage of a recipe."""
        own = recipe.contamination
        apart = own if own.own_test and any(recipe.select.test.values()) else None
        return cls(recipe.select, tuple(books), previous, reviews or Reviews(), apart)

    def plan(self, inputs: Sequence[InputFile]) -> list[Shard]:
        """One shard: a choice is among all."""
        options: list[tuple[str, str]] = []
        if self.reviews.stands:
            options.append(("reviews", self.reviews.digest()))
        if self.apart is not None:
            how = self.apart.model_dump(mode="json", exclude={"against"})
            options.append((APART, json.dumps(how, sort_keys=True)))
        if self.previous is not None:
            options += [("basis", self.previous.basis), ("previous", self.previous.version)]
            inputs = [*inputs, *self.previous.files]
        return [Shard("all", tuple(ordered(inputs)), tuple(options))]

    def work(self, shard: Shard, out: Path) -> ShardStats:
        """Pick, write the picked rows and the certificate, say of each other row why not."""
        files, held = apart(shard.files)
        said = self._said(files)
        rows = self._read(files, said).with_row_index("vector_row")
        # A test row is a prompt; any other row stands for its response.
        vector = pl.when(only_prompt()).then(PROMPT).otherwise(RESPONSE)
        vectors = Vectors.read(files, vector, rows["id"])
        total = len(rows)
        leaked = self._leaked(rows, vectors, files, held)
        rows, over = cap_model_rows(_without(rows, leaked), self.settings)
        rows, last = self._hold(rows, held)
        shares = share(without_rejected(rows), self.settings)
        self._refuse_shortfall(shares)
        choice = choose(rows, vectors, shares, self.settings, last)
        picked = choice.picked.join(said, on="id", how="left", maintain_order="left")
        edits = self._write_picked(files, picked, out)
        write(edits, out / TABLES_FOLDER / "edits.parquet")
        dropped = pl.concat([choice.dropped, over, leaked]).sort("id")
        write_dropped(dropped, self.name, shard, out)
        certificate = choice.certificate
        table = pl.DataFrame([{"set": name, **values} for name, values in certificate.items()])
        write(table, out / TABLES_FOLDER / "certificate.parquet")
        controls = [(name, row) for name, ids in choice.controls.items() for row in ids]
        schema = {"set": pl.String, "id": pl.String}
        write(
            pl.DataFrame(controls, schema=schema, orient="row"),
            out / TABLES_FOLDER / "controls.parquet",
        )
        counts = dict(choice.picked.group_by("split").len().iter_rows())
        facts = {
            "method": self.settings.method,
            "rows": {split: counts.get(split, 0) for split in SPLITS},
            "quotas": shares.wanted,
            "places": shares.places,
            "refilled": {
                split: {group: n for group, n in groups.items() if n}
                for split, groups in shares.refilled.items()
            },
            "shortfall": [
                {**line, "because": [list(pair) for pair in top_reasons(self.books, line["group"])]}
                for line in shares.shortfall()
            ],
            "missing": {split: shares.missing(split) for split in SPLITS},
            "notes": choice.facts,
            "reviewed": dict(said.group_by("review").len().sort("review").iter_rows()),
            "certificate": certificate,
            **{name: value for name, value in shard.options if name != APART},
        }
        reasons = count_reasons(dropped)
        return ShardStats(total, len(choice.picked), reasons, facts)

    def _leaked(
        self,
        rows: pl.DataFrame,
        vectors: Vectors,
        files: Sequence[InputFile],
        held: pl.DataFrame,
    ) -> pl.DataFrame:
        """Pick the test prompts, as they will be picked, and book the rows that hold their text.

        Test prompts are picked among themselves: no other row changes which they are.
        """
        if self.apart is None:
            return pl.DataFrame(schema=BOOKS)
        capped, _ = cap_model_rows(rows, self.settings)
        capped, last = self._hold(capped, held)
        shares = share(without_rejected(capped), self.settings)
        prompts = capped.filter("only_prompt")
        picked, _ = choose_prompts(prompts, vectors, shares, self.settings, last)
        return held_out.overlapping(files, [name for name, _, _ in picked], self.apart)

    def _hold(self, rows: pl.DataFrame, held: pl.DataFrame) -> tuple[pl.DataFrame, churn.Last]:
        """Mark the rows that the last release holds: they stay in their split, or leave.

        A row never moves from one split to another: what was trained on is no good for validation.
        """
        if held.is_empty() or self.previous is None:
            return rows, churn.Last()
        before = Counter(held.select("group", "split").iter_rows())
        gone = held.join(rows, on="id", how="anti")
        lost = Counter(gone.select("group", "split").iter_rows())
        splits = dict(held.select("id", "split").iter_rows())
        named = held.select("id", held="split")
        marked = rows.join(named, on="id", how="left", maintain_order="left")
        hint = pl.when(~pl.col("only_prompt")).then(pl.coalesce("hint", "held")).otherwise("hint")
        allowed = churn.budget(self.settings.churn, before, lost)
        last = churn.Last(self.previous.version, splits, allowed)
        return marked.with_columns(hint.alias("hint")).drop("held"), last

    def _said(self, files: Sequence[InputFile]) -> pl.DataFrame:
        """Find the verdicts that hold: those on the very text of a candidate."""
        judged = pl.col("id").is_in(self.reviews.ids)
        # As a release shows them: a row that can only be a prompt has no response.
        response = pl.when(~only_prompt()).then("response").alias("response")
        texts: list[str | pl.Expr] = ["id", "system", "history", "prompt", response]
        frames = [pl.scan_parquet(file.path).filter(judged).select(texts) for file in files]
        found = pl.concat(frames).collect() if self.reviews.stands else pl.DataFrame()
        return self.reviews.match(found.iter_rows(named=True)).sort("id")

    def _read(self, files: Sequence[InputFile], said: pl.DataFrame) -> pl.DataFrame:
        columns: list[str | pl.Expr] = [
            *("id", "group", "origin", "votes", "created_at", "domain_rows", "cluster", "quality"),
            pl.col("domain").fill_null("unknown"),
            "tags",
            pl.col("split").alias("hint"),
            only_prompt().alias("only_prompt"),
            pl.coalesce("response", "prompt").str.len_chars().cast(pl.Int64).alias("chars"),
        ]
        rows = read_columns(files, columns, stage=self.name)
        reviewed = said.select("id", "review", review_reason="reason")
        judged = rows.join(reviewed, on="id", how="left", maintain_order="left")
        return reserve_refusals(judged, self.settings.refusals).drop("tags")

    def _refuse_shortfall(self, shares: Shares) -> None:
        if self.settings.on_shortfall != "fail" or not shares.shortfall():
            return
        lines = [
            sentence(line, top_reasons(self.books, line["group"])) for line in shares.shortfall()
        ]
        raise StageError(
            "The quotas cannot be filled: " + ". ".join(lines) + ". Add dumps, relax the rules, "
            "lower select.quotas, or set select.on_shortfall to refill or accept."
        )

    def _write_picked(
        self, files: Sequence[InputFile], picked: pl.DataFrame, out: Path
    ) -> pl.DataFrame:
        """Write the picked rows as reviewers edited them; returns each change, before and after."""
        frames = [
            pl.scan_parquet(file.path)
            .drop("split", PROMPT, RESPONSE, "domain_rows")
            .join(picked.drop("reason").lazy(), on="id")
            .collect()
            for file in ordered(files)
        ]
        is_test = pl.col("split") == "test"
        frame = pl.concat(frames).with_columns(
            pl.when(~is_test).then(name).alias(name) for name in ("response", "new_response")
        )
        order = frame["split"].replace_strict({s: i for i, s in enumerate(SPLITS)})
        frame = frame.with_columns(order.alias("_order")).sort("_order", "id").drop("_order")
        edits = pl.concat([changes(frame, name) for name in TEXTS]).sort("id", "field")
        edited = [pl.coalesce(f"new_{name}", name).alias(name) for name in TEXTS]
        frame = frame.with_columns(edited).drop("new_prompt", "new_response")
        write(frame, out / "all.parquet")
        return edits


def _without(rows: pl.DataFrame, books: pl.DataFrame) -> pl.DataFrame:
    return rows.join(books, on="id", how="anti", maintain_order="left")


def changes(frame: pl.DataFrame, name: str) -> pl.DataFrame:
    """List what edits change in a field: id, field, before, after."""
    new = pl.col(f"new_{name}")
    edited = frame.filter(new.is_not_null() & new.ne_missing(pl.col(name)))
    return edited.select("id", field=pl.lit(name), before=pl.col(name), after=new)
