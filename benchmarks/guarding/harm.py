"""The guard of unsafe text on real rows."""

from pathlib import Path

import polars as pl

from benchmarks.guarding.real import SITES, answers, dropped, lines
from benchmarks.marked import share, table
from filters.unsafe import unsafe
from pipeline.instructions import read_instructions


def harm(data: Path) -> str:
    """Rows that leave by the word lists."""
    lima = read_instructions(data / "lima/lima_train_even.jsonl.zst")
    rules = [unsafe("prompt"), unsafe()]
    rows = [["LIMA, every second row", share(dropped(lima, *rules), len(lima))]]
    for name in SITES:
        frame = answers(data, name)
        rows.append([f"answers, {name}", share(dropped(frame, *rules), len(frame))])
    posts = lines(data / "dumps/reddit/pushshift/RS_2019-10_AskWomen.zst")
    for adult in (False, True):
        texts = [
            f"{p.get('title', '')}\n{p.get('selftext', '')}"
            for p in posts
            if bool(p.get("over_18")) is adult
        ]
        said = "marked over 18" if adult else "not marked"
        rows.append(
            [
                f"Reddit, AskWomen, {said}",
                share(dropped(pl.DataFrame({"response": texts}), *rules), len(texts)),
            ]
        )
    return (
        "### Unsafe text\n\nRows that leave by the word lists. Only the last line is marked by its source (which the rule `adult` reads); all others count as false alarms until read.\n\n"
        + table(["rows", "leave"], rows)
    )
