"""Memory that was freed and will soon be wanted again stays with the process.

Pixels come and go in buffers of half a megabyte and more. glibc gives such back to the system at
once, and the kernel must clear their pages anew each time: half of the CPU time of a large frame.
"""

from __future__ import annotations

import ctypes

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h
LARGEST = 4 << 20
"""Buffers up to this size are kept; larger ones go back to the system at once."""

KEPT = 16 << 20
"""Free bytes at the heap's end that are kept."""


def keep_freed() -> bool:
    """Set the C library so; False where it is not glibc."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, LARGEST) and mallopt(M_TRIM_THRESHOLD, KEPT))
