"""The panel of report deliveries on the status page."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Count, Min, Q
from django.urls import reverse
from django.utils import timezone

from reports.delivery.models import OPEN, Delivery, DeliveryState
from studies.status.registry import Level, Line, Panel, Reach

DAYS = 7


def panel(reach: Reach) -> Panel:
    found = reach.within(Delivery.objects.all()).aggregate(
        waiting=Count("id", filter=Q(state__in=OPEN)),
        since=Min("created_at", filter=Q(state__in=OPEN)),
        failed=Count(
            "id",
            filter=Q(
                state=DeliveryState.FAILED, finished_at__gt=timezone.now() - timedelta(days=DAYS)
            ),
        ),
    )
    failed = found["failed"]
    return Panel(
        "deliveries",
        "Report deliveries",
        [
            Line(
                "Deliveries",
                Level.WARN if failed else Level.OK,
                "Some failed" if failed else "In order",
                facts=(
                    ("On their way", found["waiting"]),
                    ("Oldest", found["since"] or "none"),
                    (f"Failed in {DAYS} days", failed),
                ),
                link=reverse("deliveries"),
            )
        ],
    )
