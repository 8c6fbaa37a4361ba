"""Choose the rows of each group and split, and say of each other row why it was not chosen."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from pipeline.recipe import Select
from pipeline.review.verdicts import REJECTED
from pipeline.selection.candidates import Candidates, Pick, generator
from pipeline.selection.certificate import certify
from pipeline.selection.churn import Last, keep
from pipeline.selection.methods import CONTROLS, METHODS, explain_others
from pipeline.selection.reviewed import books_of_rejected, places, respect, without_rejected
from pipeline.selection.shares import SPLITS, Shares
from pipeline.tables import BOOKS
from pipeline.vectors import Vectors

_VALIDATION_HINT = pl.col("hint").eq("validation").fill_null(False)
_PICKED = pl.Schema({"id": pl.String, "split": pl.String, "rank": pl.Int32})


@dataclass(frozen=True)
class Choice:
    """What was chosen: picked ids with split and rank, the books of the rest, the certificate."""

    picked: pl.DataFrame
    dropped: pl.DataFrame
    certificate: dict[str, dict[str, Any]]
    controls: dict[str, list[str]]  # what each control would have picked
    facts: dict[str, dict[str, int]]


def choose(
    rows: pl.DataFrame,
    vectors: Vectors,
    shares: Shares,
    settings: Select,
    last: Last | None = None,
) -> Choice:
    """Pick in each group, in the order of their names; rows are sorted by id and so is the result.

    The column `vector_row` of the rows says where their vectors are.
    A column `review` of the rows holds what reviewers said: rejected rows lose their places.
    `last` holds the rows of the last release, which stay within the churn budget.
    """
    last = last or Last()
    picked: list[tuple[str, str, int]] = []
    dropped: list[tuple[str, str, str]] = []
    notes: dict[str, dict[str, int]] = {}
    answers = rows.filter(~pl.col("only_prompt"))
    sets: dict[str, list[str]] = {name: [] for name in ("picked", *CONTROLS)}
    taken: list[Candidates] = []
    for group in sorted(answers["group"].unique()):
        of_group = answers.filter(pl.col("group") == group)
        places = {split: shares.places[split].get(group, 0) for split in SPLITS}
        hinted = Candidates.of(group, of_group.filter(_VALIDATION_HINT), vectors, settings)
        own = _pick(
            _after(hinted, taken), min(places["validation"], len(hinted)), "validation", last
        )
        rest = Candidates.of(group, of_group.filter(~_VALIDATION_HINT), vectors, settings)
        drawn = places["validation"] - len(own.order)
        others = [*taken, _only(hinted, own.order)]
        pick = _pick(_after(rest, others), places["train"] + drawn, "train", last)
        validation, train = _split(rest, pick, places["train"], drawn)
        picked += [(hinted.ids[p], "validation", rank) for rank, p in enumerate(own.order, 1)]
        picked += [(rest.ids[p], "validation", rank) for rank, p in validation]
        picked += [(rest.ids[p], "train", rank) for rank, p in train]
        order = [p for _, p in train + validation]
        final = Pick(order, pick.why, pick.facts)
        dropped += _books(hinted, own) + _books(rest, final)
        notes[group] = {name: count for name, count in pick.facts.items() if count}
        chosen = [_only(hinted, own.order), _only(rest, order)]
        taken += chosen
        everyone = Candidates.of(group, without_rejected(of_group), vectors, settings)
        sets["picked"] += [name for part in chosen for name in part.ids]
        for name, control in CONTROLS.items():
            lot = control(everyone, len(own.order) + len(order)).order
            sets[name] += [everyone.ids[place] for place in lot]
    prompts, unused = choose_prompts(rows.filter("only_prompt"), vectors, shares, settings, last)
    return Choice(
        pl.DataFrame(picked + prompts, schema=_PICKED, orient="row").sort("id"),
        books_of_rejected(rows, pl.DataFrame(dropped + unused, schema=BOOKS, orient="row")),
        _certificate(answers, vectors, sets),
        {name: sorted(ids) for name, ids in sets.items() if name in CONTROLS},
        {group: facts for group, facts in notes.items() if facts},
    )


def choose_prompts(
    prompts: pl.DataFrame, vectors: Vectors, shares: Shares, settings: Select, last: Last
) -> tuple[list[tuple[str, str, int]], list[tuple[str, str, str]]]:
    """Pick the test prompts, group by group."""
    picked: list[tuple[str, str, int]] = []
    dropped: list[tuple[str, str, str]] = []
    taken: list[Candidates] = []
    for group in sorted(prompts["group"].unique()):
        of_group = prompts.filter(pl.col("group") == group)
        candidates = _after(Candidates.of(group, of_group, vectors, settings), taken)
        pick = _pick(candidates, shares.places["test"].get(group, 0), "test", last)
        picked += [(candidates.ids[p], "test", rank) for rank, p in enumerate(pick.order, 1)]
        dropped += _books(candidates, pick)
        taken.append(_only(candidates, pick.order))
    return picked, dropped


def _pick(candidates: Candidates, count: int, split: str, last: Last) -> Pick:
    if not count:
        return Pick([])
    fresh = respect(METHODS[candidates.settings.method], candidates, count)
    return keep(candidates, fresh, count, split, last)


def _only(candidates: Candidates, order: Sequence[int]) -> Candidates:
    return replace(
        candidates, frame=candidates.frame[order], vectors=candidates.vectors.only(order)
    )


def _after(candidates: Candidates, taken: Sequence[Candidates]) -> Candidates:
    """Tell the method what other groups have given."""
    names = [name for part in taken for name in part.ids]
    vectors = [candidates.taken, *(part.vectors[:] for part in taken)]
    return replace(candidates, taken=np.vstack(vectors), taken_ids=names)


def _split(
    rest: Candidates, pick: Pick, train: int, validation: int
) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Draw validation rows from the picked ones, by lot; returns (rank, index) of both splits.

    Rows that the source marked for training are not drawn; if too few others were picked, the best
    of the others come in.
    """
    hints = rest.frame["hint"].to_list()
    order = list(pick.order)
    chosen = set(order) | places(rest, REJECTED)
    free = [place for place in order if hints[place] != "train"]
    spare = [p for p in range(len(rest)) if hints[p] != "train" and p not in chosen]
    extra = spare[: max(0, validation - len(free))]
    free, order = free + extra, order + extra
    lots = generator(rest.settings.seed, rest.group, "validation").permutation(len(free))
    drawn = {free[lot] for lot in lots[:validation]}
    ranked = list(enumerate(order, 1))
    left = [(rank, place) for rank, place in ranked if place not in drawn][:train]
    return [(rank, place) for rank, place in ranked if place in drawn], left


def _books(candidates: Candidates, pick: Pick) -> list[tuple[str, str, str]]:
    ids = candidates.ids
    why = explain_others(candidates, pick)
    return [(ids[place], reason, detail) for place, (reason, detail) in sorted(why.items())]


def _certificate(
    answers: pl.DataFrame, vectors: Vectors, sets: dict[str, list[str]]
) -> dict[str, dict[str, Any]]:
    """Measure the picked rows and each control against all answers that came in."""
    of_answers = vectors.only(answers["vector_row"].to_numpy())
    where = {name: place for place, name in enumerate(answers["id"])}

    def places(names: Iterable[str]) -> list[int]:
        return sorted(where[name] for name in names)

    return {name: certify(answers, of_answers, places(names)) for name, names in sets.items()}
