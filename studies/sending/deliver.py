"""Carrying out sends: one slice of work for one destination, by whoever holds its lease."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event, Thread
from time import monotonic
from typing import Any

import structlog
from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Coalesce
from django.utils import timezone

from pacs import audit
from studies import lease as leases
from studies.errors import PermanentError, RetriableError
from studies.models import Instance
from studies.sending.errors import ClaimLost
from studies.sending.lease import Lease, due
from studies.sending.models import OPEN, Destination, Kind, Send, SendItem, State
from studies.sending.node import DicomNode
from studies.sending.peer import Parcel, Peer, Result
from studies.sending.requests import announce
from studies.sending.stow import DicomWebServer
from studies.services.outgoing import dicom_bytes

log = structlog.get_logger(__name__)

SLICE_SECONDS = 30.0
BATCH = 20
BATCH_BYTES = 64 * 2**20
FIRST_PAUSE = 5
LONGEST_PAUSE = 600
LOOK_SECONDS = 0.5


def waiting() -> list[int]:
    """Destinations for which a worker has something to do now; those that work come first."""
    now = timezone.now()
    wanted = Send.objects.filter(
        Q(next_attempt_at=None) | Q(next_attempt_at__lte=now), state__in=OPEN
    )
    return list(
        due()
        .filter(pk__in=wanted.values("destination"))
        .order_by("failures", "id")
        .values_list("id", flat=True)
    )


def give_up() -> None:
    """Sends that did not get through for a day are called failed; none looks under way to a
    destination that was switched off."""
    Send.objects.filter(state=State.SENDING, destination__is_enabled=False).exclude(
        destination__lease_until__gte=timezone.now()
    ).update(state=State.QUEUED)
    stuck = Send.objects.filter(
        Q(destination__failures__gt=0) | Q(destination__is_enabled=False),
        state=State.QUEUED,
        give_up_at__lte=timezone.now(),
    ).select_related("study", "destination")
    for send in stuck:
        why = send.last_error or send.destination.last_error or "The destination is switched off."
        _end(send, {"state": State.QUEUED}, f"Given up after a day. {why}")


def deliver(destination_id: int) -> bool:
    """Work for a destination for half a minute at most. True where more can be done now."""
    lease = Lease.acquire(destination_id)
    if lease is None:
        return False
    deadline = monotonic() + SLICE_SECONDS
    destination = Destination.objects.select_related("orthanc_server").get(pk=destination_id)
    peer: Peer = (
        DicomNode(destination) if destination.kind == Kind.DICOM else DicomWebServer(destination)
    )
    try:
        while monotonic() < deadline:
            lease.update()
            send = claim(lease)
            if send is None:
                return False
            if not _carry_out(send, lease, peer, deadline):
                return False
        return True
    except ClaimLost:
        return False
    finally:
        lease.release()
        peer.close()


def claim(lease: Lease) -> Send | None:
    """The most urgent send that is due, as ours. One left behind by a dead worker counts as due:
    whoever holds the destination's lease is the only one."""
    candidates = (
        Send.objects.filter(
            Q(next_attempt_at=None) | Q(next_attempt_at__lte=timezone.now()),
            destination=lease.pk,
            state__in=OPEN,
        )
        .order_by("study__priority", "id")
        .values_list("pk", flat=True)[:10]
    )
    for pk in candidates:
        with transaction.atomic():
            taken = Send.objects.filter(pk=pk, state__in=OPEN, claim__lte=lease.token).update(
                state=State.SENDING,
                claim=lease.token,
                started_at=Coalesce("started_at", timezone.now()),
            )
            if taken:
                send: Send = Send.objects.select_related("study", "destination", "requester").get(
                    pk=pk
                )
                announce(send)
                return send
    return None


def _carry_out(send: Send, lease: Lease, peer: Peer, deadline: float) -> bool:
    """False where the destination does not work, so that no further send is tried."""
    ours = {"state": State.SENDING, "claim": lease.token}
    try:
        take_stock(send)
        while True:
            parcels = _parcels(send)
            if not parcels:
                if _finish(send, ours):
                    return True
                continue
            if monotonic() >= deadline:
                return True
            _send_batch(send, lease, peer, parcels)
    except ClaimLost:
        return True
    except RetriableError as error:
        _postpone(send, lease, str(error))
        return False
    except PermanentError as error:
        _end(send, ours, str(error))
        return True
    except Exception:
        log.exception("sending failed", send=send.pk, destination=lease.pk)
        _postpone(send, lease, "The portal failed to send; see its log.")
        return False


def take_stock(send: Send) -> int:
    """List the images that are to be sent and are not listed; how many there are in all."""
    images = Instance.objects.filter(series__study=send.study_id)
    if send.series_id is not None:
        images = images.filter(series=send.series_id)
    missing = (
        images.exclude(pk__in=send.items.values("instance"))
        .order_by("series__series_number", "series_id", "instance_number", "id")
        .values_list("id", flat=True)
    )
    SendItem.objects.bulk_create(
        [SendItem(send=send, instance_id=pk) for pk in missing],
        batch_size=500,
        ignore_conflicts=True,
    )
    total = send.items.count()
    Send.objects.filter(pk=send.pk).update(total=total)
    return total


