"""Reports and their signed versions; the other models of the app live in subject packages."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from pacs.accounts.models import Site
from reports.managers import ReportQuerySet
from studies.models import Study


class ReportState(models.TextChoices):
    DRAFT = "draft", "Draft"
    PRELIMINARY = "preliminary", "Preliminary"
    FINAL = "final", "Final"
    ADDENDED = "addended", "Addended"
    WITHDRAWN = "withdrawn", "Withdrawn"


READABLE = (ReportState.FINAL, ReportState.ADDENDED)
"""States in which a referrer reads a report."""


class Report(models.Model):
    """The report of a study: a draft that changes, and signed versions that never do.

    One that is not withdrawn for each study. `content` is the draft (reports.document), or while
    an addendum is written that addendum; `revision` counts its saves, for optimistic locking.
    """

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="reports")
    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="reports")
    state = models.CharField(max_length=12, choices=ReportState, default=ReportState.DRAFT)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    content = models.JSONField(default=dict)
    revision = models.PositiveIntegerField(default=1)
    is_addending = models.BooleanField(
        default=False, help_text="`content` is an addendum that is being written"
    )
    saved_at = models.DateTimeField(default=timezone.now)
    saved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now)
    first_final_at = models.DateTimeField(null=True)
    cosigner_wanted = models.BooleanField(default=False)
    addendum_signer = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        help_text="the resident whose addendum waits for a second signature",
    )
    addendum_sha256 = models.CharField(
        max_length=64, blank=True, default="", help_text="of the wording that the resident signed"
    )
    withdrawn_at = models.DateTimeField(null=True)
    withdrawn_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    withdrawn_reason = models.CharField(max_length=400, blank=True)

    objects = ReportQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["study"], condition=~Q(state="withdrawn"), name="report_once"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["site", "state", "first_final_at"], name="report_turnaround"),
            models.Index(
                fields=["site"],
                condition=Q(is_addending=True, cosigner_wanted=True),
                name="report_addendum_waits",
            ),
        ]

    def __str__(self) -> str:
        return f"report {self.pk}"

    @property
    def addendum_waits(self) -> bool:
        """Whether a resident has signed the addendum and another radiologist is still to."""
        return self.is_addending and self.cosigner_wanted

    @property
    def is_signed(self) -> bool:
        """Whether there is a version that somebody signed as final."""
        return self.state in READABLE


class VersionKind(models.TextChoices):
    PRELIMINARY = "preliminary", "Preliminary"
    FINAL = "final", "Final"
    ADDENDUM = "addendum", "Addendum"
    WITHDRAWAL = "withdrawal", "Withdrawal"


class ReportVersion(models.Model):
    """What was signed, by whom, when. The database refuses every change (reports.signing.triggers).

    `content` is the document with the facts it was signed on: `patient`, `study`, `site`,
    `signer`, `cosigner`, `signed_at`, `kind`, `number`, the texts of its measurements and the
    SHA-256 of its pictures. `chain_sha256` = document.chain_hash(previous_sha256, content_sha256).
    `verification` is the secret number in the QR link; `sop_instance_uids` are derived from it.
    """

    report = models.ForeignKey(Report, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    kind = models.CharField(max_length=12, choices=VersionKind)
    content = models.JSONField()
    content_sha256 = models.CharField(max_length=64)
    previous_sha256 = models.CharField(max_length=64)
    chain_sha256 = models.CharField(max_length=64)
    signer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    cosigner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    signed_at = models.DateTimeField()
    verification = models.UUIDField(default=uuid.uuid4, unique=True)
    text = models.TextField(help_text="The whole version as plain text, for search and HL7")

    class Meta:
        ordering: ClassVar = ["report", "number"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["report", "number"], name="version_once"),
        ]

    def __str__(self) -> str:
        return f"version {self.number} of report {self.report_id}"


# Models of this app that have a package of their own.
from reports.attachments.models import Attachment  # noqa: E402, F401
from reports.critical.models import CriticalEvent, CriticalResult  # noqa: E402, F401
from reports.delivery.models import (  # noqa: E402, F401
    Delivery,
    DeliveryPlace,
    DeliveryRule,
)
from reports.letterhead.models import Letterhead  # noqa: E402, F401
from reports.output.models import RenderedPdf  # noqa: E402, F401
from reports.templating.models import Macro, ReportTemplate, TemplateVersion  # noqa: E402, F401
