"""The follower: what Orthanc has, by /changes; the cursor moves only over what is safe.

At-least-once, made exactly-once by the one door. A slice lasts at most SLICE seconds; what is left
is the next slice's. Fetching and parsing run in a few threads, rows are written by this one.
"""

from __future__ import annotations

import hashlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import timedelta
from threading import Lock
from time import monotonic, sleep
from typing import Any, TypeVar

import structlog
from django.conf import settings
from django.db import close_old_connections
from django.utils import timezone

from studies.archive import room
from studies.errors import RetriableError
from studies.models import Arrival, OrthancServer, Study
from studies.orthanc.client import (
    IN_FLIGHT,
    Change,
    InstanceTooLarge,
    OrthancClient,
    Page,
    client_of,
)
from studies.orthanc.lease import Lease, LeaseLost
from studies.services import arrival, ingest, left_behind

log = structlog.get_logger(__name__)
T = TypeVar("T")

SLICE = 10.0
PAGE = 500
BATCH = 64
COMMIT_EVERY = 0.12
LINGER = 1.5
POLL = 0.08
CONTACT_STEP = timedelta(seconds=2)
POLL_BUSY = 0.02
BACKOFF = (5, 5, 10, 20, 30, 60)

_pools: dict[int, ThreadPoolExecutor] = {}
_pools_lock = Lock()


@dataclass(slots=True)
class Outcome:
    """What a slice did. `more`: there is work left and no reason to wait for it."""

    ran: bool = False
    more: bool = False
    stored: int = 0
    failed: bool = False


def follow(server_id: int) -> Outcome:
    """Run one slice for a server. Returns at once where another follower holds its lease."""
    lease = Lease.acquire(server_id)
    if lease is None:
        return Outcome()
    slice_ = Slice(lease)
    try:
        return slice_.run()
    except LeaseLost:
        log.warning("lease lost", server=server_id)
        return slice_.outcome
    except RetriableError as error:
        slice_.outcome.failed = True
        _note_failure(lease, str(error))
        return slice_.outcome
    except OSError as error:
        # Disk full, archive not writable: Orthanc keeps the images, we come again.
        slice_.outcome.failed = True
        _note_failure(lease, f"the archive cannot be written: {error.strerror}")
        return slice_.outcome
    finally:
        lease.release()


def _note_failure(lease: Lease, words: str) -> None:
    server = OrthancServer.objects.only("failures", "name").get(pk=lease.pk)
    delay = BACKOFF[min(server.failures, len(BACKOFF) - 1)]
    log.warning("orthanc not followed", server=lease.pk, reason=words, retry_in=delay)
    OrthancServer.objects.filter(pk=lease.pk, lease_token=lease.token).update(
        failures=server.failures + 1,
        last_error=words[:200],
        next_attempt_at=timezone.now() + timedelta(seconds=delay),
    )


def _pool(server_id: int) -> ThreadPoolExecutor:
    """Threads of one server's fetches: a slow Orthanc waits in its own."""
    with _pools_lock:
        if server_id not in _pools:
            _pools[server_id] = ThreadPoolExecutor(
                IN_FLIGHT, thread_name_prefix=f"fetch-{server_id}"
            )
        return _pools[server_id]


