"""How many cores this process may use, which a scheduler or a container may have limited."""

import os


def cores(most: int | None = None) -> int:
    """Return the cores that we may use, at most so many."""
    affinity = getattr(os, "sched_getaffinity", None)
    count = len(affinity(0)) if affinity else os.cpu_count() or 1
    return min(count, most) if most else count
