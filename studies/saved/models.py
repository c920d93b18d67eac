"""A filter of the worklist that was saved: for its owner, or shared with a site."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from pacs.accounts.models import Site

LONGEST_NAME = 40
LONGEST_QUERY = 1000


class SavedFilter(models.Model):
    """`query` is the list's address after the question mark; it never holds free text."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="saved_filters"
    )
    site = models.ForeignKey(
        Site,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="saved_filters",
        help_text="Whose people see it, too; empty: the owner alone",
    )
    name = models.CharField(max_length=LONGEST_NAME)
    query = models.CharField(max_length=LONGEST_QUERY, blank=True)

    class Meta:
        ordering: ClassVar = ["name", "id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["owner", "name"], condition=Q(site=None), name="saved_once_for_owner"
            ),
            models.UniqueConstraint(
                fields=["site", "name"], condition=~Q(site=None), name="saved_once_for_site"
            ),
        ]

    def __str__(self) -> str:
        return self.name
