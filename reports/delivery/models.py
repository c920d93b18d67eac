"""Deliveries, the places they go to, and the rules by which they are made."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from pacs.accounts.models import Site
from pacs.accounts.principal import principal_or_none
from pacs.crypto import EncryptedTextField
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
        principal = principal_or_none(who)
        if principal is None:
            return self.none()
        return self if principal.is_superuser else self.filter(site_id__in=principal.whole_sites)


class DeliveryPlace(models.Model):
    """Where deliveries of one site go by one transport, and how the place does.

    Some are entered by an administrator (`settings`, `secret`); of what the portal knows already,
    such as a printer or an Orthanc, a row is made with the first delivery. Whoever holds the lease
    is the only worker at the place; `failures` in a row pause it for ever longer.
    """

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="delivery_places")
    transport = models.CharField(max_length=20)
    key = models.CharField(max_length=220, blank=True, editable=False)
    name = models.CharField(max_length=160)
    settings = models.JSONField(default=dict, blank=True)
    secret = EncryptedTextField(blank=True)
    is_enabled = models.BooleanField(default=True)

    lease_token = models.BigIntegerField(default=0, editable=False)
    lease_until = models.DateTimeField(null=True, editable=False)
    failures = models.PositiveIntegerField(default=0, editable=False)
    next_attempt_at = models.DateTimeField(null=True, editable=False)
    last_contact_at = models.DateTimeField(null=True, editable=False)
    last_error = models.CharField(max_length=300, blank=True, editable=False)

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["site", "transport", "name"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["site", "transport", "key"], name="delivery_place_once"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        """An entered place gets a key of its own."""
        self.key = self.key or f"own:{uuid.uuid4().hex}"
        super().save(*args, **kwargs)

    @property
    def is_entered(self) -> bool:
        """Whether an administrator entered it."""
        return self.key.startswith("own:")


class Delivery(models.Model):
    """One version on one way to one place. `target` is what the transport needs, no secrets.

    `handed_over`: somebody else (a site agent) has it and will say how it ended; `reference` is
    what they call it. `key` makes planning idempotent: the same version, transport and target once
    unless a person asks again. `may_have_arrived`: what was withdrawn is called back from there
    too. Rows that are being sent are held by their place's lease; `lease_token` says whose they
    are.
    """

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="deliveries")
    version = models.ForeignKey(
        "reports.ReportVersion", on_delete=models.PROTECT, related_name="deliveries"
    )
    transport = models.CharField(max_length=20)
    place = models.ForeignKey(DeliveryPlace, on_delete=models.PROTECT, related_name="deliveries")
    target = models.JSONField(default=dict)
    label = models.CharField(max_length=160, help_text="Where it goes, in words")
    is_recall = models.BooleanField(default=False)
    may_have_arrived = models.BooleanField(default=False)
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

    @property
    def is_open(self) -> bool:
        return self.state in OPEN

    @property
    def why(self) -> str:
        """Why it waits or has failed: its own trouble, or that of the place it waits for."""
        if self.last_error or self.state != DeliveryState.QUEUED:
            return self.last_error
        if not self.place.is_enabled:
            return "The place is switched off."
        return self.place.last_error if self.place.failures else ""


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
