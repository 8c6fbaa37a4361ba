"""Audit LIMA's rows, Alpaca's subsets and a release of ours; print the tables of docs/audit.md.

    python benchmarks/audit.py --data DIR --release FOLDER [--write docs/audit.md] [--out PAGES]
    python benchmarks/audit.py --lima DIR/lima/lima_train_even.jsonl.zst

The second form measures LIMA's figures on a user's copy and writes pipeline/audit/lima.json: numbers
alone. Reports go to --out, one page a set.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

from benchmarks.marked import put
from pipeline.audit import lima
from pipeline.audit.profile import Wanted, audit_whole
from pipeline.audit.report import write
from pipeline.audit.verdict import Audit
from pipeline.loading import load

SETS = (
    ("LIMA, every second row", "lima/lima_train_even.jsonl.zst"),
    ("Alpaca, 1,000 longest", "quality/alpaca/filtered_alpaca_1k_longest.json.zst"),
    ("Alpaca, 1,000 best scored", "quality/alpaca/filtered_alpaca_1k_score.json.zst"),
    ("Alpaca, 1,000 longest, rewritten", "quality/alpaca/refined_alpaca_1k_longest.json.zst"),
    ("Alpaca, 5 % by IFD", "quality/alpaca/cherry_alpaca_5_percent.json.zst"),
)
AGAINST = (
    "eval/lima_test.jsonl",
    "eval/mt_bench/question.jsonl",
    "eval/vicuna_bench/question.jsonl",
)
TARGET = "eval/lima_test.jsonl"


def figures_of_lima(path: Path) -> None:
    """Measure LIMA's figures on a user's copy and write them beside the code."""
    found = audit_whole(path, load("lima"), Wanted(sample=0), print)
    said = f"measured on {len(found.table)} rows of LIMA's training set ({path.name.split('.')[0]})"
    value = lima.of_profile(found.profile, len(found.table), said)
    lima.FILE.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
    print(lima.FILE)


def line(name: str, found: Audit, seconds: float) -> str:
    """Write one line of the table."""
    profile, rows = found.profile, len(found.table)
    place = profile["space"]
    copies = sum(n for code, n in found.breaks.items() if code.startswith("duplicate"))
    cells: list[Any] = [
        name,
        f"{rows:,}",
        f"{found.passed / rows:.1%}",
        f"{profile['origin']['model'] / rows:.0%}",
        f"{profile['style']['share']:.1%}",
        f"{profile['explanation']['share']:.1%}",
        copies,
        found.breaks.get("contaminated", 0),
        found.breaks.get("personal_data", 0),
        found.breaks.get("machine_text", 0),
        f"{profile['lengths']['response']['words']['median']:.0f}",
        f"{place['vendi']['prompts']:.0f} / {place['vendi']['responses']:.0f}",
        f"{place['neighbours']['median']:.2f}",
        f"{profile['targets'][0]['cosine']['median']:.2f}",
        f"{profile['targets'][0]['bleu']:.1f}",
        f"{seconds:.0f}",
    ]
    return "| " + " | ".join(map(str, cells)) + " |"


HEAD = (
    "| set | rows | pass LIMA's rules | origin model | phrases of assistants | explain steps | copies "
    "| with evaluation text | personal data | leave as machine text | words, median | Vendi of prompts / responses (500 rows) "
    "| nearest response, median cosine | LIMA's test: nearest prompt, median cosine | its BLEU, % | seconds |"
)


def main() -> None:
    """Read the words of the command line and do what they say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--lima", type=Path)
    parser.add_argument("--out", type=Path, default=Path("audits"))
    parser.add_argument("--release", type=Path, help="a release of ours")
    parser.add_argument("--write", type=Path, help="put the table between the marks of this page")
    parser.add_argument("--only", type=int, help="the first sets alone")
    given = parser.parse_args()
    if given.lima:
        figures_of_lima(given.lima)
        return
    if not given.data:
        parser.error("name --data or --lima")
    sets = [(name, given.data / path) for name, path in SETS][: given.only]
    if given.release:
        sets.append(("a release of ours", given.release))
    lines = [HEAD, "|---" * HEAD.count(" | ") + "|---|"]
    print(*lines, sep="\n")
    for name, path in sets:
        started = time.monotonic()
        wanted = Wanted(
            against=[given.data / file for file in AGAINST], targets=[given.data / TARGET]
        )
        found = audit_whole(path, load("lima"), wanted)
        seconds = time.monotonic() - started
        write(found, given.out)
        lines.append(line(name, found, seconds))
        print(lines[-1], flush=True)
    if given.write:
        put(given.write, "python benchmarks/audit.py", "\n".join(lines))


if __name__ == "__main__":
    main()
