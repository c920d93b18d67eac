"""Runs GNU xorriso: makes ISO 9660 images, looks at media, burns, reads back.

It writes what it does to standard error, in lines that are brought up to date with a carriage
return. Only their numbers and a few fixed words are used.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from agents.site.commands import CommandError

PROGRAM = "xorriso"
STALL = 900.0
"""Seconds without a word from it, after which it is ended. Closing a DVD takes minutes."""
STOP_SECONDS = 30.0
BLOCK = 2048
MD5_MISMATCH = 32
DONE = re.compile(r"UPDATE :\s+(\d+)(?:\.\d+)?% done")
WRITTEN = re.compile(r"UPDATE :\s+(\d+) of\s+(\d+) MB written")

Progress = Callable[[int], None]
"""Takes percent."""


@dataclass(frozen=True, slots=True)
class Medium:
    """What lies in a drive. `free` in bytes."""

    present: bool
    blank: bool
    free: int


@dataclass(frozen=True, slots=True)
class _Ended:
    status: int
    lines: tuple[str, ...]

    def says(self, words: str) -> bool:
        return any(words in line for line in self.lines)


def program() -> str:
    """Where it is. Raises CommandError "xorriso" where it is not installed."""
    found = shutil.which(PROGRAM)
    if found is None:
        raise CommandError("xorriso", "xorriso is not installed on the agent's machine.")
    return found


async def make_image(root: Path, image: Path, volume: str, progress: Progress) -> None:
    """An ISO 9660 level 2 image with Joliet, Rock Ridge and an MD5 of every file.

    Raises CommandError.
    """
    ended = await _run(
        [
            *("-as", "mkisofs", "-iso-level", "2", "-V", volume, "-J", "-r", "--md5"),
            *("-o", str(image), str(root)),
        ],
        progress,
    )
    if ended.status != 0:
        if ended.says("No space left"):
            raise CommandError("room", "The disk of the agent's work folder is full.")
        raise CommandError("image", "The disc's image could not be made; see the agent's log.")


async def medium(device: str) -> Medium:
    """What lies in the drive. Raises CommandError "no-drive"."""
    ended = await _run(["-outdev", device, "-toc", "-tell_media_space"])
    if ended.status != 0 or ended.says("Cannot acquire drive"):
        raise CommandError(
            "no-drive",
            "The drive cannot be used: is it connected, and may the agent use it?",
        )
    text = "\n".join(ended.lines)
    status = re.findall(r"Media status : (.*)", text)
    space = re.search(r"Media space\s*: (\d+)s", text)
    words = status[-1] if status else ""
    blank = "is blank" in words
    return Medium(
        present=blank or "is written" in words,
        blank=blank,
        free=int(space[1]) * BLOCK if space else 0,
    )


async def burn(image: Path, device: str, progress: Progress, hold: int) -> None:
    """Write the image to the medium in the drive. Raises CommandError "burn".

    `hold` is a descriptor that xorriso keeps open while it lives, whatever becomes of the agent.
    """
    ended = await _run(
        ["-as", "cdrecord", "-v", f"dev={device}", str(image)], progress, keep=(hold,)
    )
    if ended.status != 0:
        why = "it is full" if ended.says("No space left") else "the drive gave up"
        raise CommandError(
            "burn", f"The disc could not be written: {why}. Throw it away and ask for another."
        )


async def verify(device: str, progress: Progress) -> None:
    """Read every file back and compare its MD5. Raises CommandError "verify"."""
    ended = await _run(
        ["-md5", "on", "-indev", device, "-check_md5_r", "sorry", "/", "--"], progress
    )
    if ended.status != 0 or not ended.says("File contents and their MD5 checksums match"):
        raise CommandError(
            "verify",
            "The disc was written, but what is read back is not what was written. Throw it away.",
        )


async def _run(
    arguments: list[str], progress: Progress | None = None, keep: tuple[int, ...] = ()
) -> _Ended:
    process = await asyncio.create_subprocess_exec(
        program(),
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        pass_fds=keep,
        env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "HOME": "/nonexistent"},
    )
    lines: deque[str] = deque(maxlen=400)
    try:
        await _read(process, lines, progress)
        status = await process.wait()
    except TimeoutError:
        raise CommandError("stalled", "xorriso did nothing for too long and was ended.") from None
    finally:
        if process.returncode is None:
            await _end(process)
    return _Ended(status, tuple(lines))


async def _read(
    process: asyncio.subprocess.Process, lines: deque[str], progress: Progress | None
) -> None:
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    rest = b""
    while True:
        async with asyncio.timeout(STALL):
            chunk = await process.stdout.read(8192)
        *whole, rest = re.split(rb"[\r\n]", rest + chunk)
        for each in [*whole, rest] if not chunk else whole:
            line = each.decode("utf-8", "replace")
            percent = percent_of(line)
            if percent is None:
                lines.append(line)
            elif progress is not None:
                progress(percent)
        rest = rest[-8192:]
        if not chunk:
            return


def percent_of(line: str) -> int | None:
    """How far xorriso says it is; None where the line tells of something else."""
    if found := DONE.search(line):
        return min(int(found[1]), 100)
    if (found := WRITTEN.search(line)) and int(found[2]):
        return min(int(found[1]) * 100 // int(found[2]), 100)
    return None


async def _end(process: asyncio.subprocess.Process) -> None:
    """A drive is left in order where xorriso is asked to stop."""
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
