"""Rows of requests that wait at the same time, written in one transaction.

A transaction costs several milliseconds and only one can write at a time, so whoever comes while
one is under way waits and shares the next. Nobody waits for company.
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import Condition
from typing import Any

from studies.services import ingest

LARGEST = 64


class _Ticket:
    """One caller's files and what became of them."""

    __slots__ = ("error", "key", "prepared", "results")

    def __init__(self, key: tuple[Any, ...], prepared: Sequence[ingest.Prepared]) -> None:
        self.key = key
        self.prepared = prepared
        self.results: list[ingest.StoreResult] | None = None
        self.error: BaseException | None = None

    @property
    def done(self) -> bool:
        return self.results is not None or self.error is not None


class GroupCommit:
    """`ingest.commit` for many threads. One transaction at a time, each for one actor and site."""

    def __init__(self) -> None:
        self._turn = Condition()
        self._waiting: list[_Ticket] = []
        self._busy = False

    def commit(
        self,
        prepared: Sequence[ingest.Prepared],
        *,
        actor: Any = None,
        address: str = "",
        session_key: str = "",
    ) -> list[ingest.StoreResult]:
        """As `ingest.commit`; raises what the transaction that held the files raised."""
        if not prepared:
            return []
        key = (prepared[0].site_id, getattr(actor, "pk", None), address, session_key)
        ticket = _Ticket(key, prepared)
        with self._turn:
            self._waiting.append(ticket)
            while self._busy and not ticket.done:
                self._turn.wait()
            group = [] if ticket.done else self._take(ticket)
            self._busy = self._busy or bool(group)
        if group:
            try:
                _write(group, actor=actor, address=address, session_key=session_key)
            finally:
                with self._turn:
                    self._busy = False
                    self._turn.notify_all()
        if ticket.error is not None:
            raise ticket.error
        return ticket.results or []

    def _take(self, ticket: _Ticket) -> list[_Ticket]:
        """The caller's ticket and those of the same key that wait, in order, up to a bound."""
        group, size = [ticket], len(ticket.prepared)
        for other in self._waiting:
            if other is not ticket and other.key == ticket.key:
                if size + len(other.prepared) > LARGEST:
                    break
                group.append(other)
                size += len(other.prepared)
        self._waiting = [one for one in self._waiting if one not in group]
        return group


def _write(group: list[_Ticket], **who: Any) -> None:
    files = [file for ticket in group for file in ticket.prepared]
    try:
        results = ingest.commit(files, **who)
    except BaseException as error:
        for ticket in group:
            ticket.error = error
        return
    for ticket in group:
        ticket.results = results[: len(ticket.prepared)]
        results = results[len(ticket.prepared) :]


_shared = GroupCommit()
commit = _shared.commit
