"""`/metrics` for Prometheus: Django's own, by process, and the portal's, the same in each."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import structlog
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.http import require_GET
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from pacs.health import queues

log = structlog.get_logger(__name__)
Source = Callable[[], Iterable[GaugeMetricFamily]]
_sources: list[Source] = []


def register(source: Source) -> None:
    """Have `/metrics` tell what `source` answers. No label names a patient."""
    _sources.append(source)


def _queues() -> Iterable[GaugeMetricFamily]:
    gauge = GaugeMetricFamily("lightbox_queue_depth", "Messages that wait", labels=["queue"])
    for name, waiting in queues.depths().items():
        gauge.add_metric([name], waiting)
    yield gauge


register(_queues)


class Own(Collector):
    """What the sources say now; one that fails is counted, and takes no other with it."""

    def collect(self) -> Iterable[GaugeMetricFamily]:
        failed = 0
        for source in _sources:
            try:
                yield from list(source())
            except Exception as error:
                failed += 1
                log.error("metrics failed", error=type(error).__name__)
        yield GaugeMetricFamily("lightbox_metrics_failed", "Sources that failed", value=failed)


@require_GET
def metrics(request: HttpRequest) -> HttpResponse:
    """404 but for who shows PACS_METRICS_TOKEN."""
    shown = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if not settings.METRICS_TOKEN or not constant_time_compare(shown, settings.METRICS_TOKEN):
        raise Http404
    own = CollectorRegistry()
    own.register(Own())
    return HttpResponse(
        generate_latest(REGISTRY) + generate_latest(own), content_type=CONTENT_TYPE_LATEST
    )
