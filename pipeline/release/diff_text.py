"""The difference of two releases in words: plain for a terminal, Markdown for a file of changes.

In: a Diff. Out: text; titles and details come from dumps, so nothing in them acts as markup or
moves the cursor.
"""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.release.card_text import table
from pipeline.release.escape import code, markdown, one_line

if TYPE_CHECKING:
    from pipeline.release.diff import Change, Diff, Edit, Move

_HEAD = ("group", "added", "dropped", "edited")
_SAID = "what the old release said of it"


def to_markdown(diff: "Diff") -> str:
    """Write the difference as Markdown."""
    lines = [f"# From {markdown(diff.old)} to {markdown(diff.new)}", *_summary(diff)]
    if diff.groups:
        lines.append(table(_HEAD, _groups(diff), right=(1, 2, 3)))
    for title, meaning, changes in _parts(diff):
        items = [f"- {_named(item)}: {item.reason}, {markdown(item.detail)}" for item in changes]
        lines.append(f"## {title}\n\n{_reasons(meaning, changes)}\n\n" + "\n".join(items))
    if diff.edited:
        items = [
            f"- {_named(edit)}: {edit.reason}, {markdown(_said(edit))}" for edit in diff.edited
        ]
        lines.append(f"## Edited\n\n{_reasons('who changed the text', diff.edited)}\n\n")
        lines[-1] += "\n".join(items)
    if diff.moved:
        items = [f"- {_named(move)}: from {move.was}" for move in diff.moved]
        lines.append("## Moved to another split\n\n" + "\n".join(items))
    return "\n\n".join(lines) + "\n"


def _named(item: "Change | Edit | Move") -> str:
    return f"{code(item.id)} {markdown(item.title)} ({markdown(item.group)}, {item.split})"


def render(diff: "Diff") -> str:
    """Write the difference as plain text."""
    lines = [f"From {one_line(diff.old)} to {one_line(diff.new)}", *_summary(diff)]
    if diff.groups:
        lines.append(_aligned([_HEAD, *_groups(diff)]))
    for title, meaning, changes in _parts(diff):
        items = [
            f"{_plain(item)}\n    {item.reason}: {one_line(item.detail)}".rstrip(": ")
            for item in changes
        ]
        lines.append("\n".join([title, _reasons(meaning, changes), *items]))
    if diff.edited:
        items = [
            f"{_plain(edit)}\n    {edit.reason}: {one_line(_said(edit))}" for edit in diff.edited
        ]
        reasons = _reasons("who changed the text", diff.edited)
        lines.append("\n".join(["Edited", reasons, *items]))
    if diff.moved:
        items = [f"{_plain(move)}\n    from {move.was}" for move in diff.moved]
        lines.append("\n".join(["Moved to another split", *items]))
    return "\n\n".join(lines)


def _plain(item: "Change | Edit | Move") -> str:
    return f"  {one_line(item.id)} ({one_line(item.group)}, {item.split}): {one_line(item.title)}"


def _said(edit: "Edit") -> str:
    return ", ".join(edit.fields) + (f" ({edit.detail})" if edit.detail else "")


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    """Lay out a table with spaces: the first column to the left, numbers to the right."""
    wide = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *numbers in rows:
        cells = [cell.rjust(width) for cell, width in zip(numbers, wide[1:], strict=True)]
        lines.append("  ".join([first.ljust(wide[0]), *cells]))
    return "\n".join(lines)


def _summary(diff: "Diff") -> list[str]:
    lines = [
        f"{len(diff.added):,} added, {len(diff.dropped):,} dropped, {len(diff.edited):,} "
        f"edited, {diff.same:,} the same; {diff.churn:.1%} of the old rows went or changed."
    ]
    if diff.moved:
        lines.append(f"{len(diff.moved):,} rows of both are in another split than before.")
    if diff.other_fields:
        named = ", ".join(f"{name} {count:,}" for name, count in diff.other_fields.items())
        lines.append(f"Rows of the same text with other fields changed: {named}.")
    return lines


def _groups(diff: "Diff") -> list[list[str]]:
    return [
        [one_line(group), *(f"{count[kind]:,}" for kind in _HEAD[1:])]
        for group, count in diff.groups.items()
    ]


def _parts(diff: "Diff") -> list[tuple[str, str, "list[Change]"]]:
    parts = [("Added", _SAID, diff.added), ("Dropped", "why", diff.dropped)]
    return [part for part in parts if part[2]]


def _reasons(meaning: str, changes: "Sequence[Change | Edit]") -> str:
    counts = Counter(change.reason for change in changes)
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in sorted(counts.items()))
    return f"By reason ({meaning}): {reasons}."
