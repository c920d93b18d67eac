"""Pictures of frames on request: made once in the killable decoder, kept as files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import structlog
from django.conf import settings

from studies import archive, cachefiles
from studies.dicom.pixels.rendering import Rendering
from studies.services.pixels import pixel_service

log = structlog.get_logger(__name__)


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


def is_kept(path: Path) -> bool:
    """Whether a picture is kept: one look at a name, which may be taken on an event loop."""
    return path.exists()


def kept(path: Path) -> bytes | None:
    """A kept picture, or None."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def keep(path: Path, picture: bytes) -> None:
    """Keep a picture. That there is no room for it is for the log only."""
    try:
        cachefiles.keep(path, picture)
    except OSError as error:
        log.warning("a picture was not kept", error=type(error).__name__)


def make(
    archive_key: str,
    frames: Sequence[int],
    wanted: Rendering,
    *,
    span: tuple[int, int] | None = None,
    state_key: str = "",
    header: Path | None = None,
) -> bytes:
    """The picture, made. Raises PixelError where it cannot be. `header`: a copy of the file whose
    header is corrected, to be read in its place; `span`: where an uncompressed frame lies."""
    return pixel_service().picture(
        header or archive.local_path(archive_key),
        frames,
        wanted,
        span=span,
        state=archive.local_path(state_key) if state_key else None,
    )
