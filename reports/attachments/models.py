"""Attachments of studies."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone

from pacs.accounts.models import Site
from reports.managers import OfStudyQuerySet
from studies.models import Patient, Study


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
    removed_at = models.DateTimeField(null=True)

    objects = OfStudyQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-added_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["site", "source_key"],
                condition=~models.Q(source_key=""),
                name="attachment_once",
            ),
        ]

    def __str__(self) -> str:
        return f"attachment {self.pk}"
