"""What a judge's work comes to, as one JSON object and as text for people."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from pipeline.judge.agreement import Estimate, estimate_mean
from pipeline.judge.benchmark import SetResult
from pipeline.judge.length import FEWEST, controlled_win_rate, regress
from pipeline.judge.pairwise import Outcome, Pair, position_bias
from pipeline.judge.prompts import SCALES
from pipeline.judge.verdict import FAILURES
from pipeline.recipe.judge import Judge


@dataclass(frozen=True)
class Report:
    """The report of one command: what was asked of whom, the result, what it cost."""

    mode: str  # grade, compare, benchmark or red_team
    judge: Judge
    asked: int  # rows or pairs
    judged: int
    failures: Mapping[str, int]
    result: Mapping[str, Any]
    bill: Mapping[str, Any]
    details: Mapping[str, str]  # what was said most often, by the reason of the failure
    warnings: Sequence[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return the contract's object."""
        return {
            "mode": self.mode,
            "model": self.judge.model,
            "endpoint": self.judge.endpoint,
            "asked": self.asked,
            "judged": self.judged,
            "failures": dict(self.failures),
            "details": dict(self.details),
            "result": dict(self.result),
            "bill": dict(self.bill),
            "warnings": list(self.warnings),
        }

    def render(self) -> str:
        """Say it for people."""
        head = f"{self.judge.model or 'no judge'}: {self.judged:,} of {self.asked:,} judged"
        lines = [head, *_RENDER[self.mode](self.result)]
        for reason, count in sorted(self.failures.items(), key=lambda item: (-item[1], item[0])):
            most = f"; mostly: {self.details[reason]}" if reason in self.details else ""
            lines.append(f"not judged: {count:,} {reason} ({FAILURES.get(reason, reason)}){most}")
        lines += [f"warning: {sentence}" for sentence in self.warnings]
        bill = self.bill
        lines.append(
            f"{bill['questions']:,} questions, {bill['from_cache']:,} from the cache, "
            f"{bill['calls']:,} calls, {bill['tokens']:,} tokens"
        )
        if bill["budget_spent"]:
            lines.append(
                "The budget is spent. What was answered is kept: the same command with more budget "
                "goes on from there."
            )
        return "\n".join(lines)


def of_grades(table: pl.DataFrame, settings: Judge, seed: int = 0) -> dict[str, Any]:
    """Sum up a table of marks."""
    known = table.filter(pl.col("mark").is_not_null())
    marks = known["mark"].to_numpy()
    scale = SCALES[settings.scale]
    written = known["written"].value_counts().sort("written")
    effect = regress(marks.tolist(), known["chars"].to_list(), seed) if len(known) else None
    mass = known["mass"].drop_nulls()
    return {
        "scale": settings.scale,
        "style": settings.style,
        "mean": estimate_mean(
            marks, known["id"].to_list(), seed=seed, scale=(scale.low, scale.high)
        ).to_json(),
        "marks": {str(mark): count for mark, count in written.iter_rows()},
        "weighed": len(mass),  # marks that come from log-probabilities
        "mass": None if not len(mass) else round(float(np.mean(mass.to_numpy())), 4),
        "length": None if effect is None else effect.to_json(),
        "cut": int(table["cut"].sum()),
    }


def of_pairs(pairs: Sequence[Pair], outcomes: Sequence[Outcome], seed: int = 0) -> dict[str, Any]:
    """Sum up comparisons, from the side of the first response."""
    known = [place for place, outcome in enumerate(outcomes) if outcome.vote is not None]
    votes = np.array([outcomes[place].vote for place in known], np.float64)
    clusters = [pairs[place].request for place in known]
    differences = np.array(
        [len(pairs[place].first) - len(pairs[place].second) for place in known], np.float64
    )
    points = (votes + 1) / 2
    controlled = controlled_win_rate(points, differences, clusters, seed)
    longer = np.where(differences == 0, np.nan, np.sign(differences) == votes)
    longer[votes == 0] = np.nan
    return {
        "wins": int((votes == 1).sum()),
        "ties": int((votes == 0).sum()),
        "losses": int((votes == -1).sum()),
        "win_rate": estimate_mean(points, clusters, seed=seed).to_json(),
        "length_controlled": controlled.to_json(),
        "longer_won": estimate_mean(longer, clusters, seed=seed).to_json(),
        "position": position_bias(outcomes),
    }


