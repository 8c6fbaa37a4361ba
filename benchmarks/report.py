"""The table and the plots of the benchmarks, made from what they wrote and from nothing else.

`python -m benchmarks table --write` puts the table between the markers of README.md and
docs/speed.md and draws docs/img/benchmarks.svg, growth.svg and memory.svg.
"""

import re
from pathlib import Path
from typing import Any

from benchmarks.read_xml import ARCHIVE, PLAIN
from benchmarks.timing import RESULTS, Claim, Result

ROOT = Path(__file__).parents[1]
SPEED = ROOT / "docs" / "speed.md"
IMAGES = ROOT / "docs" / "img"
ORDER = ("read_xml", "near_duplicates", "to_markdown", "embedding", "selecting", "flow", "growth")
_ALL_ANSWERS = 60_000_000  # about as many as all sites of Stack Exchange have
_SPREADS = {
    "unpack .7z": "by site",
    "ingest": "by site",
    "clean": "by file",
    "filter": "by file",
    "signatures": "by file",
    "dedup": "no",
    "pool": "no",
}
_INK, _MET, _MISSED, _PLAIN = "#333333", "#2a7f62", "#c4572e", "#8a8f98"


def results() -> list[Result]:
    """Read what was measured, in the order of the table."""
    paths = [RESULTS / f"{name}.json" for name in ORDER]
    return [Result.read(path) for path in paths if path.exists()]


def table(measured: list[Result] | None = None) -> str:
    """Write the Markdown table: a line for each claim, of what is kept if nothing is given."""
    lines = [
        "| part | ours (median) | beside | ratio | target | met | peak memory |",
        "|---|---|---|---|---|---|---|",
    ]
    for result in measured or results():
        for claim in result.claims:
            lines.append(_line(result, claim))
    return "\n".join(lines)


def _line(result: Result, claim: Claim) -> str:
    if claim.holds is not None:
        return f"| {result.title} | {claim.note} | | | | {_yes(claim.holds)} | |"
    ours = result.way(claim.ours)
    beside = ratio = ""
    if claim.peer:
        peer = result.way(claim.peer)
        beside = f"{claim.peer}: {_seconds(peer.median)}"
        value = peer.median / ours.median
        slower = claim.at_most is not None or (not claim.faster and value < 1)
        ratio = f"{1 / value:.2f} times its time" if slower else f"{value:.1f} times as fast"
    memory = f"{ours.peak_bytes / 1e6:,.0f} MB"
    cells = [result.title, f"{claim.ours}: {_seconds(ours.median)}", beside, ratio, target(claim)]
    met = "" if verdict(result, claim) is None else _yes(bool(verdict(result, claim)))
    return "| " + " | ".join([*cells, met, memory]) + " |"


def target(claim: Claim) -> str:
    """Say in words what was to be reached."""
    if claim.faster is not None:
        return f"{claim.faster:g} times"
    if claim.at_most is not None:
        words = f"at most {claim.at_most:g} times"
        return f"{words} {claim.note}" if claim.beyond else words
    parts = [f"under {claim.seconds:g} s"] if claim.seconds else []
    parts += [f"under {claim.memory / 1e9:g} GB"] if claim.memory else []
    return ", ".join(parts) or claim.note


def verdict(result: Result, claim: Claim) -> bool | None:
    """Tell whether a target was reached; None where there is none."""
    if claim.holds is not None:
        return claim.holds
    ours = result.way(claim.ours)
    if claim.faster is not None:
        return result.way(claim.peer).median / ours.median >= claim.faster
    if claim.at_most is not None:
        return ours.median <= claim.at_most * result.way(claim.peer).median + claim.beyond
    if claim.seconds is not None:
        return ours.median <= claim.seconds and ours.peak_bytes <= (claim.memory or 1 << 60)
    return None


def _yes(value: bool) -> str:
    return "yes" if value else "**no**"


def _seconds(value: float) -> str:
    return f"{value:.2f} s" if value < 10 else f"{value:.0f} s"


