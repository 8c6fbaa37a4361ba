"""Write an audit as a page that opens offline, and as JSON beside it.

Every text of the set goes through jinja2's escaping; the page has no script at all.
"""

from pathlib import Path
from typing import Any

from pipeline.audit.findings import findings
from pipeline.audit.verdict import Audit, name_of, stem_of
from pipeline.html.figures import Bar, Point, Values, Words, bars, edges, histogram, scatter
from pipeline.html.page import number, render
from pipeline.manifest import write_atomic, write_json

TEMPLATE = Path(__file__).with_name("audit.html")
_TOPICS = 14
_EXAMPLES = 3


def write(found: Audit, folder: Path, name: str | None = None) -> Path:
    """Write NAME.html and NAME.json into `folder`; returns the page."""
    folder.mkdir(parents=True, exist_ok=True)
    name = name or stem_of(found.path)
    page = folder / f"{name}.html"
    write_atomic(page, render_page(found))
    write_json(folder / f"{name}.json", {"set": name_of(found.path), **found.to_json()})
    return page


def render_page(found: Audit) -> str:
    """Fill the template."""
    profile = found.profile
    return render(
        TEMPLATE,
        {
            "name": name_of(found.path),
            "rows": len(found.table),
            "profile": profile,
            "tiles": _tiles(found),
            "findings": findings(found),
            "rules": _rules(found),
            "examples": _examples(found),
            "origin": _shares(profile["origin"], len(found.table)),
            "licences": _shares(
                {**profile["licences"]["rows"], "not said": profile["licences"]["missing"]},
                len(found.table),
            ),
            "languages": _shares(profile["languages"], len(found.table)),
            "wording": _shares(profile["style"]["markers"], profile["answered"]),
            "steps": _shares(profile["explanation"]["markers"], profile["answered"]),
            "judged": _judged(profile["explanation"].get("judge")),
            "lengths": [_lengths(profile, part) for part in ("prompt", "response")],
            "topics": _topics(profile["space"]),
            "map": _map(profile["space"]),
            "beside": _beside(profile),
            "neighbours": [
                (
                    f"{pair['cosine']:.3f}",
                    f"{pair['id']}: {pair['text']}",
                    f"{pair['other']}: {pair['other_text']}",
                )
                for pair in profile["space"]["neighbours"]["closest"]
            ],
            "targets": [
                (
                    item["name"],
                    number(item["tasks"]),
                    number(item["cosine"]["median"]),
                    percent(item["near_share"]),
                    percent(item["set_near_share"]),
                    number(item["bleu"], 1),
                )
                for item in profile["targets"]
            ],
            "familiarity": _familiarity(profile.get("familiarity")),
        },
    )


def percent(value: float | None) -> str:
    """Write a share for people."""
    return "–" if value is None else f"{value:.1%}".replace("%", " %")


def _tiles(found: Audit) -> list[tuple[str, str, str]]:
    profile, rows = found.profile, len(found.table)
    copies = sum(count for code, count in found.breaks.items() if code.startswith("duplicate"))
    place = profile["space"]
    return [
        ("rows", number(rows), f"{number(profile['answered'])} with a response"),
        ("pass all rules", percent(found.passed / rows), f"{number(found.passed)} rows"),
        ("by models", percent(profile["origin"]["model"] / rows), "origin known or by its shape"),
        ("copies", number(copies), "exact and near"),
        (
            "topics",
            number(place["effective_topics"], 1),
            f"equal ones; {len(place['topics'])} found",
        ),
        (
            "Vendi score",
            number(place["vendi"]["responses"], 1),
            f"of responses, {place['vendi']['rows']} rows",
        ),
    ]


def _rules(found: Audit) -> dict[str, Any]:
    rows = len(found.table)
    order = sorted(found.breaks.items(), key=lambda item: (-item[1], item[0]))
    lines = [
        (code, number(count), percent(count / rows), number(found.reasons.get(code, 0)))
        for code, count in order
    ]
    svg = bars(
        [Bar(code, count, note=f"({count / rows:.1%})") for code, count in order], "Broken rules"
    )
    return {"svg": svg, "rows": lines}


def _examples(found: Audit) -> list[tuple[str, list[tuple[str, str, str]]]]:
    answer = []
    for code in found.reasons:
        rows = found.table.filter(found.table["reason"] == code).head(_EXAMPLES)
        lines = [
            (row["id"], " ".join((row["prompt"] or "").split())[:160], row["detail"] or "")
            for row in rows.iter_rows(named=True)
        ]
        answer.append((code, lines))
    return answer


def _shares(counts: dict[str, int], total: int) -> dict[str, Any]:
    shown = [(name, count) for name, count in counts.items() if count]
    top, rest = shown[:10], sum(count for _, count in shown[10:])
    if rest:
        top.append(("others", rest))
    lines = [Bar(name, count, note=f"({count / max(total, 1):.1%})") for name, count in top]
    rows = [(name, number(count), percent(count / max(total, 1))) for name, count in top]
    return {"svg": bars(lines, "Rows") if lines else None, "rows": rows}


