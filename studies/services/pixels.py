"""This process's one killable decoder."""

from __future__ import annotations

from functools import lru_cache

from studies.dicom.pixels.client import PixelService


@lru_cache(maxsize=1)
def pixel_service() -> PixelService:
    """Shared by all threads; the decoding itself is in a memory-capped child process."""
    return PixelService(max_workers=1)
