"""What the processor is: the cores this process may use, and what they can do."""

import functools
import os
import platform
from pathlib import Path

# What libraries look at before they choose how to multiply: the maker, and the widest instructions.
_TELLING = {
    "GenuineIntel",
    "AuthenticAMD",
    "avx2",
    "avx512f",
    "avx512_bf16",
    "amx_bf16",
    "bf16",
    "sve",
}


def cores(most: int | None = None) -> int:
    """Return the cores that we may use, at most so many: a scheduler or a container may limit them."""
    affinity = getattr(os, "sched_getaffinity", None)
    count = len(affinity(0)) if affinity else os.cpu_count() or 1
    return min(count, most) if most else count


@functools.cache
def processor() -> frozenset[str]:
    """Return the words by which Linux describes the processor, its maker and instructions; else none."""
    try:
        return frozenset(Path("/proc/cpuinfo").read_text(encoding="ascii", errors="ignore").split())
    except OSError:
        return frozenset()


def kind() -> str:
    """Name the kind of processor, since two kinds may round the same product of matrices apart."""
    return " ".join([platform.machine(), *sorted(processor() & _TELLING)])
