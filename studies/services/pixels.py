"""This process's killable decoders: some for pictures, two for other transfer syntaxes."""

from __future__ import annotations

from functools import lru_cache

from django.conf import settings

from studies.dicom.pixels.client import PixelService


@lru_cache(maxsize=1)
def pixel_service() -> PixelService:
    """Shared by all threads; the decoding itself is in memory-capped child processes."""
    return PixelService(max_workers=settings.PIXEL_WORKERS)


@lru_cache(maxsize=1)
def transcode_service() -> PixelService:
    """Decoders of their own, so that a long list of frames never keeps a picture waiting."""
    return PixelService(max_workers=2)
