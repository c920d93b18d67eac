"""Deliveries that somebody else has: asked after until they end."""

from __future__ import annotations

from datetime import timedelta

import structlog
from django.db.models import Q
from django.utils import timezone

from reports.delivery import registry, rows
from reports.delivery.deliver import (
    FIRST_PAUSE,
    LONGEST_PAUSE,
    RELATED,
    back_to_queue,
)
from reports.delivery.models import Delivery, DeliveryState
from reports.errors import PermanentError, RetriableError
from studies import lease as leases

log = structlog.get_logger(__name__)

# Asked after with every sweep at first, then seldom: its end is told by whoever has it.
OFTEN_FOR = timedelta(minutes=5)
SELDOM = timedelta(seconds=30)
AT_ONCE = 200


def sweep() -> None:
    """Ask after those whose turn it is."""
    now = timezone.now()
    rows_due = Delivery.objects.filter(
        Q(next_attempt_at=None) | Q(next_attempt_at__lte=now), state=DeliveryState.HANDED_OVER
    ).order_by("next_attempt_at", "id")
    for number in list(rows_due.values_list("pk", flat=True)[:AT_ONCE]):
        follow(number)


def follow(delivery_id: int) -> None:
    """Ask how a delivery stands, and write what is new."""
    delivery = (
        Delivery.objects.filter(pk=delivery_id, state=DeliveryState.HANDED_OVER)
        .select_related(*RELATED)
        .first()
    )
    transport = registry.find(delivery.transport) if delivery is not None else None
    if delivery is None or transport is None:
        return
    expected = {"state": DeliveryState.HANDED_OVER, "reference": delivery.reference}
    try:
        outcome = transport.progress(delivery)
    except PermanentError as error:
        uncertain = bool(error.detail.get("uncertain"))
        state = DeliveryState.CANCELLED if error.detail.get("cancelled") else DeliveryState.FAILED
        rows.end(delivery, expected, state, error.words, may_have_arrived=uncertain)
        return
    except RetriableError as error:
        pause = leases.pause_after(delivery.attempts, first=FIRST_PAUSE, longest=LONGEST_PAUSE)
        back_to_queue(delivery, expected, error, timezone.now() + pause)
        return
    if outcome.is_done:
        rows.end(
            delivery,
            expected,
            DeliveryState.DONE,
            progress=outcome.progress[:120],
            may_have_arrived=True,
        )
        return
    now = timezone.now()
    fresh = now - delivery.created_at < OFTEN_FOR
    changed = Delivery.objects.filter(pk=delivery.pk, **expected).update(
        progress=outcome.progress[:120], next_attempt_at=now if fresh else now + SELDOM
    )
    if changed and outcome.progress[:120] != delivery.progress:
        rows.announce(delivery)
