"""`burn-disc`: fetch, build, write, read back; each disc at most once, and said how it went.

What must not happen: a disc burned twice, one burned to a drive that nobody named, one that is
given away though nobody read it back.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import hashlib
import json
import logging
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agents import protocol
from agents.site import dicomfile
from agents.site.auditlog import AuditLog
from agents.site.commands import CommandError, Handler, Tell
from agents.site.disc import fetch, viewer, work, xorriso
from agents.site.disc.work import PREPARING, WRITING, Job, Note, Work
from agents.site.journal import Journal
from agents.site.options import DiscSection, DriveSection, PortalSection
from agents.site.problems import Problems

log = logging.getLogger("agents.site")

BUILD_SECONDS = 3600.0
NOT_LISTED = 3
IMAGE_OVERHEAD = 4 * 2**20
IN_PERCENT = 100
STDIO = "stdio:"
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
UNCERTAIN = (
    "The agent stopped while the disc was being written. Whether it is good is not known: check "
    "it before you give it away, or ask for another."
)
NOT_WRITTEN = "The agent stopped before anything was written to a disc. Ask for it again."


class Discs:
    """Makes discs, one at a time; `table` is empty where no drive is configured."""

    def __init__(
        self,
        section: DiscSection,
        drives: tuple[DriveSection, ...],
        portal: PortalSection,
        state_dir: Path,
        journal: Journal,
        audit: AuditLog,
        problems: Problems,
    ) -> None:
        self._section = section
        self._drives: Mapping[str, DriveSection] = {each.name: each for each in drives}
        self._portal = portal
        self._state_dir = state_dir
        self._journal = journal
        self._audit = audit
        self._problems = problems
        self._work = Work(section.work_dir or state_dir / "discs", section.work_mb * 1_000_000)

    def table(self) -> dict[str, Handler]:
        """Command -> handler."""
        return {protocol.BURN_DISC: self.burn} if self._drives else {}

    def drives(self) -> tuple[protocol.Drive, ...]:
        """The drives as the portal is told of them."""
        return tuple(
            protocol.Drive(name=each.name, kind="drive" if each.device else "folder")
            for each in self._drives.values()
        )

    def recover(self) -> None:
        """At start, before anything else ends what ran: clean up, say what may have happened."""
        for note in self._work.left():
            uncertain = note.stage == WRITING
            self._journal.end(
                note.key,
                protocol.Result(
                    id=note.id,
                    outcome=protocol.FAILED,
                    code="uncertain" if uncertain else "interrupted",
                    message=UNCERTAIN if uncertain else NOT_WRITTEN,
                ),
            )
            self._audit.record(
                "command.interrupted",
                requester=note.requester,
                detail={"key": note.key, "command": protocol.BURN_DISC, "stage": note.stage},
            )
            drive = self._drives.get(note.target)
            if drive is not None and drive.folder is not None:
                _draft(drive.folder, work.name_of(note.key)).unlink(missing_ok=True)

    async def burn(self, params: dict[str, Any], tell: Tell) -> dict[str, Any]:
        """Make one disc and read it back. Raises CommandError."""
        command = tell.command
        drive = self._drive(params["target"], command)
        xorriso.program()
        note = Note(command.idempotency_key, command.id, command.requester, PREPARING, drive.name)
        job = None
        try:
            with self._hold(drive) as hold:
                room = await self._room_of(drive)
                job = await asyncio.to_thread(self._work.begin, note)
                summary = await self._prepare(job, command.id, room, tell)
                job.note(Note(note.key, note.id, note.requester, WRITING, drive.name))
                return await self._write(job, drive, summary, hold, tell)
        except asyncio.CancelledError:
            if job is not None and _stage(job) == WRITING:
                raise CommandError(
                    "uncertain",
                    "This was stopped while the disc was being written. Throw the disc away.",
                ) from None
            raise
        except viewer.ViewerError as error:
            raise CommandError("viewer", str(error)) from None
        except OSError as error:
            raise _as_command_error(error) from None
        finally:
            if job is not None:
                await asyncio.to_thread(job.remove)

    def _drive(self, target: str, command: protocol.Command) -> DriveSection:
        """The drive of that name, or the only one. Refuses, and notes, every other."""
        if not target and len(self._drives) == 1:
            return next(iter(self._drives.values()))
        drive = self._drives.get(target)
        if drive is None:
            self._audit.record(
                "disc.refused",
                requester=command.requester,
                detail={"key": command.idempotency_key, "target": target},
            )
            self._problems.note("refused", "the portal asked for a disc on another drive")
            raise CommandError(
                "not-allowed",
                "This agent has several drives: name one."
                if not target
                else "This agent writes discs to no such drive.",
            )
        return drive

    @contextlib.contextmanager
    def _hold(self, drive: DriveSection) -> Iterator[int]:
        """Nobody else writes to the drive, an xorriso that outlived its agent included."""
        path = self._state_dir / f"drive-{drive.name}.lock"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield descriptor
        except BlockingIOError:
            raise CommandError(
                "busy", "The drive is still at work on an earlier disc. Ask again later."
            ) from None
        finally:
            os.close(descriptor)

    async def _room_of(self, drive: DriveSection) -> int:
        """Bytes that fit on the disc. Raises CommandError where there is none to write to."""
        most = drive.capacity_mb * 1_000_000 or sys.maxsize
        if drive.folder is not None:
            if not drive.folder.is_dir():
                raise CommandError("no-drive", "The folder for images of discs is not there.")
            return most
        medium = await xorriso.medium(drive.device)
        if not medium.present:
            raise CommandError("no-disc", "There is no disc in the drive. Put in a blank one.")
        if not medium.blank:
            raise CommandError("not-blank", "The disc in the drive is not blank. Put in another.")
        return min(most, medium.free)

    # Fetching and building

    async def _prepare(self, job: Job, command_id: str, room: int, tell: Tell) -> dict[str, Any]:
        """The ISO image, ready to be written; what is on it."""
        section = self._section
        async with fetch.session(self._portal) as session:
            source = fetch.Source(self._portal, session, command_id)
            images = await source.images()
            size = sum(each.size for each in images)
            if section.viewer_dir is not None:
                size += await asyncio.to_thread(viewer.size_of, section.viewer_dir)
            _require_fits(size + IMAGE_OVERHEAD, room)
            # The images, and then the image of the disc beside them.
            self._work.require(2 * size + IMAGE_OVERHEAD)
            total = len(images)
            tell(0, total, "fetching images")
            await _first_error(
                source.fetch_all(
                    images, job.files, lambda done: tell(done, total, "fetching images")
                )
            )
        tell(0, 0, "building the disc")
        summary = await self._build(job)
        await xorriso.make_image(
            job.root,
            job.image,
            f"DICOM_{datetime.now(UTC):%Y%m%d}",
            lambda percent: tell(percent, IN_PERCENT, "building the disc"),
        )
        _require_fits(job.image.stat().st_size, room)
        await asyncio.to_thread(shutil.rmtree, job.root)
        summary["sha256"] = await asyncio.to_thread(_sha256, job.image, job.image.stat().st_size)
        summary["bytes"] = job.image.stat().st_size
        return summary

    async def _build(self, job: Job) -> dict[str, Any]:
        await asyncio.to_thread(_require_dicom, job.files)
        section = self._section
        asked = {
            "files": str(job.files),
            "root": str(job.root),
            "institution": section.institution,
            "viewer": section.viewer_dir is not None,
        }
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "agents.site.disc.fileset"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={
                "PATH": os.environ.get("PATH", os.defpath),
                "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                "TMPDIR": str(job.folder),
                "LC_ALL": "C.UTF-8",
            },
            cwd=job.folder,
        )
        try:
            async with asyncio.timeout(BUILD_SECONDS):
                answer, _ = await process.communicate(json.dumps(asked).encode())
        except TimeoutError:
            raise CommandError("dicomdir", "The disc's directory took too long to make.") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode != 0:
            why = json.loads(answer)["why"] if process.returncode == NOT_LISTED else "it ended"
            log.warning("a disc's directory could not be made: %s", why)
            raise CommandError(
                "dicomdir",
                f"An image cannot be listed in the directory of a disc ({why}). Nothing was "
                "written.",
            )
        if section.viewer_dir is not None:
            await asyncio.to_thread(
                viewer.copy, section.viewer_dir, job.root, section.viewer_sha256
            )
        summary: dict[str, Any] = json.loads(answer)
        return summary

    # Writing

    async def _write(
        self, job: Job, drive: DriveSection, summary: dict[str, Any], hold: int, tell: Tell
    ) -> dict[str, Any]:
        tell(0, IN_PERCENT, "writing")
        written: Path | None = None
        if drive.folder is not None:
            written = await asyncio.to_thread(_keep, job, drive.folder)
            device = f"{STDIO}{written}"
        else:
            device = drive.device
            await xorriso.burn(
                job.image, device, lambda percent: tell(percent, IN_PERCENT, "writing"), hold
            )
        tell(0, IN_PERCENT, "verifying")
        try:
            await xorriso.verify(device, lambda percent: tell(percent, IN_PERCENT, "verifying"))
            if device.startswith(STDIO):
                await asyncio.to_thread(
                    _compare, Path(device.removeprefix(STDIO)), summary["bytes"], summary["sha256"]
                )
        except CommandError:
            if written is not None:
                written.unlink(missing_ok=True)
            raise
        return {
            "target": drive.name,
            "studies": summary["studies"],
            "images": summary["images"],
            "bytes": summary["bytes"],
            "sha256": summary["sha256"],
            "profile": summary["profile"],
            "note": summary["note"],
            "file": written.name if written is not None else "",
        }


def _stage(job: Job) -> str:
    with contextlib.suppress(OSError, ValueError):
        return str(json.loads((job.folder / "note").read_text())["stage"])
    return PREPARING


async def _first_error(working: Any) -> None:
    """A group's first failure instead of the group's."""
    try:
        await working
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None


def _require_fits(size: int, room: int) -> None:
    if size > room:
        raise CommandError(
            "too-large",
            f"These studies need {work.megabytes(size)} MB; the disc holds "
            f"{room // 1_000_000} MB. Choose fewer studies or a larger disc.",
        )


def _require_dicom(folder: Path) -> None:
    """PS3.10 7.1 for every file."""
    for path in folder.iterdir():
        with path.open("rb") as file:
            if dicomfile.inspect(file, path.stat().st_size) == dicomfile.OTHER:
                raise CommandError("dicom", "The portal gave something that is no DICOM file.")


def _sha256(path: Path, size: int) -> str:
    """Of the first `size` bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while size and (chunk := file.read(min(size, 1 << 20))):
            digest.update(chunk)
            size -= len(chunk)
    return digest.hexdigest()


