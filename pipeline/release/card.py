"""README.md of a release: the dataset card that the hub, `datasets` and people read.

In: the release's manifest (without its files) and its rows. Out: Markdown with a YAML head that
names the file of each split, so that `datasets.load_dataset(folder)` needs no arguments.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
import yaml

from pipeline.release import scoring
from pipeline.release.card_text import COLUMNS, REPRODUCE, intro, limits, quoted, table
from pipeline.release.escape import code, markdown
from pipeline.release.licences import Licence, Summary, parse, summarise
from pipeline.release.rows import SPLITS

_SIZES = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"))
_FAILING = 50  # rows that a gate refuses, in the card of what is put aside
_DOMAINS = 25  # lines in the table of domains


def render(manifest: Mapping[str, Any], rows: pl.DataFrame) -> str:
    """Write the card; every number is counted from the rows or taken from the manifest."""
    licences = summarise(rows["licence"].to_list())
    parts = [
        f"---\n{yaml.safe_dump(head(manifest, licences), sort_keys=False, allow_unicode=True)}---",
        intro(manifest, rows),
        _examples(rows),
        _funnel(manifest),
        _groups(manifest, rows),
        _licences(licences, len(rows)),
        scoring.render(manifest["scores"]),
        _picking(manifest, rows),
        _gates(manifest),
        _columns(rows),
        limits(manifest["recipe"], rows["source"].unique()),
        REPRODUCE.format(
            digest=manifest["recipe_digest"],
            seed=manifest["seed"],
            code=markdown(manifest["code_version"]),
        ),
    ]
    return "\n\n".join(part.strip("\n") for part in parts if part) + "\n"


def head(manifest: Mapping[str, Any], licences: Summary) -> dict[str, Any]:
    """Make the YAML head, with the hub's own names for licence, size and language."""
    total = sum(manifest["rows"].values())
    value: dict[str, Any] = {
        "pretty_name": f"{manifest['name']} {manifest['version']}",
        "license": licences.hub,
    }
    if licences.name:
        value |= {"license_name": licences.name, "license_link": "ATTRIBUTION.md"}
    files = [
        {"split": split, "path": f"data/{split}.parquet"}
        for split in SPLITS
        if manifest["rows"].get(split)
    ]
    return value | {
        "language": _languages(manifest["recipe"]),
        "size_categories": [next((name for top, name in _SIZES if total < top), "n>1M")],
        "task_categories": ["text-generation"],
        "tags": ["instruction-tuning", "sft", "lima", "thousand"],
        "configs": [{"config_name": "default", "data_files": files}],
    }


def _languages(recipe: Mapping[str, Any]) -> list[str]:
    rules = recipe.get("filter", {}).values()
    named = {code for part in rules for code in part.get("languages") or []}
    return sorted(named) or ["en"]


def _funnel(manifest: Mapping[str, Any]) -> str:
    lines = []
    for item in manifest["funnel"]:
        reasons = ", ".join(
            f"{name} {count:,}"
            for name, count in sorted(item["dropped"].items(), key=lambda pair: (-pair[1], pair[0]))
        )
        lines.append([item["stage"], f"{item['rows_in']:,}", f"{item['rows_out']:,}", reasons])
    return (
        "## The funnel\n\nAt every stage, rows in = rows out + rows dropped. `decisions.parquet` "
        "has one line for every candidate; what the first stage leaves out is counted only.\n\n"
        + table(["stage", "rows in", "rows out", "dropped, by reason"], lines, right=(1, 2))
        + "".join(f"\n\n{markdown(sentence)}" for sentence in manifest.get("warnings", []))
    )


def _groups(manifest: Mapping[str, Any], rows: pl.DataFrame) -> str:
    lines = [
        [item["group"], item["split"], f"{item['wanted']:,}", f"{item['got']:,}", _gap(item)]
        for item in manifest["groups"]
    ]
    text = "## Groups and domains\n\n" + table(
        ["group", "split", "quota", "rows", "difference"], lines, right=(2, 3, 4)
    )
    reasons = [_shortfall(item) for item in manifest["shortfall"]]
    if reasons:
        text += "\n\nShort of their quotas:\n\n" + "\n".join(f"- {reason}" for reason in reasons)
    counts = (
        rows.group_by("domain", "group")
        .agg(pl.len().alias("rows"), (pl.col("split") == "train").sum().alias("train"))
        .sort(["rows", "domain", "group"], descending=[True, False, False])
    )
    first = counts.head(_DOMAINS)
    lines = [
        [row["domain"] or "none", row["group"], f"{row['rows']:,}", f"{row['train']:,}"]
        for row in first.iter_rows(named=True)
    ]
    text += f"\n\n{len(counts):,} domains"
    text += f", of which the {_DOMAINS} largest are:" if len(counts) > _DOMAINS else ":"
    return text + "\n\n" + table(["domain", "group", "rows", "train"], lines, right=(2, 3))


def _gap(item: Mapping[str, Any]) -> str:
    difference = item["got"] - item["wanted"]
    return f"{difference:+,}" if difference else "0"


def _shortfall(item: Mapping[str, Any]) -> str:
    text = (
        f"{markdown(item['group'])} in {item['split']}: {item['got']:,} of {item['wanted']:,}, "
        f"{item['missing']:,} missing"
    )
    because = ", ".join(f"{reason} ({count:,})" for reason, count in item.get("because") or [])
    return f"{text}; most of its rows left as {because}" if because else text


