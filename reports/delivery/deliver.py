"""Carrying out deliveries: one slice of work at one place, by whoever holds its lease."""

from __future__ import annotations

from time import monotonic
from typing import Any

import structlog
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from reports.delivery import planning, registry, rows
from reports.delivery.lease import Lease, LeaseLost
from reports.delivery.models import OPEN, Delivery, DeliveryPlace, DeliveryState
from reports.errors import PermanentError, RetriableError
from studies import lease as leases

log = structlog.get_logger(__name__)

SLICE_SECONDS = 30.0
FIRST_PAUSE = 5.0
LONGEST_PAUSE = 600.0
RELATED = ("version__report__study", "version__report__site", "place", "requester")
FAILED_HERE = "The portal failed to deliver; see its log."
TO_SEND = (DeliveryState.QUEUED, DeliveryState.SENDING)


def _due_now() -> Q:
    return Q(next_attempt_at=None) | Q(next_attempt_at__lte=timezone.now())


def waiting() -> list[int]:
    """Places at which a worker has something to do now; those that work come first."""
    wanted = Delivery.objects.filter(_due_now(), state__in=TO_SEND)
    return list(
        Lease.due()
        .filter(pk__in=wanted.values("place"))
        .order_by("failures", "id")
        .values_list("id", flat=True)
    )


def give_up() -> None:
    """What did not get through in days is called failed; nothing looks under way at a place that
    was switched off."""
    now = timezone.now()
    stopped = Delivery.objects.filter(state=DeliveryState.SENDING, place__is_enabled=False).exclude(
        place__lease_until__gte=now
    )
    if stopped.exists():
        stopped.update(state=DeliveryState.QUEUED, may_have_arrived=True)
    stuck = Delivery.objects.filter(state=DeliveryState.QUEUED, give_up_at__lte=now)
    for delivery in stuck.select_related(*RELATED)[:500]:
        why = delivery.why or "It never got through."
        rows.end(
            delivery, {"state": DeliveryState.QUEUED}, DeliveryState.FAILED, f"Given up. {why}"
        )


def deliver(place_id: int) -> bool:
    """Work at a place for half a minute at most. True where more can be done now."""
    lease = Lease.acquire(place_id)
    if lease is None:
        return False
    deadline = monotonic() + SLICE_SECONDS
    try:
        while monotonic() < deadline:
            lease.update()
            delivery = claim(lease)
            if delivery is None:
                return False
            if not _carry_out(delivery, lease):
                return False
        return True
    except LeaseLost:
        return False
    finally:
        lease.release()


def claim(lease: Lease) -> Delivery | None:
    """The most urgent delivery that is due, as ours. One left behind by a dead worker counts as
    due: whoever holds the place's lease is the only one. Versions of a report go in their order.
    """
    candidates = Delivery.objects.filter(
        _due_now(), place=lease.pk, state__in=TO_SEND, lease_token__lte=lease.token
    ).order_by("version__report__study__priority", "id")
    for delivery in candidates.select_related(*RELATED)[:50]:
        if _older_is_open(delivery) or planning.supersede_late(delivery):
            continue
        left_behind = delivery.state == DeliveryState.SENDING
        with transaction.atomic():
            taken = Delivery.objects.filter(
                pk=delivery.pk, state=delivery.state, lease_token=delivery.lease_token
            ).update(
                state=DeliveryState.SENDING,
                lease_token=lease.token,
                may_have_arrived=delivery.may_have_arrived or left_behind,
            )
            if taken:
                delivery.refresh_from_db(fields=["state", "lease_token", "may_have_arrived"])
                rows.announce(delivery)
                found: Delivery = delivery
                return found
    return None


def _older_is_open(delivery: Delivery) -> bool:
    return Delivery.objects.filter(
        place=delivery.place_id,
        version__report=delivery.version.report_id,
        target=delivery.target,
        pk__lt=delivery.pk,
        state__in=OPEN,
    ).exists()


