"""What a person has set up for the viewer; whoever has set up nothing has no row."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models

LONGEST_NAME = 40


class ViewerPreferences(models.Model):
    """`keys`: names of keys by action, for the actions that differ from the defaults; `buttons`:
    a tool for each mouse button that differs. Both are what `rules` passes."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="viewer_preferences",
    )
    keys = models.JSONField(default=dict)
    buttons = models.JSONField(default=dict)

    def __str__(self) -> str:
        return f"viewer preferences of {self.user_id}"


class OwnWindow(models.Model):
    """A window that a person keeps for a modality. Centre and width are in `unit`: "HU", "SUV", or
    "" for whatever the pixels of the modality are."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="own_windows"
    )
    modality = models.CharField(max_length=16)
    unit = models.CharField(max_length=8, blank=True)
    name = models.CharField(max_length=LONGEST_NAME)
    center = models.FloatField()
    width = models.FloatField()

    class Meta:
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["owner", "modality", "unit", "name"], name="own_window_once"
            )
        ]

    def __str__(self) -> str:
        return self.name
