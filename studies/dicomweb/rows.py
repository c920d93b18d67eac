"""Rows of files that are archived: what several requests of one sender bring goes in together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from studies.dicomweb.authority import Identity
from studies.dicomweb.pool import Pool
from studies.services import ingest


class _Sender(NamedTuple):
    """Whose files may share a transaction: the audit trail says the same of all of them."""

    site_id: int
    user_id: int
    session_key: str
    address: str
    as_prior: bool


class _Waiting(NamedTuple):
    prepared: Sequence[ingest.Prepared]
    results: asyncio.Future[list[ingest.StoreResult]]


class Rows:
    """While one transaction of a sender runs, the sender's next files gather for the following."""

    def __init__(self, stores: Pool) -> None:
        self._stores = stores
        self._waiting: dict[_Sender, list[_Waiting]] = {}
        self._running: set[asyncio.Future[None]] = set()

    async def commit(
        self, identity: Identity, prepared: Sequence[ingest.Prepared], *, as_prior: bool = False
    ) -> list[ingest.StoreResult]:
        """The results of `ingest.commit`, or what it raises. All files are of one site.

        `as_prior`: studies that are new with these need no reading.
        """
        principal = identity.principal
        sender = _Sender(
            prepared[0].site_id,
            principal.user_id,
            principal.session_key,
            identity.address,
            as_prior,
        )
        results: asyncio.Future[list[ingest.StoreResult]] = (
            asyncio.get_running_loop().create_future()
        )
        entry = _Waiting(prepared, results)
        if sender in self._waiting:
            self._waiting[sender].append(entry)
        else:
            self._waiting[sender] = [entry]
            running = asyncio.ensure_future(self._write(identity, sender))
            self._running.add(running)
            running.add_done_callback(self._running.discard)
        return await results

    async def _write(self, identity: Identity, sender: _Sender) -> None:
        """Batch after batch until nobody waits."""
        while entries := self._waiting[sender]:
            self._waiting[sender] = []
            try:
                await self._write_batch(identity, sender, entries)
            except Exception as error:
                if len(entries) == 1:
                    _fail(entries[0], error)
                    continue
                for entry in entries:  # what spoils one request must not spoil the others
                    try:
                        await self._write_batch(identity, sender, [entry])
                    except Exception as alone:
                        _fail(entry, alone)
        del self._waiting[sender]

    async def _write_batch(
        self, identity: Identity, sender: _Sender, entries: list[_Waiting]
    ) -> None:
        found = await self._stores.run(
            ingest.commit,
            [one for entry in entries for one in entry.prepared],
            actor=identity.actor,
            as_prior=sender.as_prior,
            address=sender.address,
            session_key=sender.session_key,
        )
        for entry in entries:
            own, found = found[: len(entry.prepared)], found[len(entry.prepared) :]
            if not entry.results.done():
                entry.results.set_result(own)


def _fail(entry: _Waiting, error: Exception) -> None:
    if not entry.results.done():
        entry.results.set_exception(error)
