"""`update`: takes a signed release from the portal, checks it, and has the launcher try it.

The portal is a shelf and no authority: a release counts by the signature of a key that agent.toml
names, or that an earlier signed release has added. Only when the file is on the disk, whole, and
has passed its own self-test is the launcher told; the launcher switches, watches and goes back.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp

from agents import protocol, release
from agents.release import Manifest, ReleaseError
from agents.site import VERSION, durable, launched, portalclient
from agents.site.auditlog import AuditLog
from agents.site.commands import CommandError, Tell
from agents.site.journal import Outbox
from agents.site.options import PortalSection, UpdateSection
from agents.site.portalclient import by_proxy, words_of
from agents.site.problems import Problems

log = logging.getLogger("agents.site")

PATH = "/api/agents/release/"
PIECE = 1 << 20
ATTEMPTS = 6
"""Requests in a row that bring nothing before the download is given up; what came is kept."""
PAUSE = 1.0
DOWNLOAD_SECONDS = 3000.0
SELF_TEST_SECONDS = 120.0
ROOM = 4
"""Times the file's size that must be free: the file, its unpacked content, and the one before."""
WATCH_EVERY = 0.3


class Updates:
    """`folder`: where the launcher looks, None without one. `seq`: the release that runs."""

    def __init__(
        self,
        section: UpdateSection,
        portal: PortalSection,
        audit: AuditLog,
        outbox: Outbox,
        problems: Problems,
    ) -> None:
        self._section = section
        self._portal = portal
        self._audit = audit
        self._outbox = outbox
        self._problems = problems
        self._folder = launched.folder()
        self._seq = launched.seq()
        self._busy = asyncio.Lock()
        self.restart = asyncio.Event()
        """Set when a release waits for the launcher."""
        self.told: Callable[[], None] = lambda: None
        self.is_registered: Callable[[], bool] = lambda: False

    # The command

    async def update(self, params: dict[str, Any], tell: Tell) -> dict[str, Any]:
        """Take the release of the version, or the newest; the restart follows the result."""
        if self._folder is None:
            raise CommandError(
                "no-launcher", "This agent was not started by its launcher and cannot update."
            )
        trying = launched.read(self._folder / "state.json").get("trying")
        if self._busy.locked() or self.restart.is_set() or trying:
            raise CommandError("busy", "An update is on its way.")
        wanted = str(params["version"])
        async with self._busy:
            try:
                manifest = await self._take(self._folder, wanted, tell)
            except ReleaseError as error:
                self._audit.record("update.refused", detail={"code": error.code, "version": wanted})
                self._problems.note("update", error.words)
                self._event(protocol.UPDATE_FAILED, wanted, 0, error.words)
                raise CommandError(error.code, error.words) from None
            except OSError as error:
                raise CommandError(
                    "disk", f"The release cannot be kept: {error.strerror or 'an error'}."
                ) from None
        self.restart.set()
        return {"version": manifest.version, "seq": manifest.seq, "state": "staged"}

    async def _take(self, folder: Path, wanted: str, tell: Tell) -> Manifest:
        async with self._session() as session:
            envelope = await self._envelope(session, wanted)
            manifest = release.verify(envelope, self.accepted_keys())
            self._require(folder, manifest, wanted)
            part = await self._download(session, folder, manifest, tell)
        place = await asyncio.to_thread(_place, folder, part, manifest)
        await asyncio.to_thread(_self_test, place, manifest)
        release.check_time(manifest)
        self._audit.record(
            "update.staged",
            detail={"version": manifest.version, "seq": manifest.seq, "key": manifest.key},
        )
        await asyncio.to_thread(self._stage, folder, manifest)
        return manifest

    def accepted_keys(self) -> dict[str, str]:
        """Key id -> public key: agent.toml's and added ones without those withdrawn."""
        known = self._known_keys()
        keys = release.keyring([*self._section.keys, *known["added"]])
        return {name: key for name, key in keys.items() if name not in known["withdrawn"]}

    def _known_keys(self) -> dict[str, Any]:
        found = launched.read(self._folder / "keys.json") if self._folder else {}
        return {"seq": 0, "added": [], "withdrawn": [], **found}

    def _require(self, folder: Path, manifest: Manifest, wanted: str) -> None:
        """Raises ReleaseError where a signed release is not for this agent now."""
        release.check_time(manifest)
        state = launched.read(folder / "state.json")
        floor = max(int(state.get("floor", 0)), self._seq)
        if wanted and manifest.version != wanted:
            raise ReleaseError("version", "The portal gave another version than was asked for.")
        if manifest.seq in state.get("bad", []):
            raise ReleaseError("known-bad", "This release was tried here and did not work.")
        if manifest.seq <= floor:
            raise ReleaseError("downgrade", "This release is not newer than the one in use.")
        if release.version_of(manifest.version) < release.version_of(VERSION):
            raise ReleaseError("downgrade", "This release is older than the program in use.")
        if manifest.minimum > floor:
            raise ReleaseError("minimum", "An earlier release must be taken first.")
        if manifest.size > self._section.max_mb * 1_000_000:
            raise ReleaseError("size", "The release is larger than agent.toml permits.")
        if shutil.disk_usage(folder).free < ROOM * manifest.size:
            raise ReleaseError("disk", "There is not enough room on the disk for the release.")

    # From the portal

    def _session(self) -> aiohttp.ClientSession:
        return portalclient.session(
            self._portal,
            aiohttp.ClientTimeout(total=300, sock_connect=20, sock_read=60),
            headers={"Accept-Encoding": "identity"},
            limit=1,
        )

    async def _envelope(self, session: aiohttp.ClientSession, wanted: str) -> str:
        status, body, _ = await self._get(session, PATH, {"version": wanted}, most=64 * 1024)
        if status == 404:
            raise ReleaseError("no-release", "The portal has no such release.")
        if status != 200:
            raise ReleaseError("portal", f"The portal answered {status}.")
        return body.decode("utf-8", "replace")

    async def _download(
        self, session: aiohttp.ClientSession, folder: Path, manifest: Manifest, tell: Tell
    ) -> Path:
        """The file, whole and right. What an earlier attempt brought is gone on with."""
        part, about = folder / "download.part", folder / "download.json"
        if launched.read(about).get("sha256") != manifest.sha256:
            part.unlink(missing_ok=True)
            durable.write(about, {"sha256": manifest.sha256})
        begun = time.monotonic()
        with part.open("ab") as file:
            at = file.tell()
            while at < manifest.size:
                if time.monotonic() - begun > DOWNLOAD_SECONDS:
                    raise ReleaseError("portal", "The download took too long.")
                data = await self._piece(session, manifest, at)
                await asyncio.to_thread(_append, file, data)
                at += len(data)
                tell(at, manifest.size)
        try:
            size, digest = await asyncio.to_thread(_measure, part)
            release.check_content(manifest, size, digest)
        except ReleaseError:
            part.unlink(missing_ok=True)
            raise
        return part

    async def _piece(self, session: aiohttp.ClientSession, manifest: Manifest, at: int) -> bytes:
        last = min(at + PIECE, manifest.size) - 1
        status, body, headers = await self._get(
            session,
            f"{PATH}{manifest.seq}/file",
            {},
            most=PIECE,
            headers={"Range": f"bytes={at}-{last}"},
        )
        told = headers.get("Content-Range", "")
        if status != 206 or told != f"bytes {at}-{last}/{manifest.size}":
            raise ReleaseError("portal", f"The portal did not give the file: it answered {status}.")
        if len(body) != last - at + 1:
            raise ReleaseError("portal", "The portal gave another part than was asked for.")
        return body

    async def _get(
        self,
        session: aiohttp.ClientSession,
        path: str,
        query: dict[str, str],
        *,
        most: int,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, bytes, dict[str, str]]:
        """Status, at most `most` bytes and headers; asked again while nothing answers well."""
        words = ""
        for attempt in range(ATTEMPTS):
            if attempt:
                await asyncio.sleep(min(PAUSE * 2.0 ** (attempt - 1), 30.0))
            try:
                async with session.get(
                    self._portal.url + path,
                    params=query,
                    headers=headers,
                    allow_redirects=False,
                    **by_proxy(self._portal),
                ) as response:
                    if response.status < 500 and response.status != 429:
                        return (
                            response.status,
                            await _bounded(response, most),
                            dict(response.headers),
                        )
                    words = f"the portal answered {response.status}"
            except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
                words = words_of(error)
        raise ReleaseError("portal", f"The release could not be fetched: {words}.")

    def _stage(self, folder: Path, manifest: Manifest) -> None:
        """Change the keys as the release says, once, and hand it to the launcher."""
        known = self._known_keys()
        if manifest.seq > known["seq"] and (manifest.add_keys or manifest.withdraw_keys):
            added = list(dict.fromkeys([*known["added"], *manifest.add_keys]))
            withdrawn = sorted({*known["withdrawn"], *manifest.withdraw_keys})
            left = set(release.keyring([*self._section.keys, *added])) - set(withdrawn)
            if not left:
                raise ReleaseError("keys", "The release would leave no key that is accepted.")
            durable.write(
                folder / "keys.json",
                {"seq": manifest.seq, "added": added, "withdrawn": withdrawn},
            )
        durable.write(folder / "staged", {"seq": manifest.seq, "version": manifest.version})

    # After the restart

    async def run(self) -> None:
        """Tell the launcher when this release is healthy, and the portal what became of it."""
        while self._folder is not None:
            state = launched.read(self._folder / "state.json")
            trying = int(state.get("trying") or 0)
            if trying and trying == self._seq and self.is_registered():
                with suppress(OSError):
                    durable.write(self._folder / "healthy", {"seq": self._seq})
            try:
                if await asyncio.to_thread(self._tell, self._folder, state) and not trying:
                    break
            except (OSError, sqlite3.Error) as error:
                self._problems.note("update", f"an update could not be noted: {error}")
            await asyncio.sleep(WATCH_EVERY)
        await asyncio.Event().wait()

    def _tell(self, folder: Path, state: dict[str, Any]) -> bool:
        """Note the end of the last update for the portal, once. True where none is open."""
        last = state.get("last") or {}
        told = launched.read(folder / "told")
        mark = {"seq": last.get("seq"), "outcome": last.get("outcome")}
        if last and told != mark:
            done = last.get("outcome") == "done"
            version, reason = str(last.get("version", "")), str(last.get("reason", ""))
            seq = int(last.get("seq") or 0)
            self._audit.record(
                "update.done" if done else "update.rolled-back",
                detail={"version": version, "seq": seq, "reason": reason},
            )
            if not done:
                self._problems.note("update", f"release {version} is not used: {reason}")
            kind = protocol.UPDATE_DONE if done else protocol.UPDATE_FAILED
            self._event(kind, version, seq, reason, id_=f"update-{seq}-{last.get('outcome')}")
            durable.write(folder / "told", mark)
        return True

    def _event(
        self, kind: str, version: str, seq: int, reason: str, id_: str | None = None
    ) -> None:
        data = {"version": version, "seq": seq, "reason": reason, "running": VERSION}
        try:
            self._outbox.add([(kind, data)], id_=id_)
        except sqlite3.Error as error:
            self._problems.note("update", f"an event could not be noted: {error}")
            if id_:
                raise
        self.told()


