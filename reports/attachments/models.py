"""Attachments of studies."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone

from pacs.accounts.models import Site
from pacs.accounts.principal import principal_or_none
from studies.models import Patient, Study


class AttachmentQuerySet(models.QuerySet[Any]):
    """Attachments; start from `visible_to` wherever a person or a program asks."""

    def visible_to(self, who: Any) -> Any:
        """Those of the sites that are seen whole, with a study or without; no referrers."""
        principal = principal_or_none(who)
        if principal is None:
            return self.none()
        return self if principal.is_superuser else self.filter(site_id__in=principal.whole_sites)

    def shown(self) -> Any:
        """Neither removed nor replaced by what the sender corrected."""
        return self.filter(removed_at=None, replaced_at=None)


class Status(models.TextChoices):
    """What the sender of an outside report says of it (HL7 table 0085); "" where nobody has."""

    UNKNOWN = "", "Unknown"
    PRELIMINARY = "preliminary", "Preliminary"
    FINAL = "final", "Final"
    CORRECTED = "corrected", "Corrected"
    WITHDRAWN = "withdrawn", "Withdrawn by the sender"


class Attachment(models.Model):
    """A scanned requisition, or a report from elsewhere as file or text (an ORU).

    `study` is null for an earlier report of a patient whose images are not here.
    """

    class Kind(models.TextChoices):
        REQUISITION = "requisition", "Requisition"
        OUTSIDE_REPORT = "outside_report", "Report from elsewhere"
        OTHER = "other", "Other"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="attachments")
    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="attachments")
    study = models.ForeignKey(
        Study, on_delete=models.PROTECT, null=True, related_name="attachments"
    )
    kind = models.CharField(max_length=16, choices=Kind, default=Kind.OTHER)
    title = models.CharField(max_length=160)
    media_type = models.CharField(max_length=60)
    archive_key = models.CharField(max_length=160, blank=True)
    file_size = models.PositiveBigIntegerField(default=0)
    file_sha256 = models.CharField(max_length=64, blank=True)
    received_sha256 = models.CharField(
        max_length=64, blank=True, help_text="Of a picture as it came, before it was made anew"
    )
    text = models.TextField(blank=True, help_text="Of a report that came as text")
    dated = models.DateField(null=True, help_text="When the report was made")
    source = models.CharField(max_length=160, help_text='"upload", "agent:3:RIS|HOSPITAL"')
    source_key = models.CharField(
        max_length=200, blank=True, help_text="The same again is the same row"
    )
    added_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    added_at = models.DateTimeField(default=timezone.now)
    status = models.CharField(max_length=12, choices=Status, blank=True, default="")
    report_key = models.CharField(
        max_length=64, blank=True, help_text="Versions of one report of one sender share it"
    )
    replaced_at = models.DateTimeField(null=True, help_text="When the sender sent another version")
    removed_at = models.DateTimeField(null=True)
    removed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    removed_reason = models.CharField(max_length=400, blank=True)

    objects = AttachmentQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-added_at"]
        indexes: ClassVar = [
            models.Index(fields=["site", "report_key"], name="attachment_report"),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["site", "source_key"],
                condition=~models.Q(source_key=""),
                name="attachment_once",
            ),
        ]

    def __str__(self) -> str:
        return f"attachment {self.pk}"


class ReceivedDocument(models.Model):
    """A PDF that a site agent left before the ORU that it belongs to, too large to go with it."""

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="+")
    source = models.CharField(max_length=40, help_text='Who left it: "agent:3"')
    file_sha256 = models.CharField(max_length=64)
    file_size = models.PositiveBigIntegerField()
    archive_key = models.CharField(max_length=160)
    is_whole = models.BooleanField(help_text="It is a PDF with a beginning and an end")
    received_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["site", "source", "file_sha256"], name="received_document_once"
            ),
        ]

    def __str__(self) -> str:
        return f"received document {self.pk}"
