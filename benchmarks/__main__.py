"""Run benchmarks and show the table: `python -m benchmarks [PART...]`, or `make bench`.

Each part measures ours and its peers in turns and writes benchmarks/results/<part>.json. The table
is made from these files, so parts can be run on different days; it says when each was.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import (
    embedding,
    flow,
    growth,
    near_duplicates,
    read_xml,
    selecting,
    to_markdown,
)
from benchmarks.dumps import SAMPLE
from benchmarks.report import table, write_documents
from benchmarks.timing import Result


def options(words: argparse.Namespace) -> str:
    """Write down what another must ask for to measure the same; folders are not named."""
    said = [f"--rounds {words.rounds}"] + ["--from DIR"] * (words.source != SAMPLE)
    said += ["--real DIR"] * (words.real is not None)
    return f"`{' '.join(said)} --megabytes {words.megabytes} --texts {words.texts} --rows {words.rows}`"


def main() -> None:
    """Run the parts that are named, else all; then print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__.partition("\n")[0]
    )
    parser.add_argument(
        "parts", nargs="*", help="read_xml, near_duplicates, ... ; `table` runs none"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--from",
        dest="source",
        type=Path,
        default=SAMPLE,
        metavar="DIR",
        help="a folder of dumps whose rows are resampled (default: data/sample)",
    )
    parser.add_argument(
        "--real",
        type=Path,
        metavar="DIR",
        help="a folder with near_dup/ and snapshots/, for recall on real near-duplicates",
    )
    parser.add_argument("--megabytes", type=int, default=100, help="size of the XML")
    parser.add_argument("--texts", type=int, default=10_000, help="texts to deduplicate")
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows to select from")
    parser.add_argument("--loop", action="store_true", help="also the plain greedy loop (minutes)")
    parser.add_argument("--no-7z", action="store_true", help="leave out the slow archive")
    parser.add_argument("--sizes", default="10000,100000", help="posts of the growth runs")
    parser.add_argument(
        "--write",
        action="store_true",
        help="keep what was measured in benchmarks/results, and put it into the documents",
    )
    words = parser.parse_args()
    parts: dict[str, Callable[[Path], Result]] = {
        "read_xml": lambda home: read_xml.run(
            home, words.rounds, words.megabytes, words.source, not words.no_7z
        ),
        "near_duplicates": lambda home: near_duplicates.run(
            home, words.rounds, words.texts, words.real
        ),
        "to_markdown": lambda home: to_markdown.run(home, words.rounds, source=words.source),
        "embedding": lambda home: embedding.run(home, min(words.rounds, 3), source=words.source),
        "selecting": lambda home: selecting.run(home, min(words.rounds, 3), words.rows, words.loop),
        "flow": lambda home: flow.run(home, min(words.rounds, 3)),
        "growth": lambda home: growth.run_sizes(
            [int(n) for n in words.sizes.split(",")], words.source, home
        ),
    }
    # The million posts take minutes: a full run leaves growth as it was measured last.
    names = words.parts or [name for name in parts if name != "growth"]
    measured: dict[str, Result] = {}
    for name in names:
        if name == "table":
            continue
        if name not in parts:
            parser.error(f"there is no part {name}; there are {', '.join(parts)}")
        started = time.perf_counter()
        with tempfile.TemporaryDirectory(prefix="thousand-bench-") as home:
            result = parts[name](Path(home))
        result.facts["options"] = options(words)
        measured[name] = result
        if words.write:
            result.write()
        print(f"{name}: {time.perf_counter() - started:.0f} s", flush=True)
    print(table(list(measured.values()) or None))
    if words.write:
        write_documents()


if __name__ == "__main__":
    main()
