"""Every change of a delivery's state, with its event and its line in the audit trail."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from pacs import audit, events
from reports import document
from reports.delivery import places, registry
from reports.delivery.models import Delivery, DeliveryState
from reports.errors import PermanentError
from reports.models import ReportVersion

GONE = "This way of delivery is no longer there."


def give_up_at() -> Any:
    """When a delivery that is asked for now is called failed if it never gets through."""
    return timezone.now() + timedelta(days=settings.DELIVERY_GIVE_UP_DAYS)


def key_of(transport: str, data: dict[str, Any], *, recall: bool = False, again: str = "") -> str:
    """What makes the same delivery the same: transport, target, and which time it is asked for."""
    text = document.canonical([transport, data, recall, again])
    return hashlib.sha256(text).hexdigest()


def announce(delivery: Delivery) -> None:
    """Tell listeners of the site that a delivery has moved."""
    report = delivery.version.report
    events.publish(
        "delivery.changed",
        site=delivery.site_id,
        study=report.study_id,
        delivery=delivery.pk,
        report=report.pk,
    )


def create(
    version: ReportVersion,
    transport: str,
    data: dict[str, Any],
    *,
    requester: Any,
    recall: bool = False,
    again: str = "",
    where: Mapping[str, str] | None = None,
) -> tuple[Delivery, bool]:
    """A delivery in the caller's transaction, and whether it is new.

    One whose target is gone, or that this transport cannot carry out, is made as a failed one: it
    is seen. Nothing here raises for it: a report is signed whatever its deliveries do.
    """
    problem = ""
    found = registry.find(transport)
    target = places.NOWHERE
    if found is None:
        problem = GONE
    else:
        try:
            target = found.describe(version.report.site_id, data)
        except PermanentError as error:
            problem = error.words
        if recall and found.recall_words:
            problem = found.recall_words
    failed = {"state": DeliveryState.FAILED, "finished_at": timezone.now()} if problem else {}
    try:
        with transaction.atomic():
            delivery = Delivery.objects.create(
                site_id=version.report.site_id,
                version=version,
                transport=transport,
                place=places.place_of(version.report.site_id, transport, target),
                target=data,
                label=target.label[:160],
                is_recall=recall,
                key=key_of(transport, data, recall=recall, again=again),
                give_up_at=give_up_at(),
                last_error=problem[:300],
                requester=requester,
                **failed,
            )
    except IntegrityError:
        return Delivery.objects.get(
            version=version, key=key_of(transport, data, recall=recall, again=again)
        ), False
    record("delivery.requested", delivery, requester, **(where or {}))
    announce(delivery)
    if not problem:
        enqueue(delivery.place_id)
    return delivery, True


def enqueue(place_id: int) -> None:
    """Have a worker look at the place once the rows are there."""
    from reports.delivery.tasks import deliver

    transaction.on_commit(lambda: deliver.delay(place_id))


def end(
    delivery: Delivery,
    expected: dict[str, Any],
    state: DeliveryState,
    words: str = "",
    **values: Any,
) -> bool:
    """Close a delivery that is still as `expected`; False where it is not."""
    with transaction.atomic():
        changed = Delivery.objects.filter(pk=delivery.pk, **expected).update(
            state=state,
            last_error=words[:300],
            next_attempt_at=None,
            lease_until=None,
            finished_at=timezone.now(),
            **values,
        )
        if not changed:
            return False
        delivery.refresh_from_db()
        done = state == DeliveryState.DONE
        record(
            f"delivery.{state}",
            delivery,
            delivery.requester,
            outcome="ok" if done else "failed" if state == DeliveryState.FAILED else "refused",
        )
        announce(delivery)
    return True


def record(
    action: str, delivery: Delivery, actor: Any, *, outcome: str = "ok", **where: str
) -> None:
    """A line in the audit trail; the target is named by its row."""
    version = delivery.version
    audit.record(
        action,
        actor=actor,
        study=version.report.study,
        outcome=outcome,
        detail={
            "delivery": delivery.pk,
            "report": version.report_id,
            "version": version.number,
            "transport": delivery.transport,
            "place": delivery.place_id,
            "recall": delivery.is_recall,
        },
        **where,
    )