def ways_table() -> str:
    """Write the long table: each way with its range and processor time, and what was checked."""
    parts = []
    for result in results():
        where = result.machine
        lines = [
            f"**{result.title}.** {result.what}. Measured {where['date']}, {where['cores']} cores, "
            f"load {where['load_before']} when it ended; options: {result.facts['options']}.",
            "",
            "| way | median | from - to | rounds | processor | peak memory |",
            "|---|---:|---|---:|---:|---:|",
        ]
        for way in result.ways:
            cores = sorted(way.processor)[len(way.processor) // 2]
            lines.append(
                f"| {way.name} | {way.median:.3f} s | {min(way.seconds):.3f} - {max(way.seconds):.3f} "
                f"| {len(way.seconds)} | {cores:.2f} s | {way.peak_bytes / 1e6:,.0f} MB |"
            )
        lines += ["", *(f"- {line}." for line in result.checked)]
        parts.append("\n".join(lines).rstrip())
    return "\n\n".join(parts)


def write_documents() -> None:
    """Put tables and plots into the documents."""
    put(ROOT / "README.md", "benchmarks", table())
    put(SPEED, "benchmarks", f"{table()}\n\n{ways_table()}")
    put(ROOT / "docs" / "scale.md", "scale", scale_table())
    draw_ratios()
    draw_growth()


def scale_table() -> str:
    """Reckon what all of Stack Exchange would take from the largest growth run, stage by stage.

    A site is read by one worker, and the largest has half of all answers.
    """
    measured = {result.part: result for result in results()}
    largest = measured["growth"].facts["sizes"][-1]
    rows_in = {line["stage"]: line["rows_in"] for line in largest["funnel"]}
    times = _ALL_ANSWERS / rows_in["ingest"]
    xml = measured["read_xml"]
    per_byte = (xml.way(ARCHIVE).median - xml.way(PLAIN).median) / xml.facts["bytes"]
    stages = {"unpack .7z": per_byte * largest["bytes"], **largest["stages"]}
    lines = [
        f"| stage | {largest['posts']:,} posts ({rows_in['ingest']:,} answers) | "
        f"{_ALL_ANSWERS / 1e6:.0f} million answers, one machine | ten machines | spreads |",
        "|---|---:|---:|---:|---|",
    ]
    one = ten = 0.0
    for name, spreads in _SPREADS.items():
        seconds = stages[name]
        alone = seconds * times
        together = alone * {"by site": 0.5, "by file": 0.1}.get(spreads, 1.0)
        one, ten = one + alone, ten + together
        lines.append(
            f"| {name} | {seconds:.1f} s | {_long(alone)} | {_long(together)} | {spreads} |"
        )
    rest = sum(value for name, value in stages.items() if name not in _SPREADS)
    lines.append(f"| embed and after | {rest:.0f} s | the same | the same | bounded by the pool |")
    lines.append(f"| all | | {_long(one + rest)} | {_long(ten + rest)} | |")
    compared = rows_in["dedup"] * times
    return "\n".join(lines) + f"\n\nRows that dedup would compare: {compared / 1e6:.0f} million."


def _long(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds > 3600 else f"{seconds / 60:.0f} min"


def put(page: Path, name: str, text: str) -> None:
    """Put a text between the marks of this name in a document."""
    old = page.read_text(encoding="utf-8")
    first, last = f"<!-- generated: {name} -->", f"<!-- end: {name} -->"
    block = f"{first}\n{text}\n{last}"
    pattern = re.compile(f"{first}.*?{last}", re.DOTALL)
    if not pattern.search(old):
        raise SystemExit(f"{page.name} has no place for the table: {first} ... {last}")
    page.write_text(pattern.sub(lambda _: block, old), encoding="utf-8")


def draw_ratios() -> None:
    """Draw how many times as fast as each peer ours is, with the target beside it."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    bars: list[tuple[str, float, float | None, bool | None]] = []
    for result in results():
        for claim in result.claims:
            if not claim.peer or claim.beyond:
                continue
            value = result.way(claim.peer).median / result.way(claim.ours).median
            goal = claim.faster or (1 / claim.at_most if claim.at_most else None)
            again = any(bar[0].endswith(f": {claim.peer}") for bar in bars)
            peer = f"{claim.peer} ({claim.ours})" if again else claim.peer
            bars.append((f"{result.title}: {peer}", value, goal, verdict(result, claim)))
    figure, axes = pyplot.subplots(figsize=(8, 0.42 * len(bars) + 1))
    for place, (_, value, goal, met) in enumerate(bars):
        colour = _PLAIN if met is None else _MET if met else _MISSED
        axes.barh(place, value, color=colour, height=0.6)
        axes.text(value * 1.05, place, f"{value:.2g}", va="center", color=_INK, fontsize=8)
        if goal:
            axes.plot([goal, goal], [place - 0.4, place + 0.4], color=_INK, linewidth=1.5)
    axes.set_yticks(range(len(bars)), [name for name, *_ in bars], fontsize=8)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlim(right=2 * max(value for _, value, *_ in bars))
    axes.axvline(1, color=_PLAIN, linewidth=0.8, linestyle=":")
    axes.set_xlabel("times as fast as the peer (line: the target; green: met)", fontsize=8)
    _save(figure, "benchmarks.svg")


def draw_growth() -> None:
    """Draw time against posts, and memory over the time of each run."""
    path = RESULTS / "growth.json"
    if not path.exists():
        return
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    sizes: list[dict[str, Any]] = Result.read(path).facts["sizes"]
    posts = [size["posts"] for size in sizes]
    figure, axes = pyplot.subplots(figsize=(7, 3.6))
    axes.plot(posts, [size["seconds"] for size in sizes], "o-", color=_INK, label="whole job")
    axes.plot(
        posts,
        [size["growing"] for size in sizes],
        "o-",
        color=_MET,
        label="without start and bounded stages",
    )
    axes.plot(
        posts, [size["bounded"] for size in sizes], "o--", color=_PLAIN, label="bounded stages"
    )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("posts in the dump")
    axes.set_ylabel("seconds")
    axes.legend(frameon=False, fontsize=8)
    _save(figure, "growth.svg")
    figure, axes = pyplot.subplots(figsize=(7, 3.6))
    for size, colour in zip(sizes, (_PLAIN, _MET, _INK), strict=False):
        seconds, used = zip(*size["memory"], strict=True)
        label = f"{size['posts']:,} posts"
        axes.plot(
            [s / max(seconds) for s in seconds], [b / 1e9 for b in used], color=colour, label=label
        )
    axes.axhline(2.5, color=_MISSED, linewidth=1, linestyle=":")
    axes.set_xlabel("share of the run's time")
    axes.set_ylabel("memory of the process tree, GB")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, fontsize=8)
    _save(figure, "memory.svg")


def _save(figure: Any, name: str) -> None:  # noqa: ANN401
    figure.savefig(IMAGES / name, bbox_inches="tight", metadata={"Date": None})
