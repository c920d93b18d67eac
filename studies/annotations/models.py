"""Measurements and key images."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone

from studies.managers import OfStudyQuerySet
from studies.models import Study


class OnImage(models.Model):
    """A place in a study, and who left what there. `id` is made by the browser: saving again is
    the same row. Removed ones stay, for reports that name them.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="%(class)ss")
    series_instance_uid = models.CharField(max_length=64)
    sop_instance_uid = models.CharField(max_length=64)
    frame = models.PositiveIntegerField(default=1, help_text="From 1")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    changed_at = models.DateTimeField(default=timezone.now)
    removed_at = models.DateTimeField(null=True)

    objects = OfStudyQuerySet.as_manager()

    class Meta:
        abstract = True


class Measurement(OnImage):
    """A measurement: where its points are (in pixels of the frame) and what it measures.

    `values` = [{"name": "length", "value": 12.3, "unit": "mm"}]; unit "px" where the image tells
    no spacing, "mm" with `at_detector` where it is the detector's, and with `calibration` where a
    reader drew a line of known length on the image (a measurement of the tool "calibration").
    """

    tool = models.CharField(max_length=24)
    points = models.JSONField(help_text="[[column, row], ...]")
    values = models.JSONField(default=list)
    label = models.CharField(max_length=120, blank=True)
    at_detector = models.BooleanField(default=False)
    calibration = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, related_name="measured_by_it"
    )

    class Meta:
        ordering: ClassVar = ["created_at"]
        indexes: ClassVar = [models.Index(fields=["study", "created_at"], name="measurement_study")]

    def __str__(self) -> str:
        return f"measurement {self.pk}"

    @property
    def calibrated_by(self) -> str:
        """Whose length the scale is, "" where it is the file's."""
        return str(self.calibration.author) if self.calibration is not None else ""


class KeyImage(OnImage):
    """A frame that shows what matters, with the window it was seen in."""

    caption = models.CharField(max_length=200, blank=True)
    window_center = models.FloatField(null=True)
    window_width = models.FloatField(null=True)
    is_inverted = models.BooleanField(default=False)

    class Meta:
        ordering: ClassVar = ["created_at"]
        indexes: ClassVar = [models.Index(fields=["study", "created_at"], name="key_image_study")]

    def __str__(self) -> str:
        return f"key image {self.pk}"
