"""What a person chose; without a row the list looks as it does for everybody."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models


class Density(models.TextChoices):
    COMFORTABLE = "comfortable", "Comfortable"
    COMPACT = "compact", "Compact"


class WorklistAppearance(models.Model):
    """`columns`: names of those of `tables.WorklistTable`, by commas; empty: the usual ones."""

    owner = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="worklist_appearance",
    )
    columns = models.CharField(max_length=400, blank=True)
    density = models.CharField(max_length=12, choices=Density.choices, default=Density.COMFORTABLE)

    class Meta:
        verbose_name_plural: ClassVar = "worklist appearances"

    def __str__(self) -> str:
        return f"appearance of the worklist for user {self.owner_id}"
