"""What an Orthanc no longer holds."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils import timezone

from studies.managers import OfSiteQuerySet


class GoneQuerySet(OfSiteQuerySet):
    site = "server__site_id"


class GoneAtOrthanc(models.Model):
    """A series that came from an Orthanc which holds less of it now. The archive keeps it all."""

    server = models.ForeignKey(
        "studies.OrthancServer", on_delete=models.CASCADE, related_name="gone"
    )
    series = models.ForeignKey("studies.Series", on_delete=models.CASCADE, related_name="+")
    came = models.PositiveIntegerField(help_text="Images that came from there")
    held = models.PositiveIntegerField(help_text="Images that it still holds")
    noticed_at = models.DateTimeField(default=timezone.now)

    objects = GoneQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["server", "series"], name="gone_once"),
        ]

    def __str__(self) -> str:
        return f"series {self.series_id} at server {self.server_id}"