def _lengths(profile: dict[str, Any], part: str) -> dict[str, Any]:
    own = profile["lengths"][part]
    lima = profile["lima"].get("lengths", {}).get(part, {})
    points = own["word_points"] or [0.0]
    before = lima.get("word_points") or [0.0]
    borders = edges([*points, *before], 24, log=True)
    svg = histogram(
        Values("LIMA", before), Values("this set", points), borders, f"Words of the {part}"
    )
    names = ("mean", "p5", "median", "p95")
    head = ["", *names]
    rows = [
        (label, *(number(values.get("words", {}).get(name), 0) for name in names))
        for label, values in (("this set", own), ("LIMA", lima))
    ]
    return {"title": f"Words of the {part}", "svg": svg, "head": head, "rows": rows}


def _topics(place: dict[str, Any]) -> dict[str, Any]:
    total = place["rows"]
    top = place["topics"][:_TOPICS]
    lines = [
        Bar(
            ", ".join(t["words"][:3]) or f"topic {t['topic']}",
            t["rows"],
            note=f"({t['rows'] / total:.0%})",
        )
        for t in top
    ]
    rows = [(", ".join(t["words"]), number(t["rows"]), t["example"]) for t in place["topics"]]
    return {"svg": bars(lines, "Rows by topic"), "rows": rows}


def _map(place: dict[str, Any]) -> Any:  # noqa: ANN401
    drawn = place["map"]
    points = [
        Point(x, y, key, int(topic) % 8 if topic < 8 else None)
        for key, (x, y, topic) in enumerate(
            zip(drawn["x"], drawn["y"], drawn["topic"], strict=True)
        )
    ]
    words = []
    for topic in place["topics"][:8]:
        own = [
            point for point, t in zip(points, drawn["topic"], strict=True) if t == topic["topic"]
        ]
        if own:
            x = sum(point.x for point in own) / len(own)
            y = sum(point.y for point in own) / len(own)
            words.append(Words(x, y, ", ".join(topic["words"][:2])))
    return scatter(points, words, "Map of the prompts")


def _beside(profile: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Set the figures of diversity and quality beside LIMA's."""
    lima, place = profile["lima"], profile["space"]

    def of(value: dict[str, Any], *keys: str) -> Any:  # noqa: ANN401
        for key in keys:
            value = value.get(key, {}) if isinstance(value, dict) else {}
        return value if value != {} else None

    mine = {**profile, **place, "style_share": profile["style"]["share"]}
    mine["explains_share"] = profile["explanation"]["share"]
    lines: list[tuple[str, tuple[str, ...], Any]] = [
        ("Vendi score of prompts", ("vendi", "prompts"), number),
        ("Vendi score of responses", ("vendi", "responses"), number),
        ("rows that the Vendi scores are of", ("vendi", "rows"), number),
        ("cosine to the nearest other response, median", ("neighbours", "median"), number),
        ("responses with a neighbour at 0.9 or more", ("neighbours", "close_share"), percent),
        ("topics, as many equal ones", ("effective_topics",), number),
        ("structure of the response (0 to 1), mean", ("quality", "structure", "mean"), number),
        ("fit: cosine of prompt and response, median", ("quality", "fit", "median"), number),
        ("responses in the style of assistants", ("style_share",), percent),
        ("responses that explain their steps", ("explains_share",), percent),
    ]
    return [(label, say(of(mine, *keys)), say(of(lima, *keys))) for label, keys, say in lines]


def _judged(found: dict[str, Any] | None) -> dict[str, Any] | None:
    if not found:
        return None
    shares = {name: percent(found[name]) for name in ("explain", "markers", "agree")}
    failed = ", ".join(f"{count} ({reason})" for reason, count in found["failures"].items())
    rows = [(name, number(count)) for name, count in found["table"].items()]
    kappa = number(found["kappa"])
    return {**found, **shares, "kappa": kappa, "failures": failed, "rows": rows}


def _familiarity(found: dict[str, Any] | None) -> dict[str, Any] | None:
    if not found:
        return None
    rows = []
    for line in found["lengths"]:
        areas = line.get("auc", {})
        rows.append(
            (
                line["words"],
                number(line["rows"]),
                number(line["min_k"]["median"]),
                number(line["perplexity"]["median"]),
                *(
                    f"{area['value']:.2f} ({area['low']:.2f} to {area['high']:.2f})"
                    if area
                    else "–"
                    for area in (areas.get("min_k"), areas.get("perplexity"))
                ),
                percent(line.get("flagged_share")),
            )
        )
    return {**found, "rows": rows}