async def _bounded(response: aiohttp.ClientResponse, most: int) -> bytes:
    data = b""
    async for chunk in response.content.iter_chunked(1 << 16):
        data += chunk
        if len(data) > most:
            raise ReleaseError("portal", "The portal gave more than was asked for.")
    return data


def _append(file: Any, data: bytes) -> None:
    file.write(data)
    file.flush()


def _measure(path: Path) -> tuple[int, str]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return file.tell(), digest


def _place(folder: Path, part: Path, manifest: Manifest) -> Path:
    """`releases/SEQ/agent.pyz`, on the disk with what the launcher compares it with."""
    target = folder / "releases" / str(manifest.seq)
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    descriptor = os.open(part, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    part.replace(target / "agent.pyz")
    durable.write(
        target / "release.json",
        {"seq": manifest.seq, "version": manifest.version, "sha256": manifest.sha256},
    )
    durable.sync(target.parent)
    durable.sync(folder)
    return target


def _self_test(place: Path, manifest: Manifest) -> None:
    """The new program reads the present configuration and loads all of itself.

    Raises ReleaseError `self-test`.
    """
    env = {name: value for name, value in os.environ.items() if not name.startswith("LIGHTBOX_")}
    env["SHIV_ROOT"] = str(place / "unpacked")
    try:
        done = subprocess.run(
            [sys.executable, str(place / "agent.pyz"), *sys.argv[1:], "--self-test"],
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SELF_TEST_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ReleaseError("self-test", "The new program did not end its self-test.") from None
    said = done.stdout.decode("utf-8", "replace").strip().splitlines()
    if done.returncode != 0 or not said or said[-1] != manifest.version:
        log.warning("self-test: %s", done.stderr.decode("utf-8", "replace")[-500:])
        raise ReleaseError("self-test", "The new program failed its self-test.")
