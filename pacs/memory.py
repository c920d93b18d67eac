"""Memory that was freed and will soon be wanted again stays with the process for a second.

Pixels come and go in buffers of half a megabyte and more. glibc gives such back to the system at
once, and the kernel must clear their pages anew each time: half of the CPU time of a large frame.
What many clients at once needed is given back when they are gone.
"""

from __future__ import annotations

import ctypes
import threading
import time

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h
LARGEST = 4 << 20
"""Buffers up to this size are kept; larger ones go back to the system at once."""

KEPT = 16 << 20
"""Free bytes at the heap's end that are kept."""

TRIM_SECONDS = 1.0
BUSY = 0.25
"""Share of a core that this process uses while its free pages are about to be wanted again."""

LONGEST_SECONDS = 10.0
"""A process that is always busy gives them back this often."""


def keep_freed() -> bool:
    """Set the C library so; False where it is not glibc."""
    library = ctypes.CDLL(None)
    if not hasattr(library, "mallopt") or not hasattr(library, "malloc_trim"):
        return False
    kept = library.mallopt(M_MMAP_THRESHOLD, LARGEST) and library.mallopt(M_TRIM_THRESHOLD, KEPT)
    threading.Thread(target=_trim, args=(library,), name="memory", daemon=True).start()
    return bool(kept)


def _trim(library: ctypes.CDLL) -> None:
    """Give free pages back, wherever in the heaps they are."""
    used, trimmed = time.process_time(), time.monotonic()
    while True:
        time.sleep(TRIM_SECONDS)
        before, used = used, time.process_time()
        if is_due(used - before, time.monotonic() - trimmed):
            library.malloc_trim(ctypes.c_size_t(KEPT))
            trimmed = time.monotonic()


def is_due(used: float, waited: float) -> bool:
    """Whether free pages are given back: `used`, seconds of CPU in the last TRIM_SECONDS;
    `waited`, seconds since they last were."""
    return used < BUSY * TRIM_SECONDS or waited >= LONGEST_SECONDS
