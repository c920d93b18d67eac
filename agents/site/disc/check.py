"""What `--check` says of discs: xorriso, the viewer, each drive."""

from __future__ import annotations

import asyncio
import os

from agents.site.commands import CommandError
from agents.site.config import Config
from agents.site.disc import viewer, xorriso
from agents.site.options import DiscSection, DriveSection

Line = tuple[str, bool, str]
"""Subject, whether it is good, words."""


async def check(config: Config) -> list[Line]:
    """Nothing where no drive is configured. Burns nothing."""
    if not config.drives:
        return []
    try:
        lines: list[Line] = [("xorriso", True, xorriso.program())]
    except CommandError as error:
        return [("xorriso", False, error.words)]
    if config.disc.viewer_dir is not None:
        lines.append(await asyncio.to_thread(_viewer, config.disc))
    for drive in config.drives:
        lines.append((f"drive {drive.name}", *await _drive(drive)))
    return lines


def _viewer(section: DiscSection) -> Line:
    assert section.viewer_dir is not None  # noqa: S101 - checked by the caller
    try:
        found = viewer.digest_of(section.viewer_dir)
    except viewer.ViewerError as error:
        return ("viewer", False, str(error))
    except OSError as error:
        return ("viewer", False, error.strerror or type(error).__name__)
    if found != section.viewer_sha256:
        return ("viewer", False, f"its viewer_sha256 is {found}, not the configured one")
    return ("viewer", True, "is the configured one")


async def _drive(drive: DriveSection) -> tuple[bool, str]:
    if drive.folder is not None:
        good = os.access(drive.folder, os.W_OK | os.X_OK)
        return good, "can be written" if good else "the agent may not write there"
    try:
        medium = await xorriso.medium(drive.device)
    except CommandError as error:
        return False, error.words
    if not medium.present:
        return True, "no disc in it"
    if not medium.blank:
        return True, "the disc in it is not blank"
    return True, f"a blank disc with {medium.free // 1_000_000} MB"
