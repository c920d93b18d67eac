"""Deliveries, and the rules by which they are made."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from pacs.accounts.models import Site
from reports.managers import ReportQuerySet


class DeliveryState(models.TextChoices):
    QUEUED = "queued", "Waiting"
    SENDING = "sending", "Sending"
    HANDED_OVER = "handed_over", "Handed over"
    DONE = "done", "Delivered"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"


OPEN = (DeliveryState.QUEUED, DeliveryState.SENDING, DeliveryState.HANDED_OVER)


class DeliveryQuerySet(ReportQuerySet):
    """Deliveries; for those who see the site whole, no referrers."""

    def visible_to(self, who: object) -> DeliveryQuerySet:
        from pacs.accounts.principal import principal_or_none

        principal = principal_or_none(who)
        if principal is None:
            return self.none()
        return self if principal.is_superuser else self.filter(site_id__in=principal.whole_sites)


class Delivery(models.Model):
    """One version on one way to one place. `target` is what the transport needs, no secrets.

    `handed_over`: somebody else (a site agent) has it and will say how it ended; `reference` is
    what they call it. `key` makes planning idempotent: the same version, transport and target once
    unless a person asks again.
    """

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="deliveries")
    version = models.ForeignKey(
        "reports.ReportVersion", on_delete=models.PROTECT, related_name="deliveries"
    )
    transport = models.CharField(max_length=20)
    target = models.JSONField(default=dict)
    label = models.CharField(max_length=160, help_text="Where it goes, in words")
    is_recall = models.BooleanField(default=False)
    key = models.CharField(max_length=64)
    state = models.CharField(max_length=12, choices=DeliveryState, default=DeliveryState.QUEUED)
    attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True)
    give_up_at = models.DateTimeField()
    lease_token = models.BigIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)
    reference = models.CharField(max_length=120, blank=True)
    progress = models.CharField(max_length=120, blank=True, help_text="In words, while it goes on")
    last_error = models.CharField(max_length=300, blank=True)
    requester = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True)

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "deliveries"
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["version", "key"], name="delivery_once"),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["next_attempt_at", "id"],
                condition=Q(state__in=["queued", "sending", "handed_over"]),
                name="delivery_open",
            ),
        ]

    def __str__(self) -> str:
        return f"delivery {self.pk}"


class DeliveryRule(models.Model):
    """What a site does with each version that is signed: where it goes by itself."""

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="delivery_rules")
    name = models.CharField(max_length=120)
    transport = models.CharField(max_length=20)
    target = models.JSONField(default=dict, blank=True)
    modalities = models.JSONField(default=list, blank=True, help_text="Empty: every")
    on_preliminary = models.BooleanField(default=False)
    on_final = models.BooleanField(default=True)
    on_addendum = models.BooleanField(default=True)
    is_enabled = models.BooleanField(default=True)

    class Meta:
        ordering: ClassVar = ["site", "name"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["site", "name"], name="delivery_rule_once"),
        ]

    def __str__(self) -> str:
        return self.name
