"""What only a worker of tests does."""

from __future__ import annotations

from celery import shared_task

from pacs import events


@shared_task(name="tests.publish", ignore_result=True)
def publish(site: int, count: int) -> None:
    """So many events, as a worker publishes them."""
    for _ in range(count):
        events.publish("study.changed", site=site, study=None)