def _parcels(send: Send) -> list[Parcel]:
    """The next batch: a few images, not too large together."""
    items = (
        send.items.filter(state=SendItem.State.WAITING)
        .select_related("instance__series__study")
        .order_by("id")[:BATCH]
    )
    parcels: list[Parcel] = []
    size = 0
    for item in items:
        outgoing = dicom_bytes(item.instance)
        size += outgoing.size
        if parcels and size > BATCH_BYTES:
            break
        parcels.append(Parcel(item.pk, item.instance.sop_instance_uid, outgoing))
    return parcels


def _send_batch(send: Send, lease: Lease, peer: Peer, parcels: list[Parcel]) -> None:
    """Send in a thread of its own while this one keeps the lease and looks for a cancel."""
    results: list[Result] = []
    call = _Call(lambda stop: peer.send(parcels, results, stop))
    try:
        while not call.done(LOOK_SECONDS):
            lease.keep()
            if not Send.objects.filter(pk=send.pk, state=State.SENDING, claim=lease.token).exists():
                raise ClaimLost
    finally:
        call.stop.set()
    if results:
        lease.update(
            failures=0, next_attempt_at=None, last_error="", last_contact_at=timezone.now()
        )
        _write(send, lease, results)
    if call.error is not None:
        raise call.error


class _Call:
    """A call in a daemon thread that can be asked to stop."""

    def __init__(self, call: Callable[[Event], None]) -> None:
        self.error: Exception | None = None
        self.stop = Event()
        self._call = call
        self._thread = Thread(target=self._run, name="send", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._call(self.stop)
        except Exception as error:
            self.error = error

    def done(self, seconds: float) -> bool:
        """Wait so long at most."""
        self._thread.join(seconds)
        return not self._thread.is_alive()


def _write(send: Send, lease: Lease, results: list[Result]) -> None:
    """Mark what has arrived or was refused, if the send is still ours."""
    with transaction.atomic():
        counts: dict[SendItem.State, int] = {}
        for state, reason in {(result.state, result.reason) for result in results}:
            pks = [one.item_id for one in results if (one.state, one.reason) == (state, reason)]
            counts[state] = counts.get(state, 0) + SendItem.objects.filter(
                pk__in=pks, state=SendItem.State.WAITING
            ).update(state=state, reason=reason)
        updated = Send.objects.filter(pk=send.pk, state=State.SENDING, claim=lease.token).update(
            done=F("done") + counts.get(SendItem.State.SENT, 0),
            refused=F("refused") + counts.get(SendItem.State.REFUSED, 0),
            attempts=0,
            last_error="",
        )
        if not updated:
            transaction.set_rollback(True)
        else:
            announce(send)
    if not updated:
        raise ClaimLost


def _postpone(send: Send, lease: Lease, words: str) -> None:
    """The destination does not take images now: pause it, twice as long each time."""
    now = timezone.now()
    failures = Destination.objects.values_list("failures", flat=True).get(pk=lease.pk)
    next_attempt_at = now + leases.pause_after(failures, first=FIRST_PAUSE, longest=LONGEST_PAUSE)
    log.warning("destination failed", destination=lease.pk, send=send.pk, words=words)
    lease.update(failures=F("failures") + 1, next_attempt_at=next_attempt_at, last_error=words)
    with transaction.atomic():
        changed = Send.objects.filter(pk=send.pk, state=State.SENDING, claim=lease.token).update(
            state=State.QUEUED,
            attempts=F("attempts") + 1,
            next_attempt_at=next_attempt_at,
            last_error=words,
        )
        if changed:
            announce(send)


def _finish(send: Send, ours: dict[str, Any]) -> bool:
    """Close a send whose images are all dealt with; False where more have come meanwhile."""
    if take_stock(send) > send.items.exclude(state=SendItem.State.WAITING).count():
        return False
    refused = send.items.filter(state=SendItem.State.REFUSED)
    count = refused.count()
    if count:
        reason = refused.values_list("reason", flat=True)[0]
        images = "image was" if count == 1 else "images were"
        _end(send, ours, f"{count} {images} not taken. {reason}")
    else:
        _end(send, ours, "")
    return True


def _end(send: Send, expected: dict[str, Any], words: str) -> None:
    """Done, or failed with `words`; nothing where the send is no more as `expected`."""
    with transaction.atomic():
        changed = Send.objects.filter(pk=send.pk, **expected).update(
            state=State.FAILED if words else State.DONE,
            last_error=words[:200],
            next_attempt_at=None,
            finished_at=timezone.now(),
        )
        if not changed:
            return
        send.refresh_from_db(fields=["done", "total", "state"])
        audit.record(
            "send.failed" if words else "study.sent",
            actor=send.requester,
            study=send.study,
            outcome="failed" if words else "ok",
            detail={
                "send": send.pk,
                "destination": send.destination_id,
                "series": send.series_id,
                "images": send.done,
                "of": send.total,
            },
        )
        announce(send)