def _licences(licences: Summary, total: int) -> str:
    lines = []
    for spdx in licences.shares:
        asks = _asks(parse(spdx))
        for value, count in licences.written[spdx].items():
            cells = [markdown(spdx), f"{count:,}", f"{count / total:.1%}", asks]
            lines.append([code(value), *cells])
    names = ["value of `licence`", "SPDX", "rows", "share", "what it asks"]
    text = (
        "## Licences\n\nEvery row keeps its own licence, named in the column `licence`; who wrote "
        "it and where is in [ATTRIBUTION.md](ATTRIBUTION.md). Credit the authors when you share "
        "rows.\n\n" + table(names, lines, right=(2, 3), raw=range(len(names)))
    )
    if licences.non_commercial:
        text += (
            f"\n\n**Part of this set must not be used commercially** "
            f"({_values(licences, licences.non_commercial)})."
        )
    if licences.unlicensed:
        text += (
            f"\n\n**Part of this set comes without a public licence** "
            f"({_values(licences, licences.unlicensed)}): whether you may use "
            f"or share those rows depends on your law and your purpose. Filter on `licence` to "
            f"leave them out, or set `release.refuse_licences` in the recipe."
        )
    return text


def _asks(kind: Licence) -> str:
    asks = [
        "non-commercial use only" if kind.non_commercial else "",
        "share alike" if kind.share_alike else "",
        "no changes" if kind.no_derivatives else "",
        "" if kind.known else "not a licence that we know",
        "no public licence, only the site's terms" if kind.known and not kind.granted else "",
    ]
    return "; ".join(ask for ask in asks if ask) or "open"


def _values(licences: Summary, names: Sequence[str]) -> str:
    """Name licences as the column `licence` has them, so that a filter finds them."""
    return ", ".join(code(value) for spdx in names for value in licences.written[spdx])


def _picking(manifest: Mapping[str, Any], rows: pl.DataFrame) -> str:
    select = manifest["recipe"]["select"]
    text = (
        f"## How rows were picked\n\nMethod `{select['method']}`, seed {select['seed']}, within "
        f"the quotas above; groups that fell short: `{select['on_shortfall']}`."
    )
    filled = [
        f"{markdown(group)} {count:,} ({split})"
        for split, groups in manifest["refilled"].items()
        for group, count in sorted(groups.items())
    ]
    if filled:
        text += f" Rows taken beyond their quota to fill the gap: {', '.join(filled)}."
    unscored = rows.filter(pl.col("split") != "test")["quality"].null_count()
    if unscored:
        text += (
            f"\n\n{unscored:,} training and validation rows have no `quality`: they lack every part of the "
            "score that the recipe gives weight (`score.weights`), and stood behind all others."
        )
    lines = _certificate(manifest["certificate"])
    if lines:
        text += (
            "\n\nThe picked set beside sets of the same size that other methods pick from the same "
            "pool. Distances are 1 - cosine: the coverage radius is the largest distance of a pool "
            "row to its nearest picked row (smaller covers more), the nearest neighbour is that "
            "among picked rows (larger is more varied).\n\n"
            + table(lines[0], lines[1:], right=range(1, len(lines[0])))
        )
    return text


def _gates(manifest: Mapping[str, Any]) -> str:
    outcomes = manifest.get("gates") or []
    lines = [
        [item["gate"], "passed" if item["ok"] else "failed", item["said"]] for item in outcomes
    ]
    text = "## Gates\n\nTests that the recipe asks of the finished data.\n\n"
    text += table(["gate", "outcome", "found"], lines)
    bad = [(item["gate"], *row) for item in outcomes if not item["ok"] for row in item["rows"]]
    if bad:
        shown = [[gate, row, why] for gate, row, why in bad[:_FAILING]]
        text += f"\n\nRows that fail (the first {len(shown)} of {len(bad):,}; all are in manifest.json):"
        text += "\n\n" + table(["gate", "row", "why"], shown)
    return text if lines else ""


def _certificate(certificate: Mapping[str, Any]) -> list[list[str]]:
    """Lay out {method: {measure: number}}, the picked set first, as a table with its head."""
    methods = {name: value for name, value in certificate.items() if isinstance(value, Mapping)}
    measures = list(dict.fromkeys(key for value in methods.values() for key in value))
    body = [
        [name, *(_number(measure, value.get(measure)) for measure in measures)]
        for name, value in methods.items()
    ]
    return [["set", *(name.replace("_", " ") for name in measures)], *body] if body else []


def _number(measure: str, value: object) -> str:
    """Write lengths as whole numbers, shares and distances with two digits."""
    if isinstance(value, float):
        return f"{value:,.0f}" if measure.endswith("_chars") else f"{value:.2f}"
    return f"{value:,}" if isinstance(value, int) else "" if value is None else str(value)


def _columns(rows: pl.DataFrame) -> str:
    lines = [[f"`{name}`", COLUMNS[name]] for name in rows.columns if name in COLUMNS]
    return (
        "## Files and columns\n\n`data/` holds the splits, all with the same columns and sorted by "
        "id; `jsonl/train.jsonl` the training chats alone, in the same order. In `test` there are "
        "prompts only: `response` is null.\n\n" + table(["column", "what"], lines, raw=(0, 1))
    )


def _examples(rows: pl.DataFrame) -> str:
    lines: list[str] = []
    train = rows.filter(pl.col("split") == "train")
    short = train.filter(pl.col("prompt").str.len_chars().is_between(20, 160))
    best = short.sort(["quality", "id"], descending=[True, False], nulls_last=True)
    for group in sorted(best["group"].unique().to_list())[:6]:
        row = best.filter(pl.col("group") == group).row(0, named=True)
        lines.append(quoted(row))
    return "Some of the prompts:\n\n" + "\n".join(lines) if lines else ""
