"""Measure the guards: what they find of what is planted or labelled, and where they alarm falsely.

    python benchmarks/guards.py --data DIR [--write docs/guards.md]

DIR holds real dumps and labelled sets (`dumps`, `dumps-meta`, `lima`, `eval`, `human_vs_machine`,
`near_dup`), each as published, also as .zst. Prints Markdown tables, or puts them between the marks
of the document. Planted cases are made here, from a seed; people and numbers are invented.
"""

import argparse
from pathlib import Path

from benchmarks.guarding.evaluation import evaluation
from benchmarks.guarding.harm import harm
from benchmarks.guarding.languages import languages
from benchmarks.guarding.own_test import own_test
from benchmarks.guarding.paraphrases import paraphrases
from benchmarks.guarding.personal import personal
from benchmarks.guarding.style import style
from benchmarks.marked import put

PARTS = (languages, personal, harm, style, evaluation, paraphrases, own_test)


def main() -> None:
    """Print the tables, or write them into a document."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with dumps and sets")
    parser.add_argument("--write", type=Path, help="put the tables between the marks of this page")
    words = parser.parse_args()
    text = "\n\n".join(part(words.data) for part in PARTS)
    if words.write is None:
        print(text)
    else:
        put(words.write, "python benchmarks/guards.py", text)


if __name__ == "__main__":
    main()
