"""Filter: the recipe's rules judge each candidate; a row that breaks one leaves with its code.

In: CANDIDATE files. Out: the same files without the rows that broke a rule. The rules themselves
are in the package `filters`; here the recipe chooses among them, source by source.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from filters.assistant import assistant_style
from filters.flags import adult, after_cutoff
from filters.language import language
from filters.length import too_long, too_short
from filters.personal import personal_data
from filters.prompt import not_self_contained
from filters.provenance import model_origin, refused_licence, unattributed
from filters.references import refers_to_other_answers
from filters.repetition import repeated_or_lost
from filters.rule import Rule, judge
from filters.substance import little_prose
from filters.unsafe import unsafe
from filters.voice import first_person
from filters.votes import low_votes
from pipeline.dialogue import as_single_turn
from pipeline.masking import mask_rows
from pipeline.recipe import Filter, Part, Recipe, Rules
from pipeline.record import dropped_frame
from pipeline.release.licences import refused
from pipeline.stage import DROPPED_FOLDER, InputFile, Shard, ShardStats
from pipeline.tables import TABLES_FOLDER, write


class FilterSettings(Part):
    """What the stage reads of the recipe."""

    rules: Filter
    refuse_licences: list[str]
    refuse_model: bool = True


_SAID = ("prompt", "response", "other_turns")  # see pipeline/dialogue.py


@dataclass(frozen=True)
class FilterStage:
    """Judges each file on its own."""

    settings: FilterSettings
    name: str = field(default="filter", init=False)
    version: int = field(default=5, init=False)

    @classmethod
    def of(cls, recipe: Recipe) -> "FilterStage":
        """Take the stage's parts of the recipe."""
        return cls(
            FilterSettings(
                rules=recipe.filter,
                refuse_licences=recipe.release.refuse_licences,
                refuse_model=recipe.select.max_model_share == 0,
            )
        )

    def plan(self, inputs: Sequence[InputFile]) -> list[Shard]:
        return [Shard(entry.path.stem, (entry,)) for entry in inputs]

    def work(self, shard: Shard, out: Path) -> ShardStats:
        frame = pl.read_parquet(shard.files[0].path)
        judged = judge_by_source(frame, self.settings)
        is_kept = pl.col("reason").is_null()
        kept, notes = noted(judged.filter(is_kept).drop("reason", "detail"), self.settings.rules)
        kept.write_parquet(out / f"{shard.name}.parquet")
        if len(notes):
            write(notes, out / TABLES_FOLDER / f"{shard.name}.parquet")
        lines = dropped_frame(judged.filter(~is_kept), self.name)
        lines.write_parquet(out / DROPPED_FOLDER / f"{shard.name}.parquet")
        counts = dict(lines["reason"].value_counts().sort("reason").iter_rows())
        facts = {"noted": len(notes)} if len(notes) else {}
        return ShardStats(len(frame), len(kept), counts, facts)


def judge_by_source(frame: pl.DataFrame, settings: FilterSettings) -> pl.DataFrame:
    """Add `reason` and `detail` by the rules of each row's source; row order is kept."""
    # A dialogue is judged by all that is said in it, not by its last turn.
    numbered = as_single_turn(frame).with_row_index("__row").with_columns(__refuses=refusals(frame))
    gone = _refused(frame, settings.refuse_licences)
    by_models = [model_origin()] if settings.refuse_model else []
    verdicts = [
        judge(part, by_models + rules_for(_ruling(settings.rules, source, refuses), gone)).select(
            "__row", "reason", "detail"
        )
        for (source, refuses), part in numbered.partition_by(
            "source", "__refuses", as_dict=True
        ).items()
    ]
    if not verdicts:
        return frame.with_columns(reason=pl.lit(None, pl.String), detail=pl.lit(None, pl.String))
    order = pl.concat(verdicts).sort("__row").drop("__row")
    return pl.concat([frame, order], how="horizontal")


def refusals(frame: pl.DataFrame) -> pl.Expr:
    """Tell the authored rows that are marked as refusals: they speak of harm on purpose."""
    if frame.schema.get("tags") != pl.List(pl.String):
        return pl.lit(False)
    tagged = pl.col("tags").list.contains("refusal") & (pl.col("source") == "authored")
    return tagged.fill_null(False)


def _ruling(rules: Filter, source: str, refuses: bool) -> Rules:
    own: Rules = getattr(rules, source)
    return own.model_copy(update={"allow_unsafe": True}) if refuses else own


def noted(frame: pl.DataFrame, rules: Filter) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Mask what the recipe says, and note (`id`, `note`) what was masked or is only marked."""
    notes = []
    for source in Filter.model_fields:
        own, here = getattr(rules, source), pl.col("source") == source
        if own.personal_data == "mask":
            frame, masked = mask_rows(frame, here)
            notes.append(masked)
        for rule in _marking(own):
            marked = judge(as_single_turn(frame).filter(here), [rule])
            marked = marked.filter(pl.col("reason").is_not_null())
            notes.append(marked.select("id", note=pl.format("{}: {}", "reason", "detail")))
    empty = pl.DataFrame(schema={"id": pl.String, "note": pl.String})
    return frame, pl.concat([empty, *notes]).sort("id", "note")


def _marking(rules: Rules) -> list[Rule]:
    """Return the rules that only note what they find."""
    chosen = []
    if rules.written_before and rules.after_cutoff == "mark":
        chosen.append(after_cutoff(rules.written_before))
    if rules.assistant_style == "mark":
        chosen.append(assistant_style(rules.assistant_phrases))
    return chosen


def rules_for(
    rules: Rules, refused_licences: Sequence[str] = (), *, released: bool = True
) -> list[Rule]:
    """Return the rules that are switched on; rows to be released must be attributed, too.

    `refused_licences` are written as in the rows.
    """
    chosen = [unattributed()] if released else []
    if refused_licences:
        chosen.append(refused_licence(refused_licences))
    if not rules.allow_adult:
        chosen.append(adult())
    if rules.written_before and rules.after_cutoff == "drop":
        chosen.append(after_cutoff(rules.written_before))
    if rules.min_votes is not None:
        chosen.append(low_votes(rules.min_votes))
    if rules.min_chars is not None:
        chosen.append(too_short(rules.min_chars))
    if rules.max_chars is not None:
        chosen.append(too_long(rules.max_chars))
    return chosen + _of_the_wording(rules)


def _of_the_wording(rules: Rules) -> list[Rule]:
    chosen: list[Rule] = []
    if rules.require_self_contained:
        chosen.append(not_self_contained())
    if rules.max_first_person is not None:
        chosen.append(first_person(rules.max_first_person))
    if not rules.allow_references:
        chosen.append(refers_to_other_answers())
    if rules.require_prose:
        chosen.append(little_prose())
    if rules.require_whole:
        chosen.append(repeated_or_lost())
    if rules.assistant_style == "drop":
        chosen.append(assistant_style(rules.assistant_phrases))
    if not rules.allow_unsafe:
        chosen += [unsafe(column) for column in _SAID]
    if rules.personal_data == "drop":
        chosen += [personal_data(column) for column in _SAID]
    if rules.languages is not None:
        chosen.append(language(rules.languages))
    return chosen


def _refused(frame: pl.DataFrame, patterns: Sequence[str]) -> list[str]:
    """Return the licences in the frame that the recipe refuses, in whatever way they are written."""
    written = frame["licence"].drop_nulls().unique().sort().to_list() if patterns else []
    return [licence for licence in written if refused(licence, patterns)]