def _compare(path: Path, size: int, sha256: str) -> None:
    if _sha256(path, size) != sha256:
        raise CommandError(
            "verify",
            "The disc was written, but what is read back is not what was written. Throw it away.",
        )


def _draft(folder: Path, name: str) -> Path:
    return folder / f".{name}.part"


def _keep(job: Job, folder: Path) -> Path:
    """Put the image into the folder under a name of its own; nothing there is ever replaced."""
    draft = _draft(folder, job.name)
    target = folder / f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{job.name}.iso"
    try:
        with job.image.open("rb") as source, draft.open("wb") as copy:
            shutil.copyfileobj(source, copy, 1 << 20)
            copy.flush()
            os.fsync(copy.fileno())
        os.link(draft, target)
    except OSError as error:
        if error.errno in FULL:
            raise CommandError("full", "The folder for images of discs is full.") from None
        raise CommandError(
            "no-drive", f"The folder for images of discs cannot be written: {error.strerror}."
        ) from None
    finally:
        draft.unlink(missing_ok=True)
    return target


def _as_command_error(error: OSError) -> CommandError:
    if error.errno in FULL:
        return CommandError("room", "The disk of the agent's work folder is full.")
    return CommandError("work", f"The agent's work folder cannot be used: {error.strerror}.")
