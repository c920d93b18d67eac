"""Tasks of deliveries: each calls a service, and leaves the rest to the rows and the sweep."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from celery import shared_task
from celery.signals import worker_ready
from django.utils import timezone

from reports.delivery import deliver as delivering
from reports.delivery import following
from reports.output import pdf


@worker_ready.connect(dispatch_uid="reports.delivery.typesetter")
def warm_typesetter(sender: Any = None, **_: Any) -> None:
    """The worker that delivers makes PDFs: the first report does not wait for the fonts."""
    if sender is not None and "deliver" in sender.app.amqp.queues.consume_from:
        pdf.warm()


@shared_task(name="reports.deliver", ignore_result=True)
def deliver(place_id: int) -> None:
    """A slice of delivering at one place; enqueues the next where there is more."""
    if delivering.deliver(place_id):
        deliver.delay(place_id)


@shared_task(name="reports.deliver_sweep", ignore_result=True)
def deliver_sweep() -> None:
    """Every place with something to do that nobody works at: lost tasks end here."""
    delivering.give_up()
    following.sweep()
    soon = timezone.now() + timedelta(seconds=10)
    for place_id in delivering.waiting():
        deliver.apply_async((place_id,), expires=soon)


@shared_task(name="reports.follow_delivery", ignore_result=True)
def follow_delivery(delivery_id: int) -> None:
    """Whoever has the delivery says that something has happened with it."""
    following.follow(delivery_id)
