"""Celery tasks of the reports, from the packages they belong to."""

from __future__ import annotations

from reports.delivery.tasks import deliver, deliver_sweep, follow_delivery

__all__ = ["deliver", "deliver_sweep", "follow_delivery"]