class Slice:
    """One turn of following a server."""

    def __init__(self, lease: Lease) -> None:
        self.lease = lease
        self.server = OrthancServer.objects.get(pk=lease.pk)
        self.client: OrthancClient = client_of(self.server)
        self.pool = _pool(self.server.pk)
        self.deadline = monotonic() + SLICE
        self.outcome = Outcome(ran=True)
        self.hinted = self.server.hint_pending
        self.committed = 0.0
        # What is fetched and not yet committed, and how far we have read.
        self.ready: list[ingest.Prepared] = []
        self.reached: Change | None = None
        self.position = self.server.cursor
        self.mark = self.server.cursor_mark
        self.remote_last = self.server.remote_last

    def run(self) -> Outcome:
        """Pages until there is nothing new, or the slice is over."""
        try:
            return self._run()
        finally:
            # What was fetched before a failure is safe and counts; the failed one comes again.
            self._flush()

    def _run(self) -> Outcome:
        if self.server.hint_pending:
            self.lease.update(hint_pending=False)
        if self.server.prior_until is None:
            self._first_contact()
        busy = 0.0
        active_until = monotonic() + (LINGER if self.hinted else 0.0)
        while True:
            page = self._page()
            if page.changes:
                self._consume(page)
                busy = monotonic()
                active_until = busy + LINGER
            if self.ready and (
                not page.changes or monotonic() - self.committed > COMMIT_EVERY
            ):  # a pause of the sender: nothing to wait for
                self._flush()
            if monotonic() >= self.deadline:
                self.outcome.more = bool(page.changes) or not page.done
                return self.outcome
            if page.changes and not page.done:
                continue
            if monotonic() >= active_until:
                return self.outcome
            sleep(POLL_BUSY if monotonic() - busy < COMMIT_EVERY * 2 else POLL)

    def _first_contact(self) -> None:
        """What Orthanc holds before we ever asked are priors, not work."""
        last = self.client.last_change() if settings.FIRST_SYNC_AS_PRIORS else 0
        self.lease.update(prior_until=last)
        self.server.prior_until = last

    def _page(self) -> Page:
        # One change is asked for again: if another stands there now, Orthanc was reset.
        since = max(self.position - 1, 0)
        page = self._wait(self.pool.submit(self.client.changes, since, PAGE))
        again = page.changes[0] if page.changes else None
        if again is not None and again.seq == self.position:
            page = Page(page.changes[1:], page.last, page.done)
        else:
            again = None
        if page.last < self.position or (again is not None and self.mark not in ("", again.mark)):
            self._flush()
            log.warning("orthanc was reset, resynchronising", server=self.server.pk)
            self.lease.update(cursor=0, cursor_mark="", prior_until=0, remote_last=page.last)
            self.server.cursor = self.server.prior_until = 0
            self.position, self.mark = 0, ""
            return self._page() if page.last else Page((), page.last, True)
        self.remote_last = max(page.last, self.server.cursor)
        was_ill = bool(self.server.failures or self.server.last_error)
        contact, now = self.server.last_contact_at, timezone.now()
        if contact is None or now - contact > CONTACT_STEP or was_ill:
            self.server.failures, self.server.last_error = 0, ""
            self.server.last_contact_at = now
            self.lease.update(
                last_contact_at=now,
                last_error="",
                failures=0,
                next_attempt_at=None,
                remote_last=self.remote_last,
            )
        return page

    def _wait(self, future: Future[T]) -> T:
        """A future's result; the lease is kept while Orthanc takes its time."""
        while not future.done():
            wait([future], timeout=1.0)
            self.lease.keep()
        return future.result()

    def _consume(self, page: Page) -> None:
        """Fetch, archive and parse a page in order, and index what is ready in batches."""
        waiting = deque(page.changes)
        flying: deque[tuple[Change, Future[ingest.Prepared | None] | None]] = deque()
        stable: list[str] = []
        fetching = 0
        try:
            while waiting or flying:
                while waiting and fetching < IN_FLIGHT and monotonic() < self.deadline:
                    change = waiting.popleft()
                    if change.type == "NewInstance":
                        fetching += 1
                        flying.append((change, self.pool.submit(self._fetch, change.resource)))
                    else:
                        flying.append((change, None))
                if not flying:
                    break
                change, future = flying[0]
                if future is not None:
                    if self.ready and self._is_time_to_commit(future):
                        self._flush()
                    prepared = self._wait(future)
                    fetching -= 1
                    if self.reached and self._crosses(self.reached, change):
                        self._flush()
                    if prepared is not None:
                        self.ready.append(prepared)
                elif change.type == "StableStudy":
                    stable.append(change.resource)
                flying.popleft()
                self.reached = change
                self.position, self.mark = change.seq, change.mark
        finally:
            for _, future in flying:
                if future is not None:
                    future.cancel()
        if stable:
            self._flush()
            self._hasten(stable)

    def _is_time_to_commit(self, following: Future[Any]) -> bool:
        """The first image at once; then in batches, since each costs a transaction and an event."""
        if len(self.ready) >= BATCH:
            return True
        return not following.done() and monotonic() - self.committed > COMMIT_EVERY

    def _crosses(self, before: Change, after: Change) -> bool:
        """Whether the line between priors and work lies between two changes."""
        return self._is_prior(before.seq) != self._is_prior(after.seq)

    def _is_prior(self, seq: int) -> bool:
        return seq <= (self.server.prior_until or 0)

    def _fetch(self, resource: str) -> ingest.Prepared | None:
        """In a pool thread: one instance, archived and parsed. None where it is gone."""
        close_old_connections()
        room.check()
        try:
            payload = self.client.instance(resource, ingest.spool_dir())
        except InstanceTooLarge as error:
            log.error("instance above the limit is left at orthanc", server=self.server.pk)
            return left_behind.too_large(
                server_id=self.server.pk,
                site_id=self.server.site_id,
                resource=resource,
                size=error.size,
            )
        if payload is None:
            return None
        try:
            return ingest.prepare(
                payload, source=f"orthanc:{self.server.pk}", site_id=self.server.site_id
            )
        finally:
            payload.close()

    def _flush(self) -> None:
        """Commit what is ready and move the cursor over it, in one transaction.

        Where another follower has taken over, none of it is written: the other will.
        """
        reached, ready = self.reached, self.ready
        if reached is None:
            return
        self.reached, self.ready = None, []

        def move() -> None:
            self.lease.update(
                cursor=reached.seq,
                cursor_mark=reached.mark,
                remote_last=max(self.remote_last, reached.seq),
            )

        if ready:
            prior = self._is_prior(reached.seq)
            results = ingest.commit(ready, as_prior=prior, also=move)
            self.outcome.stored += sum(result.outcome == "stored" for result in results)
        else:
            move()
        self.server.cursor, self.server.cursor_mark = reached.seq, reached.mark
        self.committed = monotonic()

    def _hasten(self, orthanc_ids: list[str]) -> None:
        wanted = set(orthanc_ids)
        receiving = Study.objects.filter(
            site_id=self.server.site_id, arrival=Arrival.RECEIVING
        ).values_list("id", "patient_id", "study_instance_uid")
        arrival.hasten(
            [pk for pk, patient, uid in receiving if orthanc_study_id(patient, uid) in wanted]
        )


def orthanc_study_id(patient_id: str, study_instance_uid: str) -> str:
    """Orthanc's identifier of a study: SHA-1 of PatientID|StudyInstanceUID, in five groups."""
    digest = hashlib.sha1(f"{patient_id}|{study_instance_uid}".encode()).hexdigest()  # noqa: S324
    return "-".join(digest[i : i + 8] for i in range(0, 40, 8))
