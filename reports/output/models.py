"""PDFs that were made of signed versions."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils import timezone


class RenderedPdf(models.Model):
    """The one PDF of a version: whoever asks gets these bytes, whatever changed since.

    `problems`: what is missing in it, in words without patient data.
    """

    version = models.OneToOneField(
        "reports.ReportVersion", on_delete=models.PROTECT, related_name="rendered_pdf"
    )
    archive_key = models.CharField(max_length=160)
    file_sha256 = models.CharField(max_length=64)
    file_size = models.PositiveIntegerField()
    is_signed = models.BooleanField(default=False)
    problems = models.JSONField(default=list)
    made_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = "PDF of a report"
        verbose_name_plural = "PDFs of reports"
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [models.Index(fields=["file_sha256"], name="rendered_pdf_sha256")]

    def __str__(self) -> str:
        return f"PDF of version {self.version_id}"
