"""Judge any instruction set: a recipe's rules, duplicates inside it, evaluation text in it.

The same rules and the same deduplication that make a release look at a file of somebody else's.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl

from filters.rule import Rule, judge, judge_all
from pipeline.contamination.match import Index, evidence, find, strongest
from pipeline.copies import RANKED_BY
from pipeline.dedup import FIELDS, field_text, find_copies, sketch_field
from pipeline.dialogue import as_single_turn, every_question
from pipeline.errors import CurationError
from pipeline.filter import refusals, rules_for
from pipeline.instructions import read_instructions
from pipeline.recipe import Dedup, Filter, Recipe, Rules

_GUARDS = ("personal_data", "allow_unsafe", "assistant_style", "languages", "written_before")
_SUFFIXES = re.compile(r"(\.(jsonl|ndjson|json|csv|parquet|zst|gz|xz|bz2))+\Z")


def name_of(path: Path) -> str:
    """Say what a set is called: a file by its name, a release by its name and version."""
    whole = path.resolve()
    released = (whole / "manifest.json").is_file()
    return f"{whole.parent.name} {whole.name}" if released else whole.name


def stem_of(path: Path) -> str:
    """Return the name of a set without what says how it is written, for files about it."""
    return _SUFFIXES.sub("", name_of(path)).replace(" ", "-") or "audit"


@dataclass(frozen=True)
class Audit:
    """The verdict on an instruction set; `table` has a row per record."""

    path: Path
    table: pl.DataFrame  # id, prompt, passed, reason, detail, breaks
    breaks: dict[str, int]  # rows that break each rule, a row may break several
    profile: dict[str, Any] = field(default_factory=dict)  # see pipeline.audit.profile

    @property
    def passed(self) -> int:
        """Rows that break no rule."""
        return int(self.table["passed"].sum())

    @property
    def reasons(self) -> dict[str, int]:
        """Rows that failed, each counted once, under the first rule that it breaks."""
        failed = self.table.filter(~pl.col("passed"))
        counts = failed["reason"].value_counts().sort("count", "reason", descending=[True, False])
        return dict(counts.iter_rows())

    def to_json(self) -> dict[str, Any]:
        """Return the contract's object."""
        return {
            "rows": len(self.table),
            "passed": self.passed,
            "reasons": self.reasons,
            "breaks": self.breaks,
            **({"profile": self.profile} if self.profile else {}),
        }

    def write(self, path: Path) -> None:
        """Write the table as .parquet, .csv or .jsonl, by the name of `path`; whole or not at all."""
        flat = self.table.with_columns(pl.col("breaks").list.join(" "))
        writers: dict[str, Callable[[Path], object]] = {
            ".parquet": self.table.write_parquet,
            ".csv": flat.write_csv,
            ".jsonl": self.table.write_ndjson,
        }
        check_table(path)
        temporary = path.with_name(f".{path.name}.tmp")
        try:
            writers[path.suffix](temporary)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)

    def render(self) -> str:
        """Say it for people: the rates, and a few failing rows of each kind."""
        rows = len(self.table)
        lines = [
            f"{self.path}: {self.passed:,} of {rows:,} rows pass ({self.passed / rows:.1%})",
            "",
        ]
        if self.breaks:
            lines.append(f"{'rule':<26}{'breaks it':>10}{'share':>9}{'leaves by it':>14}")
        for code, count in sorted(self.breaks.items(), key=lambda item: (-item[1], item[0])):
            left = self.reasons.get(code, 0)
            lines.append(f"{code:<26}{count:>10,}{count / rows:>9.1%}{left:>14,}")
        for code in self.reasons:
            lines += ["", f"{code}:"]
            for row in self.table.filter(pl.col("reason") == code).head(3).iter_rows(named=True):
                prompt = " ".join((row["prompt"] or "").split())[:70]
                lines.append(f"  {row['id']}: {row['detail']}  ({prompt})")
        return "\n".join(lines)


def check_table(path: Path) -> None:
    """Raise CurationError where no table can be written to `path`, before any work is done."""
    if path.suffix not in (".parquet", ".csv", ".jsonl"):
        raise CurationError(f"{path}: the table can be .parquet, .csv or .jsonl.")
    if not path.parent.is_dir():
        raise CurationError(f"{path}: there is no folder {path.parent}; make it first.")


def audit(path: Path, recipe: Recipe, against: Sequence[Path]) -> Audit:
    """Judge the rows of a file by the recipe's rules for their source, and by its guards.

    A row whose record names no known source is judged by the rules for Stack Exchange, LIMA's. The
    guards are those for Stack Exchange, too, for sources that a run trusts: an audit trusts none.
    """
    index = Index.of(against, recipe.contamination) if against else None
    return audit_rows(path, read_instructions(path), recipe, index)


