"""Put a word in brackets in the place of personal data, in every text of a row that is trained on.

In: candidates. Out: the same candidates, and a note for each row that changed. Attribution (author,
url and their like) is never touched: it is owed.
"""

from collections import Counter

import polars as pl

from filters.personal import mask, may_hold
from pipeline.record import TURN

TEXTS = ("prompt", "response", "system", "title")


def mask_rows(frame: pl.DataFrame, chosen: pl.Expr) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Mask the chosen rows; returns the frame and the notes (`id`, `note`) of changed rows."""
    numbers = frame.with_row_index("__row").filter(chosen)["__row"].to_list()
    columns = {name: frame[name].to_list() for name in TEXTS if name in frame.columns}
    turns = frame["history"].to_list() if "history" in frame.columns else []
    worth = {name: may_hold(frame[name]) for name in columns}
    notes: list[tuple[str, str]] = []
    for row in numbers:
        counts: Counter[str] = Counter()
        for name, texts in columns.items():
            if worth[name][row]:
                texts[row], found = mask(texts[row])
                counts += found
        for turn in (turns[row] or []) if turns else []:
            turn["content"], found = mask(turn["content"] or "")
            counts += found
        if counts:
            said = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
            notes.append((frame["id"][row], f"personal_data: masked {said}"))
    changed = [pl.Series(name, texts, pl.String) for name, texts in columns.items()]
    if turns:
        changed.append(pl.Series("history", turns, pl.List(TURN)))
    books = pl.DataFrame(notes, schema={"id": pl.String, "note": pl.String}, orient="row")
    return (frame.with_columns(changed) if notes else frame), books
