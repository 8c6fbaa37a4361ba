"""The chapters of a row's life: what each stage's files say of one row, in words.

In: a stage's folder and manifest, the row as it came and as it left. Out: lines of plain text.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import polars as pl

from pipeline.manifest import Manifest
from pipeline.record import REASONS
from pipeline.release.escape import one_line
from pipeline.score.breakdown import MIDDLE, TABLE, Share, breakdown
from pipeline.score.learned import STATE

Row = dict[str, Any]

_SHOWN = 5  # copies and near misses


def find(files: Sequence[Path], row: str) -> Row | None:
    """Return the row with its file's name as `_file`, from files of one schema."""
    if not files:
        return None
    scan = pl.scan_parquet(list(files), include_file_paths="_file")
    found = scan.filter(pl.col("id") == row).head(1).collect(engine="streaming")
    return found.row(0, named=True) if len(found) else None


def tell(stage: Path, manifest: Manifest, before: Row, here: Row) -> list[str]:
    """Say what a stage made of a row that it passed."""
    return _TELL.get(manifest.stage, _passed)(stage, manifest, before, here)


def why(stage: Path, line: Row, before: Row) -> list[str]:
    """Say why a row left; `line` is that of the books."""
    reason = line["reason"]
    lines = [f"{reason}: {REASONS.get(reason, 'a reason without a description')}"]
    if line["detail"]:
        lines.append(one_line(line["detail"]))
    lines += _copies(stage, line["id"]) if reason.startswith("duplicate") else []
    if stage.name == "filter" and before.get("response"):
        lines.append(f'response: "{_short(before["response"])}"')
    return lines


def _passed(stage: Path, manifest: Manifest, before: Row, here: Row) -> list[str]:
    return []


def _filtered(stage: Path, manifest: Manifest, before: Row, here: Row) -> list[str]:
    """Say what was masked in the row, or is only marked."""
    tables = sorted((stage / "tables").glob("*.parquet"))
    if not tables:
        return []
    notes = pl.scan_parquet(tables).filter(pl.col("id") == here["id"]).collect()["note"]
    return [one_line(note) for note in notes]


def _ingested(stage: Path, manifest: Manifest, before: Row, here: Row) -> list[str]:
    votes = "" if here["votes"] is None else f", {here['votes']} votes"
    accepted = ", accepted by the asker" if here["accepted"] else ""
    day = f", {here['created_at']:%Y-%m-%d}" if here["created_at"] else ""
    lines = [
        _origin(here, manifest),
        f'"{_short(here["title"] or "")}"' if here["title"] else "without a title",
        f"{here['url'] or 'no url'}, by {_short(here['author'] or 'nobody named')}{day}",
        f"{here['licence'] or 'no licence'}{votes}{accepted}; group {here['group']}, "
        f"domain {here['domain']}",
    ]
    return [one_line(line) for line in lines]


def _origin(here: Row, manifest: Manifest) -> str:
    """Say which dump file a row was found in, or which files it was read from.

    Ingest books the files of a shard; a shard's tables start with its name.
    """
    table = Path(here["_file"]).stem
    shards = [name for name in manifest.facts if table.startswith(name)]
    inputs = manifest.facts[max(shards, key=len)].get("inputs", []) if shards else []
    names = _with_row([str(entry["file"]) for entry in inputs], here)
    if len(names) == 1:
        return f"found in {names[0]}"
    if not names:
        return f"read as {table}"
    if len(names) == 2:
        return f"read from {names[0]} and {names[1]}"
    below = os.path.commonpath([PurePosixPath(name).parent for name in names])
    return f"read from the {len(names)} files below {below or 'the dumps folder'}"


def _with_row(names: list[str], here: Row) -> list[str]:
    """Leave only the files that can hold the row itself, where its source tells."""
    if here["source"] == "stackexchange":  # the others hold users and comments
        posts = [name for name in names if _bare(name).endswith("posts")]
        return posts or [name for name in names if name.endswith(".7z")] or names
    if here["source"] == "natural_instructions":  # the id names the task
        task = here["id"].split(":")[1].lower()
        return [name for name in names if _bare(name) == task] or names
    return names


