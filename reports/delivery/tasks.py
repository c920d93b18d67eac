"""Tasks of deliveries: each calls a service, and leaves the rest to the rows and the sweep."""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from reports.delivery import deliver as delivering
from reports.delivery import following


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
