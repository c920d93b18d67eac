"""Celery tasks of the reports, from the packages they belong to."""

from __future__ import annotations

from reports.critical.tasks import critical_sweep, tell
from reports.delivery.tasks import deliver, deliver_sweep, follow_delivery

__all__ = ["critical_sweep", "deliver", "deliver_sweep", "follow_delivery", "tell"]
