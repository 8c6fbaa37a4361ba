"""What stands out in an audit, in sentences: what a person should look at first, and why."""

from typing import Any

from pipeline.audit.verdict import Audit

# Shares from which something is said at all.
_MUCH, _SOME = 0.25, 0.02
_TWICE = 2.0
# Guards that judge a row alone, by reason code; `adult` reads a mark that only dumps have.
_GUARDS = {
    "personal_data": "personal data",
    "unsafe": "unsafe text",
    "machine_text": "the wording of assistants",
}


def findings(found: Audit) -> list[tuple[str, str]]:
    """Return (weight, sentence), weighty ones first; weights are bad, warn and good."""
    profile, rows = found.profile, len(found.table)
    said = [
        *_origin(profile, rows),
        *_copies(found, rows),
        *_evaluation(found, rows),
        *_guards(found, rows),
        *_lengths(profile),
        *_variety(profile),
        *_licences(profile, rows),
        *_languages(profile, rows),
        *_style(profile),
    ]
    order = {"bad": 0, "warn": 1, "good": 2}
    return sorted(said, key=lambda item: order[item[0]])


def _origin(profile: dict[str, Any], rows: int) -> list[tuple[str, str]]:
    counts, allowed = profile["origin"], profile["max_model_share"]
    share = counts["model"] / rows
    if share > allowed:
        return [
            (
                "bad",
                f"{counts['model']:,} of {rows:,} rows were written by models ({share:.0%}); the "
                f"recipe allows {allowed:.0%}. Training on them imitates the model's style, not its "
                "knowledge. By shape alone this can be wrong: name the origin in the records or with "
                "--origin.",
            )
        ]
    if counts["unknown"] == rows:
        return [("warn", "No record says who wrote its response, and no shape tells.")]
    return [("good", f"{counts['human']:,} of {rows:,} rows are said to be people's.")]


def _copies(found: Audit, rows: int) -> list[tuple[str, str]]:
    copies = sum(n for code, n in found.breaks.items() if code.startswith("duplicate"))
    if copies / rows >= _SOME:
        return [("warn", f"{copies:,} rows ({copies / rows:.1%}) are copies of others.")]
    return [("good", f"{copies:,} copies among {rows:,} rows.")]


def _evaluation(found: Audit, rows: int) -> list[tuple[str, str]]:
    if not found.profile["against"]:
        return [("warn", "No evaluation set was named with --against, so contamination is open.")]
    hits = found.breaks.get("contaminated", 0)
    by = "text or questions in other words" if hits else "text"
    names = ", ".join(found.profile["against"])
    return [("bad" if hits else "good", f"{hits:,} of {rows:,} rows share {by} with {names}.")]


def _guards(found: Audit, rows: int) -> list[tuple[str, str]]:
    looked = [name for code, name in _GUARDS.items() if code in found.profile["looked_for"]]
    counts = {name: found.breaks.get(code, 0) for code, name in _GUARDS.items()}
    told = [f"{count:,} with {name}" for name, count in counts.items() if count]
    if told:
        return [("warn", f"Of {rows:,} rows, by the guards: {', '.join(told)}.")]
    if not looked:
        return [("warn", "The recipe looks for neither personal data nor unsafe text.")]
    return [("good", f"The guards found nothing of what they look for: {', '.join(looked)}.")]


def _lengths(profile: dict[str, Any]) -> list[tuple[str, str]]:
    own = profile["lengths"]["response"]["words"]["median"]
    lima = profile["lima"].get("lengths", {}).get("response", {}).get("words", {}).get("median")
    if own is None or not lima:
        return []
    if own * _TWICE <= lima:
        return [
            (
                "warn",
                f"Half of the responses have at most {own:.0f} words; LIMA's median is {lima:.0f}.",
            )
        ]
    return [("good", f"The median response has {own:.0f} words; LIMA's has {lima:.0f}.")]


def _variety(profile: dict[str, Any]) -> list[tuple[str, str]]:
    place, lima = profile["space"], profile["lima"]
    opening = profile["opening"]
    close = place["neighbours"]["close_share"]
    said = []
    if opening["share"] >= _MUCH and opening["rows"] > 1:
        said.append(
            (
                "warn",
                f"{opening['share']:.0%} of the prompts begin with the same words "
                f'("{opening["words"]}"): a template, which makes topics and diversity of prompts '
                "look narrower than the questions are.",
            )
        )
    if close >= _SOME:
        said.append(
            (
                "warn",
                f"{close:.1%} of the responses have another at a cosine of 0.9 or more: the same in other words.",
            )
        )
    theirs = lima.get("vendi", {})
    if theirs and place["vendi"]["rows"] == theirs["rows"]:
        own, other = place["vendi"]["prompts"], theirs["prompts"]
        kind = "good" if own >= 0.9 * other else "warn"
        said.append(
            (
                kind,
                f"Its prompts are worth {own:.0f} unlike ones (Vendi score), LIMA's {other:.0f}, of {theirs['rows']} rows each.",
            )
        )
    largest = place["topics"][0]
    if largest["rows"] / place["rows"] >= _MUCH:
        said.append(
            (
                "warn",
                f"One topic ({', '.join(largest['words'])}) holds {largest['rows'] / place['rows']:.0%} of the rows.",
            )
        )
    return said


def _licences(profile: dict[str, Any], rows: int) -> list[tuple[str, str]]:
    found = profile["licences"]
    if found["missing"] == rows:
        return [("warn", "No row names a licence.")]
    said = []
    if found["missing"]:
        said.append(("warn", f"{found['missing']:,} rows name no licence."))
    if found["non_commercial"]:
        said.append(("warn", f"Not for commercial use: {', '.join(found['non_commercial'])}."))
    return said or [("good", "Each row names its licence.")]


def _languages(profile: dict[str, Any], rows: int) -> list[tuple[str, str]]:
    sure = {name: n for name, n in profile["languages"].items() if name != "not sure"}
    main = next(iter(sure), None)
    other = sum(n for name, n in sure.items() if name != main)
    if other / rows >= _SOME:
        return [("warn", f"{other:,} rows are in another language than {main}.")]
    return []


def _style(profile: dict[str, Any]) -> list[tuple[str, str]]:
    share = profile["style"]["share"]
    lima = profile["lima"].get("style_share")
    if lima is None or share < max(_SOME, _TWICE * lima):
        return []
    return [
        (
            "warn",
            f"{share:.1%} of the responses carry phrases of assistants; of LIMA's, {lima:.1%} do.",
        )
    ]
