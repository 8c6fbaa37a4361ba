"""Gates: tests of the data that is about to be released, as the recipe sets them.

In: the rows, the manifest so far, the recipe. Out: an outcome for each gate that is on, with the
rows that fail. What failed is written down in the manifest and the card of what is put aside.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.errors import GateError
from pipeline.recipe import Recipe
from pipeline.release.licences import refused
from pipeline.release.rows import SPLITS

_NAMED = 5  # rows that a sentence names


@dataclass(frozen=True)
class Outcome:
    """What a gate found: `rows` are the ids that fail, each with its reason."""

    gate: str
    ok: bool
    said: str
    rows: list[list[str]] = field(default_factory=list)

    def sentence(self) -> str:
        """Say it in one line, with the first rows."""
        ids = [row[0] for row in self.rows]
        named = ", ".join(ids[:_NAMED])
        more = f" and {len(ids) - _NAMED} more" if len(ids) > _NAMED else ""
        return f"{self.gate} ({self.said}{': ' if ids else ''}{named}{more})"


def check(rows: pl.DataFrame, manifest: Mapping[str, Any], recipe: Recipe) -> list[dict[str, Any]]:
    """Run every gate that the recipe turns on; returns the outcomes as the manifest holds them."""
    return [asdict(outcome) for gate in _GATES.values() for outcome in gate(rows, manifest, recipe)]


def failed(manifest: Mapping[str, Any]) -> list[Outcome]:
    """Return the outcomes that block a release."""
    return [Outcome(**item) for item in manifest.get("gates") or [] if not item["ok"]]


def refuse(manifest: Mapping[str, Any], kept: Path) -> None:
    """Raise GateError if a gate failed; `kept` is where everything was put for inspection."""
    found = failed(manifest)
    if found:
        count = "A gate blocks" if len(found) == 1 else f"{len(found)} gates block"
        raise GateError(
            f"{count} the release {manifest['name']} {manifest['version']}: "
            f"{'; '.join(outcome.sentence() for outcome in found)}. Everything is in {kept} for "
            "inspection; change the recipe or the dumps, or set the gate otherwise (gates.*).",
            kept,
        )


def _of_rows(gate: str, tested: int, bad: Sequence[Sequence[str]], what: str) -> Iterator[Outcome]:
    """Make the outcome of a gate that looks at each row."""
    said = f"{len(bad):,} of {tested:,} rows {what}"
    yield Outcome(gate, not bad, said, [list(pair) for pair in bad])


def _rows(rows: pl.DataFrame, manifest: Mapping[str, Any], recipe: Recipe) -> Iterator[Outcome]:
    count, least = manifest["rows"].get("train", 0), recipe.gates.min_rows
    yield Outcome("rows", count >= least, f"{count:,} training rows, at least {least:,}")


def _groups(rows: pl.DataFrame, manifest: Mapping[str, Any], recipe: Recipe) -> Iterator[Outcome]:
    share = recipe.gates.min_group_share
    if share is None:
        return
    short = [
        f"{line['group']} in {line['split']} has {line['got']:,} of {line['wanted']:,}"
        for line in manifest["groups"]
        if line["got"] < share * line["wanted"]
    ]
    said = "; ".join(short) or f"each group has {share:.0%} of its quota or more"
    yield Outcome("groups", not short, said)


def _licences(rows: pl.DataFrame, manifest: Mapping[str, Any], recipe: Recipe) -> Iterator[Outcome]:
    allowed = recipe.gates.licences
    if allowed is None:
        return
    written = rows["licence"].unique().to_list()
    good = {licence for licence in written if refused(licence, allowed)}  # one of the patterns
    bad = rows.filter(~pl.col("licence").is_in(sorted(good))).select("id", "licence")
    what = f"with a licence other than {', '.join(allowed)}"
    yield from _of_rows("licences", len(rows), bad.rows(), what)


def _duplicates(
    rows: pl.DataFrame, manifest: Mapping[str, Any], recipe: Recipe
) -> Iterator[Outcome]:
    most = recipe.gates.max_duplicates
    if most is None:
        return
    from pipeline.audit import duplicates

    bad = duplicates(_single_turns(rows), recipe.dedup).sort("id").select("id", "detail").rows()
    said = f"{len(bad):,} copies among {len(rows):,} rows, at most {most:,}"
    yield Outcome("duplicates", len(bad) <= most, said, [list(pair) for pair in bad])


def _languages(
    rows: pl.DataFrame, manifest: Mapping[str, Any], recipe: Recipe
) -> Iterator[Outcome]:
    allowed = recipe.gates.languages
    if allowed is None:
        return
    from filters.language import language
    from filters.rule import judge

    judged = judge(rows.drop("history"), [language(allowed)])
    bad = judged.filter(pl.col("reason").is_not_null()).select("id", "detail").rows()
    yield from _of_rows(
        "languages", len(rows), bad, f"in another language than {', '.join(allowed)}"
    )


def _reasons(rows: pl.DataFrame, manifest: Mapping[str, Any], recipe: Recipe) -> Iterator[Outcome]:
    codes = recipe.gates.reasons
    if codes is None:
        return
    from filters.rule import judge
    from pipeline.dialogue import as_single_turn
    from pipeline.filter import rules_for

    written = rows["licence"].unique().sort().to_list()
    gone = [licence for licence in written if refused(licence, recipe.release.refuse_licences)]
    rules = {
        source: rules_for(getattr(recipe.filter, source), gone)
        for source in type(recipe.filter).model_fields
    }
    bad: list[tuple[str, str]] = []
    for (source,), part in sorted(rows.partition_by("source", as_dict=True).items()):
        wanted = [rule for rule in rules[str(source)] if rule.code in codes]
        judged = judge(as_single_turn(part), wanted).filter(pl.col("reason").is_not_null())
        bad += judged.select("id", pl.format("{}: {}", "reason", "detail")).rows()
    ruled = {rule.code for every in rules.values() for rule in every}
    unruled = [code for code in codes if code not in ruled]
    said = f"{len(bad):,} of {len(rows):,} rows break a rule for {', '.join(codes)}"
    if unruled:
        said += f"; no rule of the recipe gives {', '.join(unruled)}"
    yield Outcome("reasons", not bad and not unruled, said, [list(pair) for pair in sorted(bad)])


def _evaluation(
    rows: pl.DataFrame, manifest: Mapping[str, Any], recipe: Recipe
) -> Iterator[Outcome]:
    paths = recipe.gates.evaluation
    if paths is None:
        return
    from pipeline.audit import contaminated
    from pipeline.contamination.match import Index

    found = contaminated(_single_turns(rows), Index.of(paths, recipe.contamination)).rows()
    ids = rows["id"]
    bad = [(ids[row], detail) for row, _, detail, _ in found]
    yield from _of_rows("evaluation", len(rows), bad, "with text of an evaluation set")


def _churn(rows: pl.DataFrame, manifest: Mapping[str, Any], recipe: Recipe) -> Iterator[Outcome]:
    most, changes = recipe.gates.max_churn, manifest.get("changes")
    if most is None:
        return
    churn = changes["churn"] if changes else 0.0
    said = (
        f"{churn:.1%} of the rows of {manifest.get('previous')} left or changed, at most {most:.1%}"
    )
    yield Outcome("churn", churn <= most, said if changes else "there is no release before")


def _quality(rows: pl.DataFrame, manifest: Mapping[str, Any], recipe: Recipe) -> Iterator[Outcome]:
    least = recipe.gates.min_quality
    if least is None:
        return
    train = rows.filter(pl.col("split") == SPLITS[0])
    low = train.filter(pl.col("quality") < least)
    bad = low.select("id", pl.format("quality {}", pl.col("quality").round(4))).rows()
    yield from _of_rows("quality", len(train), bad, f"with a quality below {least:g}")


def _single_turns(rows: pl.DataFrame) -> pl.DataFrame:
    from pipeline.dialogue import as_single_turn

    return as_single_turn(rows).with_row_index("__row")


Gate = Callable[[pl.DataFrame, Mapping[str, Any], Recipe], Iterator[Outcome]]

_GATES: dict[str, Gate] = {
    "rows": _rows,
    "groups": _groups,
    "licences": _licences,
    "duplicates": _duplicates,
    "languages": _languages,
    "reasons": _reasons,
    "evaluation": _evaluation,
    "churn": _churn,
    "quality": _quality,
}