def of_benchmark(sets: Sequence[SetResult], passed_over: Sequence[str]) -> dict[str, Any]:
    """Put the sets of a benchmark together."""
    return {"sets": [one.to_json() for one in sets], "passed_over": list(passed_over)}


def reasons_of(table: pl.DataFrame) -> dict[str, int]:
    """Count the rows without a mark by reason."""
    counts = table["reason"].drop_nulls().value_counts().sort("reason")
    return dict(counts.iter_rows())


def _grades(result: Mapping[str, Any]) -> list[str]:
    marks = ", ".join(f"{mark}: {count:,}" for mark, count in result["marks"].items())
    lines = [f"scale {result['scale']}, mean {said(result['mean'])}", f"marks {marks or 'none'}"]
    if result["weighed"]:
        lines.append(
            f"{result['weighed']:,} marks weighed by log-probabilities, which cover "
            f"{result['mass']:.1%} of the probability"
        )
    if result["length"]:
        length = result["length"]
        lines.append(
            f"length: {said(length['slope'])} marks for twice the characters, rank correlation "
            f"{said(length['correlation'])}"
        )
    if result["cut"]:
        lines.append(
            f"{result['cut']:,} rows were too long and shown to the judge without their middle"
        )
    return lines


def _pairs(result: Mapping[str, Any]) -> list[str]:
    return [
        f"first file: {result['wins']:,} wins, {result['ties']:,} ties, {result['losses']:,} losses",
        f"win rate {said(result['win_rate'])}, at equal length {_controlled(result)} (a tie is half a win)",
        f"the longer one won {said(result['longer_won'])} of the pairs that were no tie",
        _position(result["position"]),
    ]


def _controlled(result: Mapping[str, Any]) -> str:
    controlled = result["length_controlled"]
    if controlled["value"] is None and controlled["n"] >= FEWEST:
        return "unknown, since these pairs do not tell length and winner apart"
    return said(controlled)


def _position(position: Mapping[str, Any]) -> str:
    if not position["pairs"]:
        return "no pair has a verdict in both orders"
    return (
        f"order exchanged: {position['consistent']:.1%} the same, {position['first']:.1%} always the "
        f"first, {position['second']:.1%} always the second, {position['mixed']:.1%} otherwise"
    )


def _benchmark(result: Mapping[str, Any]) -> list[str]:
    lines: list[str] = []
    for one in result["sets"]:
        people = f"{one['annotators']} annotators" if one["annotators"] > 1 else "one label"
        lines += ["", f"{one['set']}: {one['pairs']:,} pairs, {people}"]
        lines.append(
            f"{'':<26}{'judged':>7}  {'tie-discounted':<22}{'with ties':<22}{'without ties':<22}kappa"
        )
        for line in one["lines"]:
            numbers = [said(line[name]) for name in ("tie_discounted", "with_ties", "without_ties")]
            row = "".join(f"{number:<22}" for number in numbers)
            lines.append(f"{line['who'][:26]:<26}{line['judged']:>7,}  {row}{said(line['kappa'])}")
            if line["position"]:
                lines.append(f"  {_position(line['position'])}")
    return [*lines, ""]


def _red_team(result: Mapping[str, Any]) -> list[str]:
    lines = [f"{'':<24}{'tries':>6}{'no verdict':>12}  {'worked':<24}harmless addition"]
    for line in result["success"]:
        name = f"{line['mode']}, {'fenced' if line['fenced'] else 'bare'}"
        lines.append(
            f"{name:<24}{line['tries']:>6,}{line['without_verdict']:>12,}  "
            f"{said(line['worked']):<24}{said(line['harmless_worked'])}"
        )
    worked = {kind: c for kind, c in result["kinds"].items() if c["worked"]}
    if worked:
        told = ", ".join(f"{kind} {c['worked']} of {c['tries']}" for kind, c in worked.items())
        lines.append(f"worked in spite of the fence: {told}")
    return lines


_RENDER = {
    "grade": _grades,
    "compare": _pairs,
    "benchmark": _benchmark,
    "red_team": _red_team,
}


def said(numbers: Mapping[str, Any]) -> str:
    """Write an estimate that has become JSON."""
    return str(Estimate(**numbers))
