"""The guard of personal data: planted finds, decoys, and real answers."""

import random
from collections import Counter
from pathlib import Path

from benchmarks.guarding.planted import DECOYS, PLANTED
from benchmarks.guarding.real import SEED, SITES, answers, dropped
from benchmarks.marked import share, table
from filters.personal import find as find_personal
from filters.personal import personal_data

EACH = 100


def personal(data: Path) -> str:
    """Planted finds, decoys, and real answers."""
    rng = random.Random(SEED)
    rows = []
    for kind, (expected, make) in PLANTED.items():
        texts = [make(rng) for _ in range(EACH)]
        found = sum(any(hit.kind == expected for hit in find_personal(text)) for text in texts)
        rows.append([kind, share(found, EACH)])
    decoys = []
    for kind, make_decoy in DECOYS.items():
        texts = [make_decoy(rng) for _ in range(EACH)]
        decoys.append([kind, share(sum(bool(find_personal(text)) for text in texts), EACH)])
    real = []
    for name in SITES:
        frame = answers(data, name)
        counts = Counter(
            kind for text in frame["response"] for kind in {hit.kind for hit in find_personal(text)}
        )
        said = ", ".join(f"{kind} {count}" for kind, count in counts.most_common()) or "none"
        real.append([name, share(dropped(frame, personal_data()), len(frame)), said])
    return (
        f"### Personal data\n\nPlanted, {EACH} of each kind from seed {SEED}:\n\n"
        + table(["planted", "found"], rows)
        + "\n\nWhat is nobody's:\n\n"
        + table(["decoy", "false alarms"], decoys)
        + "\n\nReal answers:\n\n"
        + table(["site", "answers with a find", "by kind"], real)
    )
