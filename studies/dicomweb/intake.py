"""The files of one request on their way through the one door: some at a time, rows in batches."""

from __future__ import annotations

import asyncio
from collections import deque
from time import monotonic
from typing import Protocol

import structlog

from pacs.accounts.models import Site
from studies.archive import room
from studies.dicom.errors import GateError
from studies.dicom.gate import Gate
from studies.dicom.payload import Payload, TooLargeError
from studies.dicomweb.authority import Identity
from studies.dicomweb.pool import Pool
from studies.dicomweb.rows import Rows
from studies.dicomweb.store_response import FAILURES, Failure, Fate
from studies.services import ingest

log = structlog.get_logger(__name__)

IN_FLIGHT = 4
BATCH = 64
COMMIT_EVERY = 0.25


class Source(Protocol):
    """One file that has arrived; `payload` runs in a thread."""

    def payload(self) -> Payload: ...

    def close(self) -> None: ...


def source_of(identity: Identity, how: str) -> str:
    """The source of an instance: how it came, and by which user's session or which token."""
    session_key = identity.principal.session_key
    who = f"user:{identity.principal.user_id}" if identity.is_session else session_key
    return f"{how}:{who}"


class Intake:
    """Takes files in order. `put` waits while enough are under way; `settle` ends it, always."""

    def __init__(
        self,
        stores: Pool,
        rows: Rows,
        identity: Identity,
        site: Site,
        study_instance_uid: str | None,
    ) -> None:
        self.fates: list[Fate] = []
        self.troubled = False
        self.full = False
        """Whether something failed that is not the files' fault."""
        self._stores = stores
        self._rows = rows
        self._identity = identity
        self._site = site
        self._study_instance_uid = study_instance_uid
        self._source = source_of(identity, "stow")
        self._flying: deque[tuple[Fate, asyncio.Future[ingest.Prepared | None]]] = deque()
        self._ready: list[tuple[Fate, ingest.Prepared]] = []
        self._committing: asyncio.Future[None] | None = None
        self._committed = monotonic()

    def refuse(self, failure: Failure = Failure.CANNOT_UNDERSTAND) -> None:
        """A part that does not even come to the door."""
        self.fates.append(Fate(failure=failure))

    async def put(self, source: Source, fate: Fate | None = None) -> None:
        """Let a file through the door, and close it when that is done."""
        fate = fate or Fate()
        self.fates.append(fate)
        self._flying.append((fate, asyncio.ensure_future(self._prepare(source, fate))))
        while len(self._flying) > IN_FLIGHT or (self._flying and self._flying[0][1].done()):
            await self._land()
        due = monotonic() - self._committed > COMMIT_EVERY
        if len(self._ready) >= BATCH or (self._ready and due):
            await self._commit()

    async def settle(self) -> None:
        """Wait for all that was put and write its rows. Files that came whole are kept."""
        while self._flying:
            await self._land()
        await self._commit()
        if self._committing is not None:
            await self._committing
            self._committing = None

    async def _land(self) -> None:
        """The oldest file under way is prepared: rows are written in the order of arrival."""
        fate, prepared = self._flying[0][0], await self._flying[0][1]
        self._flying.popleft()
        if prepared is not None:
            self._ready.append((fate, prepared))

    async def _prepare(self, source: Source, fate: Fate) -> ingest.Prepared | None:
        try:
            return await self._stores.run(self._prepare_now, source, fate)
        except Exception as error:
            log.error("not stored", error=type(error).__name__)
            fate.failure = (
                Failure.OUT_OF_RESOURCES if isinstance(error, OSError) else Failure.PROCESSING
            )
            self.troubled = True
            self.full = self.full or room.is_full(error)
            return None
        finally:
            source.close()

    def _prepare_now(self, source: Source, fate: Fate) -> ingest.Prepared | None:
        """In a thread."""
        try:
            payload = source.payload()
        except GateError as error:
            fate.failure = FAILURES[error.reason]
            return None
        except TooLargeError:
            fate.failure = Failure.OUT_OF_RESOURCES
            return None
        try:
            prepared = ingest.prepare(
                payload,
                source=self._source,
                site_id=self._site.pk,
                study_instance_uid=self._study_instance_uid,
            )
        except ingest.OtherStudyError as error:
            _note(fate, error.gate)
            fate.failure = Failure.MISMATCH
            return None
        finally:
            payload.close()
        if prepared.gate is not None:
            _note(fate, prepared.gate)
        return prepared

    async def _commit(self) -> None:
        """Write what is ready while further files are prepared; one transaction at a time."""
        if self._committing is not None:
            await self._committing
            self._committing = None
        if not self._ready:
            return
        ready, self._ready = self._ready, []
        self._committed = monotonic()
        self._committing = asyncio.ensure_future(self._write(ready))

    async def _write(self, ready: list[tuple[Fate, ingest.Prepared]]) -> None:
        try:
            results = await self._rows.commit(self._identity, [prepared for _, prepared in ready])
        except Exception as error:
            log.error("not committed", error=type(error).__name__, files=len(ready))
            self.troubled = True
            for fate, _ in ready:
                fate.failure = Failure.PROCESSING
            return
        for (fate, _), result in zip(ready, results, strict=True):
            if result.reason is not None:
                fate.failure = FAILURES[result.reason]


def _note(fate: Fate, gate: Gate) -> None:
    fate.sop_class_uid = gate.sop_class_uid
    fate.sop_instance_uid = gate.sop_instance_uid
    fate.series_instance_uid = gate.series_instance_uid
    fate.study_instance_uid = gate.study_instance_uid