def _bare(name: str) -> str:
    return PurePosixPath(name).name.split(".json")[0].split(".xml")[0].removesuffix(".7z").lower()


def _cleaned(stage: Path, manifest: Manifest, before: Row, here: Row) -> list[str]:
    prompt, title = here["prompt"] or "", here["title"] or ""
    part = "the title" if prompt == title else "the body"
    if title and prompt != title and prompt.startswith(title):
        part = "title and body"
    if here["history"]:
        part = f"the last of {len(here['history']) // 2 + 1} turns"
    raw, made = before.get("response"), here["response"]
    lines = [f'prompt from {part}, {len(prompt):,} characters: "{_short(prompt)}"']
    if made is None:
        return [*lines, "no response: a prompt only"]
    was = f"{len(raw):,} characters of markup became " if raw is not None else ""
    return [*lines, f"response: {was}{len(made):,} of Markdown"]


def _compared(stage: Path, manifest: Manifest, before: Row, here: Row) -> list[str]:
    return _copies(stage, here["id"]) or ["no copies"]


def _clustered(stage: Path, manifest: Manifest, before: Row, here: Row) -> list[str]:
    words = here.get("cluster_words") or []
    named = words if isinstance(words, str) else ", ".join(words)
    near = here.get("cluster_similarity")
    like = "" if near is None else f", cosine to its centre {near:.2f}"
    return [f"topic {here.get('cluster')}: {named}{like}"]


_BEHIND = "others of its group stand before it"


def _likely(stage: Path, manifest: Manifest, before: Row, here: Row) -> list[str]:
    if here.get("lm_error"):
        return [f"not scored by the language model: {here['lm_error']}"]
    if here.get("response") is None:
        return ["not read by a language model: there is no response"]
    if "lm_ifd" not in here:
        if here.get(STATE) is not None:
            return ["read by a language model for the learned score"]
        return [f"not read by a language model for the learned score: {_BEHIND}"]
    if here.get("lm_ifd") is None:
        return [f"not scored by the language model: {_BEHIND}"]
    cut, tokens, scored = "", here["lm_tokens"], here["lm_scored_tokens"]
    if here["lm_cut"]:
        cut = f", {scored} of them scored" if scored < tokens else ", its prompt cut to the window"
    return [
        f"perplexity {here['lm_perplexity']:.1f} alone, {here['lm_perplexity_given_prompt']:.1f} "
        f"after its prompt, IFD {_number(here['lm_ifd'])}, {tokens} tokens{cut}"
    ]


def _judged(stage: Path, manifest: Manifest, before: Row, here: Row) -> list[str]:
    tables = sorted((stage / "tables").glob("judge.parquet"))
    line = find(tables, here["id"])
    if line is None:
        return ["not among the rows that the recipe has judged"]
    if line["mark"] is None:
        more = f": {_short(line['detail'])}" if line["detail"] else ""
        return [one_line(f"no mark, {line['reason']}{more}")]
    cut = ", judged without its middle" if line["cut"] else ""
    return [f"mark {_number(line['mark'])}{cut}"]


def _scored(stage: Path, manifest: Manifest, before: Row, here: Row) -> list[str]:
    if here.get("quality") is None:
        if here.get("response") is None:
            return ["no quality: there is no response"]
        return ["no quality: no row of its group has a part that has a weight"]
    parts = here.get("quality_parts") or {}
    named = [f"{name} {_number(value)}" for name, value in parts.items() if value is not None]
    lines = [f"quality {_number(here.get('quality'))}: {', '.join(named)}".rstrip(": ")]
    counted = [share for share in shares(stage, here) or () if share.adds is not None]
    total = sum(share.weight for share in counted)
    lines += [_part(share, total) for share in counted]
    known = {share.part for share in counted}
    absent = [name for name, value in parts.items() if value is None and name not in known]
    return [*lines, f"without evidence: {', '.join(absent)}"] if absent else lines


