"""What people do with sends: ask for one, cancel it, try it again."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from pacs import audit, events
from studies.models import Series, Study
from studies.sending.errors import NotPossible
from studies.sending.models import OPEN, Destination, Send, SendItem, State, give_up_at


def announce(send: Send) -> None:
    """Tell listeners of the site that a send has moved."""
    events.publish("delivery.changed", site=send.study.site_id, study=send.study_id, send=send.pk)


def enqueue(destination_id: int) -> None:
    """Have a worker look at the destination once the rows are there."""
    from studies.tasks import deliver

    transaction.on_commit(lambda: deliver.delay(destination_id))


def request_send(
    study: Study, series: Series | None, destination: Destination, *, actor: Any, **where: str
) -> tuple[Send, bool]:
    """A send of a study or one of its series, and whether it is new: an open one is given back.

    `where`: address and session_key for the audit trail. Raises NotPossible.
    """
    if destination.site_id != study.site_id or (series and series.study_id != study.pk):
        raise NotPossible("Study, series and destination do not belong together.")
    if not destination.is_enabled:
        raise NotPossible("This destination is switched off.")
    wanted = Send.objects.filter(
        study=study, series=series, destination=destination, state__in=OPEN
    )
    while True:
        found = wanted.first()
        if found is not None:
            return found, False
        try:
            with transaction.atomic():
                send = Send.objects.create(
                    study=study, series=series, destination=destination, requester=actor
                )
                _record("send.requested", send, actor, where)
                announce(send)
                enqueue(destination.pk)
                return send, True
        except IntegrityError:
            continue  # someone else asked for the same at the same moment


def cancel(send: Send, *, actor: Any, **where: str) -> None:
    """Send no more. What has arrived stays there. Raises NotPossible where it is over."""
    with transaction.atomic():
        changed = Send.objects.filter(pk=send.pk, state__in=OPEN).update(
            state=State.CANCELLED, next_attempt_at=None, finished_at=timezone.now()
        )
        if not changed:
            raise NotPossible("This is over already.")
        _record("send.cancelled", send, actor, where)
        announce(send)
    send.refresh_from_db()


def retry(send: Send, *, actor: Any, **where: str) -> None:
    """Go on with what has not arrived, now. Raises NotPossible where nothing is left to do."""
    try:
        with transaction.atomic():
            changed = (
                Send.objects.filter(pk=send.pk)
                .exclude(state__in=[State.DONE, State.SENDING])
                .update(
                    state=State.QUEUED,
                    refused=0,
                    attempts=0,
                    next_attempt_at=None,
                    give_up_at=give_up_at(),
                    finished_at=None,
                    last_error="",
                )
            )
            if not changed:
                raise NotPossible("There is nothing to try again.")
            send.items.filter(state=SendItem.State.REFUSED).update(
                state=SendItem.State.WAITING, reason=""
            )
            Destination.objects.filter(pk=send.destination_id).update(next_attempt_at=None)
            _record("send.retried", send, actor, where)
            announce(send)
            enqueue(send.destination_id)
    except IntegrityError as error:
        raise NotPossible("The same is being sent already.") from error
    send.refresh_from_db()


def _record(action: str, send: Send, actor: Any, where: dict[str, str]) -> None:
    audit.record(
        action,
        actor=actor,
        study=send.study,
        detail={"send": send.pk, "destination": send.destination_id, "series": send.series_id},
        **where,
    )
