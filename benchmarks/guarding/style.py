"""The phrases of assistants on labelled sets of human and machine text, source by source."""

from pathlib import Path

import polars as pl

from benchmarks.guarding.real import dropped, lines
from benchmarks.human_machine import SOURCES
from benchmarks.marked import table
from filters.assistant import assistant_style

_WHOLE = "HC3 open questions, ChatGPT"  # of which all answers count, not the first alone


def style(data: Path) -> str:
    """Recall and false alarms of the phrases of assistants."""
    rows = []
    for name, (file, read) in SOURCES.items():
        path = data / "human_vs_machine" / file
        if name == _WHOLE:
            records = lines(path)
            human = [text for record in records for text in record["human_answers"]]
            machine = [text for record in records for text in record["chatgpt_answers"]]
        else:
            pairs = read(path)
            human, machine = ([text for pair in pairs for text in pair[n]] for n in (0, 1))
        cells = [name]
        for threshold in (99, 3, 2):
            for texts in (machine, human):
                frame = pl.DataFrame({"response": texts})
                left = dropped(frame, assistant_style(threshold))
                cells.append(f"{left / len(texts):.1%}")
        rows.append([*cells, f"{len(machine):,} / {len(human):,}"])
    kinds = ("telling phrases", "or 3 stock", "or 2 stock")
    head = [f"{kind}: {who}" for kind in kinds for who in ("machine", "human")]
    return (
        "### Style of assistants\n\nShare of texts that leave (machine: recall; human: false "
        "alarms). The recipes have 3.\n\n" + table(["set", *head, "texts"], rows)
    )
