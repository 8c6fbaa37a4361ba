"""Tell one row's life, stage by stage, from the books of a run.

In: a run's folder and the id of a candidate. Out: a story that says where the row was found, what
each stage made of it, and why it left or which release it is in. Files are scanned with a filter
on the id; nothing is loaded whole.
"""

import difflib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.errors import StageError
from pipeline.manifest import Manifest, read_manifest
from pipeline.record import REASONS
from pipeline.release import folder
from pipeline.release.build import SIDE_PRODUCTS
from pipeline.release.escape import one_line
from pipeline.release.rows import SPLITS
from pipeline.stage import DROPPED_FOLDER

Row = dict[str, Any]

_SHOWN = 5  # copies, near misses and suggestions
_NEAR = 20_000  # ids among which a misspelt one is looked for


@dataclass(frozen=True)
class Chapter:
    """What one stage did with the row; `verdict` is passed, left, picked or lost."""

    stage: str
    verdict: str
    lines: list[str]


@dataclass(frozen=True)
class Story:
    """A row's life."""

    id: str
    chapters: list[Chapter]
    releases: list[str]

    @property
    def verdict(self) -> str:
        """How it ended: the last stage and what became of the row there."""
        last = self.chapters[-1]
        return f"{last.verdict} at {last.stage}"

    def to_json(self) -> dict[str, Any]:
        """Return the story as one JSON object."""
        return {**asdict(self), "verdict": self.verdict}

    def render(self) -> str:
        """Write the story as plain text."""
        text = [f"{one_line(self.id)}: {self.verdict}", ""]
        for chapter in self.chapters:
            first, *rest = chapter.lines or [""]
            text.append(f"{chapter.stage:<9} {chapter.verdict:<7} {first}".rstrip())
            text += [f"{'':<18}{line}" for line in rest]
        if self.releases:
            text += ["", *(f"Released in {name}." for name in self.releases)]
        return "\n".join(text)


def explain(run: Path, row: str, stages: Sequence[str]) -> Story:
    """Tell the life of one candidate of a run; malformed records have ids, too.

    Raises StageError if the run knows no such id, with the ids that are most like it.
    """
    chapters: list[Chapter] = []
    before: Row = {}
    for stage in (name for name in stages if name not in SIDE_PRODUCTS):
        manifest = read_manifest(run / stage)
        if manifest is None:
            break
        here = _find(_kept(run / stage, manifest), row)
        if here:
            tell = _TELL.get(stage, _passed)
            verdict = "picked" if stage == "select" else "passed"
            chapters.append(Chapter(stage, verdict, tell(run / stage, manifest, before, here)))
            before = here
            continue
        line = _find(sorted((run / stage / DROPPED_FOLDER).glob("*.parquet")), row)
        if line:
            chapters.append(Chapter(stage, "left", _why(run / stage, line, before)))
        elif chapters:
            lost = "neither its rows nor its books name it; delete its folder and run again"
            chapters.append(Chapter(stage, "lost", [lost]))
        else:
            raise StageError(_unknown(run, stage, manifest, row))
        break
    if not chapters:
        raise StageError(f"The run {run} has no finished stage; start it with `thousand run`.")
    return Story(row, chapters, _releases(run, row) if chapters[-1].verdict == "picked" else [])


def _kept(stage: Path, manifest: Manifest) -> list[Path]:
    return [stage / entry.path for entry in manifest.files if "/" not in entry.path]


def _find(files: Sequence[Path], row: str) -> Row | None:
    """Return the row with its file's name as `_file`, from files of one schema."""
    if not files:
        return None
    scan = pl.scan_parquet(list(files), include_file_paths="_file")
    found = scan.filter(pl.col("id") == row).head(1).collect(engine="streaming")
    return found.row(0, named=True) if len(found) else None


def _passed(stage: Path, manifest: Manifest, before: Row, here: Row) -> list[str]:
    return []


def _ingested(stage: Path, manifest: Manifest, before: Row, here: Row) -> list[str]:
    votes = "" if here["votes"] is None else f", {here['votes']} votes"
    accepted = ", accepted by the asker" if here["accepted"] else ""
    day = f", {here['created_at']:%Y-%m-%d}" if here["created_at"] else ""
    lines = [
        f"found in {_origin(Path(here['_file']).stem, manifest)}",
        f'"{_short(here["title"] or "")}"' if here["title"] else "without a title",
        f"{here['url'] or 'no url'}, by {_short(here['author'] or 'nobody named')}{day}",
        f"{here['licence'] or 'no licence'}{votes}{accepted}; group {here['group']}, "
        f"domain {here['domain']}",
    ]
    return [one_line(line) for line in lines]


