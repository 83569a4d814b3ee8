"""Keep freed memory in the process instead of returning it to the system after every large tensor."""

from __future__ import annotations

import ctypes
import sys

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3
LARGEST_BLOCK = 1 << 30
PAD = 1 << 28


def keep_freed_memory() -> bool:
    """Tell glibc's allocator to reuse large blocks; True where it could be told (Linux with glibc).

    Training allocates and frees the same megabytes at every step. By default glibc maps and unmaps them each time, and the
    page faults cost five stacked seeds of IQL at 2x256 12 to 20 % of their step (measured, `benchmarks.speed.updates`).
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:
        return False
    return all(
        [mallopt(M_MMAP_THRESHOLD, LARGEST_BLOCK), mallopt(M_TRIM_THRESHOLD, LARGEST_BLOCK), mallopt(M_TOP_PAD, PAD)]
    )
