"""Who gets how many places: quotas, what there is, refills, and what stays short."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from pipeline import quotas
from pipeline.manifest import read_manifest
from pipeline.recipe import Select
from pipeline.stage import InputFile, outputs, read_dropped

SPLITS = ("train", "validation", "test")

_NO_RULES = ("over_quota", "not_selected", "not_a_post", "not_top_answer")


@dataclass(frozen=True)
class Shares:
    """Places by split and group, and how they came about."""

    wanted: dict[str, dict[str, int]]
    places: dict[str, dict[str, int]]
    refilled: dict[str, dict[str, int]]

    def shortfall(self) -> list[dict[str, Any]]:
        """List each group that cannot give what its quota asks for."""
        lines = []
        for split in SPLITS:
            for group, wanted in sorted(self.wanted[split].items()):
                own = self.places[split].get(group, 0) - self.refilled[split].get(group, 0)
                if own < wanted:
                    lines.append(
                        {
                            "split": split,
                            "group": group,
                            "wanted": wanted,
                            "got": own,
                            "missing": wanted - own,
                        }
                    )
        return lines

    def missing(self, split: str) -> int:
        """Rows that a split lacks after all refills."""
        return sum(self.wanted[split].values()) - sum(self.places[split].values())


def share(rows: pl.DataFrame, settings: Select) -> Shares:
    """Give places to groups; `rows` has `group`, `hint` (of the source) and `only_prompt`.

    Training rows come first, validation takes from what is left; a hint of the source is law.
    """
    wanted = {
        "train": settings.train_quotas,
        "validation": dict(settings.validation),
        "test": dict(settings.test),
    }
    answers = rows.filter(~pl.col("only_prompt"))
    hint = pl.col("hint").fill_null("")
    free = count_groups(answers.filter(~hint.is_in(["train", "validation"])))
    for_training = count_groups(answers.filter(hint == "train"))
    for_validation = count_groups(answers.filter(hint == "validation"))
    refill = settings.on_shortfall == "refill"
    trainable = {g: free.get(g, 0) + for_training.get(g, 0) for g in {*free, *for_training}}

    def left_after(train: Mapping[str, int]) -> dict[str, int]:
        return {
            group: for_validation.get(group, 0)
            + min(free.get(group, 0), trainable.get(group, 0) - train.get(group, 0))
            for group in {*trainable, *for_validation}
        }

    # A refill must not eat what another group needs for its own validation rows, unless it has to.
    own, _ = quotas.fill(wanted["train"], trainable, refill=False)
    kept, _ = quotas.fill(wanted["validation"], left_after(own), refill=False)
    unreserved = {
        group: count - max(0, kept.get(group, 0) - for_validation.get(group, 0))
        for group, count in trainable.items()
    }
    train, more_train = quotas.fill(wanted["train"], unreserved, refill=refill)
    if sum(train.values()) < sum(wanted["train"].values()):
        train, more_train = quotas.fill(wanted["train"], trainable, refill=refill)
    left = left_after(train)
    validation, more_validation = quotas.fill(wanted["validation"], left, refill=refill)
    prompts = count_groups(rows.filter("only_prompt"))
    test, more_test = quotas.fill(wanted["test"], prompts, refill=refill)
    return Shares(
        wanted,
        {"train": train, "validation": validation, "test": test},
        {"train": more_train, "validation": more_validation, "test": more_test},
    )


def count_groups(rows: pl.DataFrame) -> dict[str, int]:
    """Count rows by group."""
    return dict(rows.group_by("group").len().sort("group").iter_rows())


def top_reasons(folders: Sequence[Path], group: str, count: int = 4) -> list[tuple[str, int]]:
    """Return the rules that took most of the group's rows, from ingest on, and how many.

    What was sound and not needed (over_quota, not_selected) is no rule and does not count.
    """
    total: Counter[str] = Counter()
    for folder in folders:
        if folder.name == "ingest":
            total.update(_left_out(folder, group))
    groups = [pl.scan_parquet(f.path).select("id", "group") for f in _ingested(folders)]
    if groups:
        own = pl.concat(groups).filter(pl.col("group") == group)
        for folder in folders:
            lines = read_dropped(folder).join(own, on="id", how="semi")
            total.update(dict(lines.group_by("reason").len().collect().iter_rows()))
    for reason in _NO_RULES:
        total.pop(reason, None)
    return sorted(total.items(), key=lambda item: (-item[1], item[0]))[:count]


def _ingested(folders: Sequence[Path]) -> list[InputFile]:
    return [entry for folder in folders if folder.name == "ingest" for entry in outputs(folder)]


def _left_out(folder: Path, group: str) -> Counter[str]:
    """Count what ingest left out of the shards that give rows of this group."""
    manifest = read_manifest(folder)
    total: Counter[str] = Counter()
    for shard in (manifest.facts if manifest else {}).values():
        if group in shard["groups"]:
            for line in shard["left_out"]:
                total[line["reason"]] += line["rows"]
    return total


def sentence(line: Mapping[str, Any], reasons: Sequence[tuple[str, int]]) -> str:
    """Say in words which group is short, by how much and because of which rules."""
    because = ", ".join(f"{reason} ({count})" for reason, count in reasons)
    return (
        f"{line['group']} is short of {line['missing']} of {line['wanted']} rows for "
        f"{line['split']}" + (f"; most of its rows left as {because}" if because else "")
    )