def _carry_out(delivery: Delivery, lease: Lease) -> bool:
    """False where the place does not work, so that nothing further is tried there."""
    ours = {"state": DeliveryState.SENDING, "lease_token": lease.token}
    transport = registry.find(delivery.transport)
    if transport is None:
        rows.end(delivery, ours, DeliveryState.FAILED, rows.GONE)
        return True
    try:
        with lease.kept():
            outcome = transport.deliver(delivery)
    except PermanentError as error:
        rows.end(delivery, ours, DeliveryState.FAILED, error.words, **_uncertain(error))
    except RetriableError as error:
        return _postpone(delivery, lease, ours, error)
    except Exception:
        log.exception("delivery failed", delivery=delivery.pk, transport=delivery.transport)
        return _postpone(delivery, lease, ours, RetriableError(FAILED_HERE))
    else:
        _close(delivery, ours, outcome)
    lease.update(failures=0, next_attempt_at=None, last_error="", last_contact_at=timezone.now())
    return True


def _uncertain(error: PermanentError | RetriableError) -> dict[str, Any]:
    return {"may_have_arrived": True} if error.detail.get("uncertain") else {}


def _close(delivery: Delivery, ours: dict[str, Any], outcome: registry.Outcome) -> None:
    """Done, or with somebody else; where it was cancelled meanwhile that is said as well."""
    if outcome.is_done:
        values = {"reference": outcome.reference[:120], "progress": outcome.progress[:120]}
        if rows.end(delivery, ours, DeliveryState.DONE, may_have_arrived=True, **values):
            return
    else:
        with transaction.atomic():
            changed = Delivery.objects.filter(pk=delivery.pk, **ours).update(
                state=DeliveryState.HANDED_OVER,
                reference=outcome.reference[:120],
                progress=outcome.progress[:120],
                last_error="",
                next_attempt_at=None,
            )
            if changed:
                rows.announce(delivery)
                return
    _came_too_late(delivery, outcome)


def _came_too_late(delivery: Delivery, outcome: registry.Outcome) -> None:
    """Somebody cancelled it while it was sent."""
    delivery.reference = outcome.reference[:120]
    transport = registry.find(delivery.transport)
    taken_back = not outcome.is_done and transport is not None and transport.cancel(delivery)
    Delivery.objects.filter(pk=delivery.pk, state=DeliveryState.CANCELLED).update(
        reference=delivery.reference, may_have_arrived=not taken_back
    )


def _postpone(
    delivery: Delivery, lease: Lease, ours: dict[str, Any], error: RetriableError
) -> bool:
    """Pause the delivery, twice as long each time; and the place, where it is the one in trouble.

    True where the place works.
    """
    whole_place = bool(error.detail.get("whole_place"))
    failures = lease_failures(lease.pk) if whole_place else delivery.attempts
    pause = leases.pause_after(failures, first=FIRST_PAUSE, longest=LONGEST_PAUSE)
    at = timezone.now() + pause
    log.warning("delivery postponed", delivery=delivery.pk, place=lease.pk, words=error.words)
    if whole_place:
        lease.update(failures=F("failures") + 1, next_attempt_at=at, last_error=error.words[:300])
    back_to_queue(delivery, ours, error, at)
    return not whole_place


def lease_failures(place_id: int) -> int:
    """How often in a row the place has failed."""
    return DeliveryPlace.objects.values_list("failures", flat=True).get(pk=place_id)


def back_to_queue(
    delivery: Delivery, expected: dict[str, Any], error: RetriableError, at: Any
) -> bool:
    """Try it again at `at`, if it still is as `expected`."""
    with transaction.atomic():
        changed = Delivery.objects.filter(pk=delivery.pk, **expected).update(
            state=DeliveryState.QUEUED,
            attempts=F("attempts") + 1,
            next_attempt_at=at,
            reference="",
            progress="",
            last_error=error.words[:300],
            **_uncertain(error),
        )
        if changed:
            rows.announce(delivery)
    return bool(changed)