def _origin(file: str, manifest: Manifest) -> str:
    """Name the dump files of the shard that wrote a file; files start with their shard's name."""
    shards = [name for name in manifest.facts if file.startswith(name)]
    if not shards:
        return file
    inputs = manifest.facts[max(shards, key=len)].get("inputs", [])
    names = [str(entry["file"]) for entry in inputs]
    more = f" and {len(names) - 3} more files" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more if names else file


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


def _scored(stage: Path, manifest: Manifest, before: Row, here: Row) -> list[str]:
    parts = here.get("quality_parts") or {}
    named = [f"{name} {_number(value)}" for name, value in parts.items() if value is not None]
    absent = [name for name, value in parts.items() if value is None]
    lines = [f"quality {_number(here.get('quality'))}: {', '.join(named)}".rstrip(": ")]
    return [*lines, f"without evidence: {', '.join(absent)}"] if absent else lines


def _selected(stage: Path, manifest: Manifest, before: Row, here: Row) -> list[str]:
    rank = "" if here.get("rank") is None else f", rank {here['rank']}"
    return [f"for {here['split']}{rank} in {here['group']}"]


_TELL: dict[str, Callable[[Path, Manifest, Row, Row], list[str]]] = {
    "ingest": _ingested,
    "clean": _cleaned,
    "dedup": _compared,
    "semantic": _compared,
    "cluster": _clustered,
    "score": _scored,
    "select": _selected,
}


def _why(stage: Path, line: Row, before: Row) -> list[str]:
    reason = line["reason"]
    lines = [f"{reason}: {REASONS.get(reason, 'a reason without a description')}"]
    if line["detail"]:
        lines.append(one_line(line["detail"]))
    lines += _copies(stage, line["id"]) if reason.startswith("duplicate") else []
    if stage.name == "filter" and before.get("response"):
        lines.append(f'response: "{_short(before["response"])}"')
    return lines


def _copies(stage: Path, row: str) -> list[str]:
    """List the copies of a row, and the pairs with their measured similarity."""
    lines = []
    clusters = sorted((stage / "tables").glob("*clusters.parquet"))
    if clusters:
        scan = pl.scan_parquet(clusters)
        number = scan.filter(pl.col("id") == row).select("cluster")
        members = scan.join(number, on="cluster", how="semi").sort("id").collect()
        others = members.filter(pl.col("id") != row)
        for name, alike in others.select("id", "similarity_to_kept").head(_SHOWN).iter_rows():
            how = "" if alike is None else f", {alike:.2f} like the kept one"
            lines.append(f"in one group with {one_line(name)}{how}")
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
            lines.append(
                f"{pair['field']} like that of {one_line(pair['other'])}: "
                f"Jaccard {pair['jaccard']:.2f}{miss}"
            )
    return lines


def _releases(run: Path, row: str) -> list[str]:
    """Name the releases of the workspace that hold the row, the newest of a name last."""
    found = []
    homes = run.parent.parent / "releases"
    for home in sorted(homes.iterdir()) if homes.is_dir() else []:
        for version, _ in folder.versions(home) if home.is_dir() else []:
            for split in SPLITS:
                path = home / version / folder.data_file(split)
                if path.is_file() and _find([path], row):
                    found.append(f"{home.name} {version}, {split}")
    return found


def _unknown(run: Path, stage: str, manifest: Manifest, row: str) -> str:
    """Say that no such id is known, and which ones are near."""
    dropped = sorted((run / stage / DROPPED_FOLDER).glob("*.parquet"))
    near: list[str] = []
    for files in (_kept(run / stage, manifest), dropped):
        if files:
            near += _like(pl.scan_parquet(files).select("id"), row)
    hint = f" Near it: {', '.join(one_line(name) for name in near[:_SHOWN])}." if near else ""
    return (
        f"No candidate of {run} has the id {one_line(row)!r}.{hint} What ingest leaves out, such "
        f"as answers with few votes, is counted and not listed."
    )


def _like(ids: pl.LazyFrame, row: str) -> list[str]:
    last = row.rpartition(":")[2]
    ends = pl.col("id").str.ends_with(f":{last}")
    found: list[str] = ids.filter(ends).head(_SHOWN).collect(engine="streaming")["id"].to_list()
    if found:
        return found
    head = row.rpartition(":")[0]
    some = ids.filter(pl.col("id").str.starts_with(head)).head(_NEAR).collect(engine="streaming")
    close = difflib.get_close_matches(row, some["id"].to_list(), _SHOWN, 0.8)
    if close:
        return close
    some = ids.head(_NEAR).collect(engine="streaming")
    return difflib.get_close_matches(row, some["id"].to_list(), _SHOWN, 0.75)


def _short(text: str, limit: int = 100) -> str:
    line = one_line(text)
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def _number(value: object) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)
