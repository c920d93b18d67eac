"""Rules of assignment, clocks and notes."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models
from django.utils import timezone

from pacs.accounts.models import Site
from studies.managers import OfStudyQuerySet
from studies.models import Priority, Study


class Turnaround(models.Model):
    """How long a study of a priority may wait at a site, from its arrival to its final report."""

    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="turnarounds")
    priority = models.PositiveSmallIntegerField(choices=Priority)
    minutes = models.PositiveIntegerField(validators=[MinValueValidator(1)])

    class Meta:
        ordering: ClassVar = ["site", "priority"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["site", "priority"], name="turnaround_once"),
        ]

    def __str__(self) -> str:
        return f"{self.get_priority_display()} at {self.site}: {self.minutes} min"


class AssignmentRule(models.Model):
    """Studies like these go to one of these radiologists; the first rule that fits decides.

    Of several, whoever has the fewest unread ones; nobody beyond `max_open`.
    """

    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="assignment_rules")
    position = models.PositiveSmallIntegerField(default=100)
    name = models.CharField(max_length=120)
    modalities = models.JSONField(default=list, blank=True)
    body_parts = models.JSONField(default=list, blank=True, help_text="Body part or words")
    words = models.JSONField(default=list, blank=True, help_text="In the study's description")
    radiologists = models.ManyToManyField(settings.AUTH_USER_MODEL, related_name="+")
    max_open = models.PositiveSmallIntegerField(default=0, help_text="0: no limit")
    is_enabled = models.BooleanField(default=True)

    class Meta:
        ordering: ClassVar = ["site", "position", "id"]

    def __str__(self) -> str:
        return self.name


class StudyNote(models.Model):
    """What a technician or reader says about a study; never changed. A verification is one, too."""

    class Kind(models.TextChoices):
        NOTE = "note", "Note"
        VERIFICATION = "verification", "Verified"

    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="notes")
    kind = models.CharField(max_length=12, choices=Kind, default=Kind.NOTE)
    text = models.CharField(max_length=2000, blank=True)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(default=timezone.now)

    objects = OfStudyQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["at", "id"]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"

    def save(self, *args: Any, **options: Any) -> None:
        """Once. Raises ValueError for a note that is there already."""
        if self.pk is not None:
            raise ValueError("Notes are never changed.")
        super().save(*args, **options)

    def delete(self, *args: Any, **options: Any) -> tuple[int, dict[str, int]]:
        raise ValueError("Notes are never taken away.")