def audit_rows(
    path: Path,
    rows: pl.DataFrame,
    recipe: Recipe,
    index: Index | None = None,
    anew: pl.DataFrame | None = None,
) -> Audit:
    """Judge rows that were read from `path`; `anew` are HITS of questions in other words."""
    whole = as_single_turn(rows).with_row_index("__row")
    marks = [_by_rules(whole, recipe.filter), duplicates(whole, recipe.dedup).drop("id")]
    if index is not None:
        marks.append(contaminated(whole, index, anew))
    found = pl.concat(marks).sort("__row", "order", maintain_order=True)
    by_row = found.group_by("__row", maintain_order=True).agg(
        pl.col("reason").first(),
        pl.col("detail").first(),
        pl.col("reason").unique(maintain_order=True).alias("breaks"),
    )
    table = whole.select("__row", "id", "prompt").join(
        by_row, on="__row", how="left", maintain_order="left"
    )
    table = table.select(
        "id",
        "prompt",
        pl.col("reason").is_null().alias("passed"),
        "reason",
        "detail",
        pl.col("breaks").fill_null([]),
    )
    counts = table["breaks"].explode(empty_as_null=False).value_counts()
    counts = counts.sort("count", "breaks", descending=[True, False])
    return Audit(path, table, dict(counts.iter_rows()))


def _by_rules(rows: pl.DataFrame, rules: Filter) -> pl.DataFrame:
    source = pl.col("source").str.to_lowercase()
    named = rows.with_columns(
        __rules=pl.coalesce(
            *(
                pl.when(source.str.starts_with(name)).then(pl.lit(name))
                for name in Filter.model_fields
            ),
            pl.lit("stackexchange"),
        )
    )
    # Careful refusals speak of harm on purpose, as in the filter.
    named = named.with_columns(__refuses=refusals(named))
    parts = []
    for key, part in sorted(named.partition_by("__rules", "__refuses", as_dict=True).items()):
        own = _guarded(rules, key[0])
        if key[1]:
            own = own.model_copy(update={"allow_unsafe": True})
        parts.append(_verdicts(part, rules_for(own, released=False)))
    return pl.concat(parts)


def _guarded(rules: Filter, source: str) -> Rules:
    """Return the rules of a source, with the guards for Stack Exchange where it has none."""
    own: Rules = getattr(rules, source)
    guards = {name: getattr(rules.stackexchange, name) for name in _GUARDS}
    off = Rules()
    return own.model_copy(
        update={k: v for k, v in guards.items() if getattr(own, k) == getattr(off, k)}
    )


def looked_for(recipe: Recipe) -> list[str]:
    """Return the reason codes for which the recipe has rules, for any source."""
    rules = [_guarded(recipe.filter, name) for name in Filter.model_fields]
    return sorted({rule.code for own in rules for rule in rules_for(own, released=False)})


def _verdicts(rows: pl.DataFrame, rules: list[Rule]) -> pl.DataFrame:
    """Return a line per row and broken rule; the one that `judge` names comes first."""
    first = judge(rows, rules).filter(pl.col("reason").is_not_null())
    broken = pl.concat([rows.select("__row"), judge_all(rows, rules)], how="horizontal")
    every = broken.unpivot(index="__row", variable_name="reason").filter(
        pl.col("value").fill_null(False)
    )
    return pl.concat(
        [
            first.select("__row", "reason", "detail", pl.lit(0).alias("order")),
            every.select(
                "__row", "reason", pl.lit(None, pl.String).alias("detail"), pl.lit(1).alias("order")
            ),
        ]
    )


def duplicates(rows: pl.DataFrame, settings: Dedup) -> pl.DataFrame:
    """Return a line per copy; `rows` are single turns with their number as `__row`."""
    frame = rows.select("id", "prompt", "response", "history").with_columns(
        pl.col("history").list.head(0)  # `rows` are single turns already
    )
    sketch = frame.select(
        "id",
        votes=pl.lit(None, pl.Int64),
        created_at=pl.lit(None, pl.Datetime("ms")),
        has_response=pl.col("response").is_not_null(),
    ).select(RANKED_BY)
    for name in FIELDS:
        sketch = sketch.with_columns(sketch_field(field_text(frame, name), name, settings))
    with TemporaryDirectory(prefix="thousand-") as folder:
        texts, sketches = Path(folder, "texts.parquet"), Path(folder, "sketches.parquet")
        frame.write_parquet(texts)
        sketch.write_parquet(sketches)
        found = find_copies([texts], [sketches], settings)
    return (
        rows.select("__row", "id")
        .join(found.dropped, on="id")
        .select("__row", "id", "reason", "detail", pl.lit(2).alias("order"))
    )


def contaminated(
    rows: pl.DataFrame, index: Index, anew: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Return a line per row that holds text of an evaluation set, with the evidence.

    `rows` are single turns with their number as `__row`; with their `history` later questions are
    looked for, too.
    """
    hits = find(every_question(rows), index)
    found = evidence(hits if anew is None else strongest(pl.concat([hits, anew])))
    return rows.join(found, on="id", maintain_order="left").select(
        pl.col("__row").cast(pl.UInt32),
        pl.lit("contaminated").alias("reason"),
        "detail",
        pl.lit(3).alias("order"),
    )
