"""One check of a display, as the person who looked at it wrote it down."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone

LONGEST_NAME = 60


class DisplayCheck(models.Model):
    """`answers`: "yes" or "no" by question, and how many letters were read. `width`, `height`: of
    the pattern in device pixels; `ratio`: device pixels in a CSS pixel."""

    checker = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="display_checks"
    )
    at = models.DateTimeField(default=timezone.now)
    workstation = models.CharField(max_length=LONGEST_NAME)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    ratio = models.FloatField()
    answers = models.JSONField()
    is_fine = models.BooleanField(help_text="Every question was answered with yes")
    remarks = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering: ClassVar = ["-at", "-id"]
        indexes: ClassVar = [models.Index(fields=["checker", "-at"], name="display_check_at")]

    def __str__(self) -> str:
        return f"{self.workstation} {self.at:%Y-%m-%d}"
