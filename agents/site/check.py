"""`--check`: tries each thing the configuration names once and says how it went. Sends no image."""

from __future__ import annotations

import asyncio
import fcntl
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from websockets.exceptions import InvalidProxyStatus, InvalidStatus, WebSocketException

from agents.site import ris, roots
from agents.site.auditlog import AuditLog
from agents.site.commands import Dispatcher
from agents.site.config import Config
from agents.site.connection import Connection, RefusedConnection, words_of
from agents.site.database import Database
from agents.site.disc.check import check as check_discs
from agents.site.journal import Journal, Outbox
from agents.site.options import FolderSection, RelaySection, ScannerSection
from agents.site.portalclient import words_of as words_of_upload
from agents.site.printing.check import printing
from agents.site.problems import Problems
from agents.site.relay import Orthanc, OrthancError
from agents.site.scanners.port import SerialPort
from agents.site.uploader import Uploader


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the table."""

    subject: str
    good: bool
    words: str


async def check(config: Config) -> list[Finding]:
    """Everything that the agent will need, tried once. Raises nothing."""
    findings = [_writable("state_dir", config.agent.state_dir, make=True)]
    findings.append(await _connection(config))
    findings.append(await _upload(config))
    for folder in config.folders:
        findings += await asyncio.to_thread(_folder, folder)
    for relay in config.relay:
        findings.append(await _relay(relay))
    if config.printing.server:
        good, words = await printing(config.printing)
        findings.append(Finding("printing", good, words))
    findings += [Finding(*each) for each in await check_discs(config)]
    for scanner in config.scanners:
        findings.append(await asyncio.to_thread(_scanner, scanner))
    rows = await ris.check(config, _is_running(config))
    findings += [Finding(*row) for row in rows]
    findings.append(Finding("commands", True, ", ".join(config.commands.allow) or "none allowed"))
    return findings


def _is_running(config: Config) -> bool:
    """Whether an agent holds the state folder now."""
    try:
        descriptor = os.open(config.agent.state_dir / "lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


async def _connection(config: Config) -> Finding:
    """Registers as the agent would; a running agent of the same key is disconnected by that."""
    with tempfile.TemporaryDirectory() as folder:
        database = Database(Path(folder) / "check.sqlite3")
        audit = AuditLog(Path(folder) / "audit.jsonl")
        problems = Problems()
        journal = Journal(database)
        dispatcher = Dispatcher(frozenset(), {}, journal, audit, problems)
        probe = Connection(
            config.portal, dispatcher, journal, Outbox(database), problems, lambda: {}
        )
        try:
            registered = await probe.probe()
        except (InvalidStatus, InvalidProxyStatus) as error:
            return Finding("connection", False, f"answered {error.response.status_code}")
        except RefusedConnection as error:
            return Finding("connection", False, str(error))
        except (OSError, WebSocketException) as error:
            return Finding("connection", False, words_of(error))
        finally:
            audit.close()
            database.close()
    return Finding("connection", True, f"registered as {registered.name} at {registered.site}")


async def _upload(config: Config) -> Finding:
    """Posts nothing as plain text: who may upload is told that this is no image (415)."""
    problems = Problems()
    uploader = Uploader(config.portal, config.upload, problems)
    await uploader.start()
    try:
        status = await uploader.probe()
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        return Finding("upload", False, words_of_upload(error))
    finally:
        await uploader.close()
    if status == 415:
        return Finding("upload", True, "the token may upload")
    refused = status in (401, 403)
    return Finding("upload", False, "the token may not upload" if refused else f"answered {status}")


def _folder(section: FolderSection) -> list[Finding]:
    subject = f"folder {section.name}"
    findings = []
    try:
        with roots.open_directory(section.path, "") as descriptor, os.scandir(descriptor) as found:
            count = sum(1 for _ in found)
        findings.append(Finding(subject, True, f"{count} entries at its top"))
    except OSError as error:
        findings.append(Finding(subject, False, error.strerror or type(error).__name__))
    if section.after == "move" or section.failed_dir is not None:
        good = os.access(section.path, os.W_OK | os.X_OK)
        words = "files can be moved out" if good else "the agent may not move files out of it"
        findings.append(Finding(subject, good, words))
    for name in ("done_dir", "failed_dir"):
        target: Path | None = getattr(section, name)
        if target is not None:
            findings.append(_writable(f"{subject} {name}", target, make=True))
    return findings


def _writable(subject: str, path: Path, *, make: bool) -> Finding:
    try:
        if make:
            path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path) as file:
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return Finding(subject, False, error.strerror or type(error).__name__)
    return Finding(subject, True, "can be written")


async def _relay(section: RelaySection) -> Finding:
    orthanc = Orthanc(section)
    await orthanc.start()
    try:
        last = await orthanc.last()
    except OrthancError as error:
        return Finding(f"relay {section.name}", False, str(error))
    finally:
        await orthanc.close()
    return Finding(f"relay {section.name}", True, f"answers; its last change is {last}")


def _scanner(section: ScannerSection) -> Finding:
    """A running agent holds the port: then it is busy, which is no fault of the port."""
    port = SerialPort(section)
    try:
        port.open()
    except OSError as error:
        return Finding(f"scanner {section.name}", False, error.strerror or "cannot be opened")
    port.close()
    return Finding(f"scanner {section.name}", True, "its port can be opened")
