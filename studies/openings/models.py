"""One opening of a study in the viewer, as its browser measured it."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models
from django.utils import timezone

from pacs.accounts.models import Site


class Opening(models.Model):
    """Milliseconds from the start of the navigation; `id` is made by the browser, so that what is
    said again is the same row. Neither patient nor study is named: it is about the portal.

    The wait for the first image is `first_ms`. Of it, `server_ms` went by until the server began to
    answer for page, metadata and frame, `network_ms` until those answers had come, `decode_ms`
    from the frame's last byte to the picture; the rest are scripts. `whole_ms`: until the first
    series was there, null while it is not.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="+")
    at = models.DateTimeField(default=timezone.now)
    modality = models.CharField(max_length=16, blank=True)
    images = models.PositiveIntegerField(default=0)
    size = models.PositiveBigIntegerField(default=0, help_text="Bytes of the frames that came")
    first_ms = models.PositiveIntegerField()
    server_ms = models.PositiveIntegerField()
    network_ms = models.PositiveIntegerField()
    decode_ms = models.PositiveIntegerField()
    whole_ms = models.PositiveIntegerField(null=True)

    class Meta:
        ordering: ClassVar = ["-at"]
        indexes: ClassVar = [models.Index(fields=["site", "at"], name="opening_site_at")]

    def __str__(self) -> str:
        return f"opening {self.pk}"
