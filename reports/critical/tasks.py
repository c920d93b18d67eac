"""Celery tasks of critical results; what is lost the sweep does again."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from reports.critical import sweep


@shared_task(name="reports.critical_tell", ignore_result=True)
def tell(result_id: int) -> None:
    """Tell the recipient of one result."""
    sweep.tell(result_id)


@shared_task(name="reports.critical_sweep", ignore_result=True)
def critical_sweep() -> None:
    """Whoever has not been told yet, and whatever is overdue."""
    now = timezone.now()
    for result_id in sweep.untold(now):
        sweep.tell(result_id)
    sweep.escalate(now)