def _part(share: Share, total: float) -> str:
    """Say what became of one part; the parts that count have `total` weight together."""
    if share.measured is None or share.value is None:
        said = f"not measured, counts as {share.counts:.3f}, the middle of its group,"
    else:
        said = f"measured {share.measured:>9.4g}, as a part {share.value:.3f},"
    weight = f"{share.weight:.2f} of {total:.2f}"
    return f"{share.part:<10} {said} weight {weight}, adds {share.adds:.3f}"


def shares(stage: Path, here: Row) -> list[Share] | None:
    """Take a row's score apart; none where it has no score, or an earlier version scored it."""
    line = find(sorted((stage / "tables").glob(TABLE)), here["id"])
    if line is None or MIDDLE not in line or here.get("quality") is None:
        return None
    return breakdown(line, here["quality_parts"])


def _selected(stage: Path, manifest: Manifest, before: Row, here: Row) -> list[str]:
    rank = "" if here.get("rank") is None else f", rank {here['rank']}"
    return [f"for {here['split']}{rank} in {here['group']}"]


_TELL: dict[str, Callable[[Path, Manifest, Row, Row], list[str]]] = {
    "ingest": _ingested,
    "filter": _filtered,
    "clean": _cleaned,
    "dedup": _compared,
    "semantic": _compared,
    "cluster": _clustered,
    "likelihood": _likely,
    "judge": _judged,
    "score": _scored,
    "select": _selected,
}


def _copies(stage: Path, row: str) -> list[str]:
    """List the copies of a row, and the pairs with their measured similarity."""
    lines = []
    clusters = sorted((stage / "tables").glob("*clusters.parquet"))
    if clusters:
        scan = pl.scan_parquet(clusters)
        number = scan.filter(pl.col("id") == row).select("cluster")
        members = scan.join(number, on="cluster", how="semi").sort("id").collect()
        others = members.filter(pl.col("id") != row)
        stays = members.filter((pl.col("id") == row) & pl.col("keeps")).height > 0
        columns = ("id", "keeps", "similarity_to_kept")
        for name, keeps, alike in others.select(columns).head(_SHOWN).iter_rows():
            lines.append(_member(one_line(name), alike, keeps=keeps, beside_kept=stays))
        if stays and lines:
            lines[0] = f"stays; {lines[0]}"
        if len(others) > _SHOWN:
            lines.append(f"and with {len(others) - _SHOWN} more")
    pairs = sorted((stage / "tables").glob("*pairs.parquet"))
    if pairs:
        of_row = (pl.col("a") == row) | (pl.col("b") == row)
        found = pl.scan_parquet(pairs).filter(of_row).collect()
        other = pl.when(pl.col("a") == row).then("b").otherwise("a").alias("other")
        best = found.with_columns(other).sort(["jaccard", "other"], descending=[True, False])
        for pair in best.head(_SHOWN).iter_rows(named=True):
            miss = " (below the threshold)" if pair.get("duplicate") is False else ""
            what = "prompt and response" if pair["field"] == "both" else pair["field"]
            lines.append(
                f"{what} like that of {one_line(pair['other'])}: "
                f"Jaccard {pair['jaccard']:.2f}{miss}"
            )
    return lines


def _member(name: str, alike: float, *, keeps: bool, beside_kept: bool) -> str:
    """Say of another row of the group what became of it."""
    if keeps:
        return f"in one group with {name}, which stays"
    if beside_kept:
        return f"{name}, {alike:.2f} like it, left"
    return f"in one group with {name}, {alike:.2f} like the row that stays"


def _short(text: str, limit: int = 100) -> str:
    line = one_line(text)
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def _number(value: object) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)
