"""The jobs of `thousand judge`: grade a file, compare two, hold a judge against people, attack it.

In: files and an asker. Out: a report; row-level tables where asked.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from pipeline.errors import SourceError
from pipeline.instructions import read_instructions
from pipeline.judge import redteam, report
from pipeline.judge.asking import Asker
from pipeline.judge.benchmark import count_failures, draw, measure
from pipeline.judge.families import self_preference
from pipeline.judge.pairs import author_of, pair_files, read_benchmark, references_of
from pipeline.judge.pairwise import Outcome, Pair, judge_pairs
from pipeline.judge.pointwise import grade_rows
from pipeline.judge.prompts import Asking
from pipeline.judge.report import Report
from pipeline.judge.verdict import Verdict
from pipeline.row_table import writer_for


def grade_file(
    file: Path,
    asker: Asker,
    rows: int | None = None,
    reference: Path | None = None,
    table: Path | None = None,
) -> Report:
    """Grade the responses of an instruction set."""
    write = writer_for(table) if table else None
    frame = read_instructions(file)
    if rows is not None:
        lots = [hashlib.sha256(f"judge:{row}".encode()).hexdigest() for row in frame["id"]]
        chosen = pl.Series("lot", lots).rank("ordinal") <= rows
        frame = frame.filter(chosen)
    graded = grade_rows(frame, asker, references_of(reference) if reference else None)
    if write:
        write(graded)
    authors = [author_of(row) for row in frame.iter_rows(named=True)]
    return Report(
        "grade",
        asker.settings,
        len(graded),
        graded["mark"].count(),
        report.reasons_of(graded),
        report.of_grades(graded, asker.settings),
        asker.bill.to_json(),
        asker.details,
        self_preference(asker.settings.model or "", authors),
    )


def compare_files(
    file: Path,
    against: Path,
    asker: Asker,
    rows: int | None = None,
    reference: Path | None = None,
    table: Path | None = None,
) -> Report:
    """Compare the responses of two sets to the same prompts, each pair in both orders."""
    write = writer_for(table) if table else None
    pairs, alone = pair_files(file, against)
    pairs = draw(pairs, rows, file.name)
    if reference is not None:
        pairs = _guided(pairs, references_of(reference), reference)
    unguided = [reference is not None and pair.reference is None for pair in pairs]
    asking = Asking(asker.settings.style, asker.settings.max_chars)
    asked = [pair for pair, lacks in zip(pairs, unguided, strict=True) if not lacks]
    said = iter(judge_pairs(asked, asker, asking))
    nothing = Verdict(reason="no_reference")
    outcomes = [Outcome(None, nothing, nothing) if lacks else next(said) for lacks in unguided]
    if write:
        write(_outcomes(pairs, outcomes))
    warnings = self_preference(
        asker.settings.model or "", [name for pair in pairs for name in pair.authors]
    )
    if alone:
        warnings.append(f"{alone:,} rows have no partner in the other file and were left out.")
    return Report(
        "compare",
        asker.settings,
        len(pairs),
        sum(outcome.vote is not None for outcome in outcomes),
        count_failures(outcomes),
        report.of_pairs(pairs, outcomes),
        asker.bill.to_json(),
        asker.details,
        warnings,
    )


def hold_against_people(folder: Path, asker: Asker, rows: int | None = None) -> Report:
    """Measure agreement with people on labelled pairs; without an endpoint, of the controls."""
    sets, passed_over = read_benchmark(folder)
    judging = asker if asker.settings.endpoint is not None else None
    results, authors, failures = [], [], dict[str, int]()
    for name, every in sets.items():
        pairs = draw(every, rows, name)
        results.append(measure(name, pairs, judging))
        authors += [author for pair in pairs for author in pair.authors]
        for line in results[-1].lines:
            for reason, count in (line.failures or {}).items():
                failures[reason] = failures.get(reason, 0) + count
    asked = sum(result.pairs for result in results)
    return Report(
        "benchmark",
        asker.settings,
        asked if judging else 0,
        asked - sum(failures.values()) if judging else 0,
        failures,
        report.of_benchmark(results, passed_over),
        asker.bill.to_json(),
        asker.details,
        self_preference(asker.settings.model or "", authors) if judging else [],
    )


def try_attacks(asker: Asker, rows: int | None = None) -> Report:
    """Count how often an attack talks the judge into a verdict, on so many poor responses."""
    tries = redteam.attack(asker, rows)
    return Report(
        "red_team",
        asker.settings,
        len(tries),
        sum(one.worked is not None for one in tries),
        redteam.failures(tries),
        {"success": redteam.success(tries), "kinds": redteam.by_kind(tries)},
        asker.bill.to_json(),
        asker.details,
    )


def _guided(pairs: Sequence[Pair], references: Mapping[str, str], path: Path) -> list[Pair]:
    """Give each pair its reference, where there is one."""
    guided = [replace(pair, reference=references.get(pair.request)) for pair in pairs]
    if all(pair.reference is None for pair in guided):
        raise SourceError(f"{path} has a reference for none of the prompts.")
    return guided


def _outcomes(pairs: Sequence[Pair], outcomes: Sequence[Outcome]) -> pl.DataFrame:
    lines = [
        {
            "id": pair.id,
            "vote": outcome.vote,
            "here": outcome.here.label,
            "swapped": outcome.swapped.label,
            "preference": outcome.preference,
            "leaning": outcome.leaning,
            "reason": outcome.reason,
            "detail": outcome.here.detail or outcome.swapped.detail,
        }
        for pair, outcome in zip(pairs, outcomes, strict=True)
    ]
    schema = {
        "id": pl.String,
        "vote": pl.Int64,
        "here": pl.String,
        "swapped": pl.String,
        "preference": pl.Float64,
        "leaning": pl.String,
        "reason": pl.String,
        "detail": pl.String,
    }
    return pl.DataFrame(lines, schema=schema, orient="row")
