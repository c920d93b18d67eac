"""Orthanc, backup and documents as numbers for `/metrics`."""

from __future__ import annotations

from collections.abc import Iterable

from django.conf import settings
from django.utils import timezone
from prometheus_client.core import GaugeMetricFamily

from studies.backup import health
from studies.documents import health as documents_health
from studies.models import OrthancServer


def orthanc() -> Iterable[GaugeMetricFamily]:
    lag = GaugeMetricFamily("lightbox_orthanc_lag", "Changes not yet followed", labels=["server"])
    failures = GaugeMetricFamily(
        "lightbox_orthanc_failures", "Failed tries in a row", labels=["server"]
    )
    for server in OrthancServer.objects.filter(is_enabled=True):
        lag.add_metric([server.slug], server.lag)
        failures.add_metric([server.slug], server.failures)
    yield lag
    yield failures


def backup() -> Iterable[GaugeMetricFamily]:
    lag = health.lag()
    since = lag["since"]
    age = (timezone.now() - since).total_seconds() if since else 0.0
    yield GaugeMetricFamily("lightbox_backup_waiting", "Files to back up", value=lag["waiting"])
    yield GaugeMetricFamily("lightbox_backup_failed", "Files that failed", value=lag["failed"])
    yield GaugeMetricFamily("lightbox_backup_lag_seconds", "Age of the oldest", value=age)


def documents() -> Iterable[GaugeMetricFamily]:
    if not settings.MONGODB_URL:
        return
    lag = documents_health.lag()
    since = lag["since"]
    age = (timezone.now() - since).total_seconds() if since else 0.0
    for name, words, value in (
        ("waiting", "Documents to deliver to MongoDB", lag["waiting"]),
        ("kept", "Documents that MongoDB cannot hold", lag["kept"]),
        ("lag_seconds", "Age of the oldest", age),
        ("failures", "Failed tries in a row", documents_health.row().failures),
    ):
        yield GaugeMetricFamily(f"lightbox_documents_{name}", words, value=value)
