"""Critical results and what happened with them."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone

from pacs.accounts.models import Site
from studies.managers import OfStudyQuerySet
from studies.models import Study


class CriticalState(models.TextChoices):
    OPEN = "open", "To be told"
    NOTIFIED = "notified", "Told, not acknowledged"
    ESCALATED = "escalated", "Escalated"
    ACKNOWLEDGED = "acknowledged", "Acknowledged"
    CLOSED = "closed", "Closed"


WAITING = (CriticalState.OPEN, CriticalState.NOTIFIED, CriticalState.ESCALATED)
"""States that somebody still has to answer."""


class CriticalResult(models.Model):
    """A finding that cannot wait. Closed by an acknowledgement, or by a person with a reason."""

    class Level(models.IntegerChoices):
        MINUTES = 0, "Within minutes"
        HOURS = 1, "Within hours"
        DAYS = 2, "Within days"

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="critical_results")
    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="critical_results")
    report = models.ForeignKey(
        "reports.Report", on_delete=models.PROTECT, null=True, related_name="critical_results"
    )
    finding = models.CharField(max_length=1000)
    level = models.PositiveSmallIntegerField(choices=Level, default=Level.MINUTES)
    state = models.CharField(max_length=12, choices=CriticalState, default=CriticalState.OPEN)
    marked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    marked_at = models.DateTimeField(default=timezone.now)
    recipient = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    due_at = models.DateTimeField(help_text="Not acknowledged by then: escalated")
    escalations = models.PositiveSmallIntegerField(default=0)
    told_at = models.DateTimeField(null=True)
    lease_until = models.DateTimeField(
        null=True, help_text="Somebody tells it, or waits to try again"
    )
    acknowledged_by_name = models.CharField(max_length=160, blank=True)
    acknowledged_at = models.DateTimeField(null=True)
    read_back = models.CharField(max_length=1000, blank=True)
    closed_at = models.DateTimeField(null=True)

    objects = OfStudyQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [models.Index(fields=["state", "due_at"], name="critical_due")]

    def __str__(self) -> str:
        return f"critical result {self.pk}"


class CriticalStep(models.TextChoices):
    MARKED = "marked", "Marked critical"
    TOLD = "told", "Told"
    NOT_TOLD = "not_told", "Could not be told"
    ESCALATED = "escalated", "Not acknowledged in time: escalated"
    ESCALATION = "escalation", "Escalation"
    ACKNOWLEDGED = "acknowledged", "Acknowledged"
    CLOSED = "closed", "Closed"
    WITHDRAWN = "withdrawn", "Report withdrawn"


class CriticalEvent(models.Model):
    """Each step of a critical result: told whom, by which way, escalated, acknowledged, closed."""

    result = models.ForeignKey(CriticalResult, on_delete=models.PROTECT, related_name="events")
    at = models.DateTimeField(default=timezone.now)
    what = models.CharField(max_length=20, choices=CriticalStep)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    detail = models.CharField(max_length=1000, blank=True)

    class Meta:
        ordering: ClassVar = ["id"]

    def __str__(self) -> str:
        return f"{self.what} of critical result {self.result_id}"
