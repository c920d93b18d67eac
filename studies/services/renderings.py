"""Pictures of frames on request: made once in the killable decoder, kept as files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from django.conf import settings

from studies import archive, cachefiles
from studies.dicom.pixels.rendering import Rendering
from studies.services.pixels import pixel_service


def folder() -> Path:
    """Where pictures are kept."""
    return Path(settings.CACHE_DIR) / "rendered"


def cache_file(sha256: str, frames: Sequence[int], wanted: Rendering, state: str = "") -> Path:
    """Where a picture is kept: by the file's content, the frames and all that was asked.

    `state`: SHA-256 of the presentation state's file.
    """
    listed = ",".join(str(number) for number in frames)
    name = f"{sha256}-{wanted.digest(listed, state)}.{wanted.kind.lower()}"
    return folder() / sha256[:2] / name


def kept(path: Path) -> bytes | None:
    """A kept picture, or None."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def make(
    archive_key: str,
    frames: Sequence[int],
    wanted: Rendering,
    path: Path,
    *,
    span: tuple[int, int] | None = None,
    state_key: str = "",
) -> bytes:
    """The picture, made and kept. Raises PixelError where it cannot be made."""
    picture = pixel_service().picture(
        archive.local_path(archive_key),
        frames,
        wanted,
        span=span,
        state=archive.local_path(state_key) if state_key else None,
    )
    cachefiles.keep(path, picture)
    return picture
