"""Heartbeat and housekeeping, both by beat."""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task
from django.contrib.sessions.models import Session
from django.utils import timezone

from pacs.audit.models import ReadWindow
from pacs.events.models import SiteEvent
from pacs.health.models import Heartbeat


@shared_task(name="health.heartbeat")
def heartbeat() -> None:
    """Says that beat, broker and worker all work."""
    Heartbeat.objects.update_or_create(name="worker", defaults={"at": timezone.now()})


@shared_task(name="health.housekeeping")
def housekeeping() -> None:
    """Deletes what has served its purpose: old events, read windows, expired sessions."""
    now = timezone.now()
    SiteEvent.objects.filter(at__lt=now - timedelta(days=1)).delete()
    ReadWindow.objects.filter(started_at__lt=now - timedelta(hours=1)).delete()
    Session.objects.filter(expire_date__lt=now).delete()
