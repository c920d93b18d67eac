"""What people do with deliveries: ask for one, cancel it, try it again."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from reports.delivery import places, planning, registry, rows
from reports.delivery.models import Delivery, DeliveryPlace, DeliveryState
from reports.errors import PermanentError, Refused
from reports.models import Report, ReportState
from reports.output.access import newest_of

OVER = "This is over already."
NOTHING = "There is nothing to try again."
UNSIGNED = "Nothing of this report is signed yet."
WITHDRAWN = "This report is withdrawn: it goes nowhere any more."
NO_PLACE = "There is no such place at this site."


@dataclass(frozen=True, slots=True)
class Choice:
    """A place to choose: `value` names it in forms and in the API."""

    value: str
    transport: str
    title: str
    label: str


def choices(site_id: int) -> list[Choice]:
    """Where people may send reports of a site."""
    found = []
    for name, transport in registry.everything():
        for target in transport.targets(site_id):
            found.append(Choice(_value(name, target), name, transport.title, target.label))
    return found


def _value(transport: str, target: registry.Target) -> str:
    return f"{transport}:{rows.key_of(transport, target.data)[:16]}"


def send(report: Report, value: str, *, actor: Any, **where: str) -> Delivery:
    """Send the newest version to a place of `choices`, again where it has been there.

    `where`: address and session_key for the audit trail. Raises Refused.
    """
    version = newest_of(report)
    if version is None:
        raise Refused(UNSIGNED)
    if report.state == ReportState.WITHDRAWN:
        raise Refused(WITHDRAWN)
    name, _, _ = value.partition(":")
    transport = registry.find(name)
    targets = transport.targets(report.site_id) if transport is not None else []
    target = next((each for each in targets if _value(name, each) == value), None)
    if target is None:
        raise Refused(NO_PLACE)
    version.report = report
    with transaction.atomic():
        delivery, _ = rows.create(
            version, name, target.data, requester=actor, again=uuid.uuid4().hex, where=where
        )
    return delivery


def cancel(delivery: Delivery, *, actor: Any, **where: str) -> None:
    """Deliver it no more. What has arrived stays there. Raises Refused where it is over."""
    with transaction.atomic():
        if delivery.state == DeliveryState.SENDING:
            # Nobody knows how far it is.
            expected = {"state": DeliveryState.SENDING, "lease_token": delivery.lease_token}
            done = rows.end(delivery, expected, DeliveryState.CANCELLED, may_have_arrived=True)
        else:
            done = delivery.is_open and planning.cancel_open(delivery, "")
        if not done:
            raise Refused(OVER)
        rows.record("delivery.cancel", delivery, actor, **where)
    delivery.refresh_from_db()


def retry(delivery: Delivery, *, actor: Any, **where: str) -> None:
    """Try again now. Raises Refused where nothing is left to do or it is out of date."""
    transport = registry.find(delivery.transport)
    if transport is None:
        raise Refused(rows.GONE)
    if delivery.is_recall and transport.recall_words:
        raise Refused(transport.recall_words)
    if not delivery.is_recall and not planning.is_newest(delivery.version):
        raise Refused("A newer version was signed: send that one.")
    try:
        target = transport.describe(delivery.site_id, delivery.target)
    except PermanentError as error:
        raise Refused(error.words) from error
    with transaction.atomic():
        changed = (
            Delivery.objects.filter(
                pk=delivery.pk,
                state__in=(DeliveryState.QUEUED, DeliveryState.FAILED, DeliveryState.CANCELLED),
            )
        ).update(
            state=DeliveryState.QUEUED,
            # Of one that ended, the next try is a new one for whoever keeps a journal.
            attempts=delivery.attempts + (not delivery.is_open),
            next_attempt_at=None,
            give_up_at=rows.give_up_at(),
            finished_at=None,
            last_error="",
            reference="",
            progress="",
            label=target.label[:160],
            place=places.place_of(delivery.site_id, delivery.transport, target),
        )
        if not changed:
            raise Refused(NOTHING)
        DeliveryPlace.objects.filter(pk=delivery.place_id).update(next_attempt_at=None)
        rows.record("delivery.retry", delivery, actor, **where)
        rows.announce(delivery)
        rows.enqueue(delivery.place_id)
    delivery.refresh_from_db()
