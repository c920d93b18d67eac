"""A hanging protocol that somebody made: for the person, or for a site."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from pacs.accounts.models import Site

LONGEST_NAME = 60


class HangingProtocol(models.Model):
    """`rules` are what `rules.check` has passed; lower `position` comes first."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="hanging_protocols"
    )
    site = models.ForeignKey(
        Site,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="hanging_protocols",
        help_text="Whose people use it, too; empty: the owner alone",
    )
    name = models.CharField(max_length=LONGEST_NAME)
    position = models.IntegerField(default=0)
    rules = models.JSONField()

    class Meta:
        ordering: ClassVar = ["position", "id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["owner", "name"], condition=Q(site=None), name="hanging_once_for_owner"
            ),
            models.UniqueConstraint(
                fields=["site", "name"], condition=~Q(site=None), name="hanging_once_for_site"
            ),
        ]

    def __str__(self) -> str:
        return self.name
