"""Heartbeat and housekeeping, both by beat."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import structlog
from celery import shared_task
from django.conf import settings
from django.contrib.sessions.models import Session
from django.utils import timezone

from pacs.audit.models import ReadWindow
from pacs.events.models import SiteEvent
from pacs.health import cache
from pacs.health.models import Heartbeat

log = structlog.get_logger(__name__)


@shared_task(name="health.heartbeat")
def heartbeat() -> None:
    """Says that beat, broker and worker all work."""
    Heartbeat.objects.update_or_create(name="worker", defaults={"at": timezone.now()})


@shared_task(name="health.bound_cache", ignore_result=True)
def bound_cache() -> None:
    """Keeps thumbnails, renderings and metadata within PACS_CACHE_BYTES."""
    removed = cache.bound(Path(settings.CACHE_DIR), settings.CACHE_BYTES)
    if removed:
        log.info("cache files removed", bytes=removed)


@shared_task(name="health.housekeeping")
def housekeeping() -> None:
    """Deletes what has served its purpose: old events, read windows, expired sessions."""
    now = timezone.now()
    SiteEvent.objects.filter(at__lt=now - timedelta(days=1)).delete()
    ReadWindow.objects.filter(started_at__lt=now - timedelta(hours=1)).delete()
    Session.objects.filter(expire_date__lt=now).delete()
