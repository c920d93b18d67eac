"""The letterhead of a site."""

from __future__ import annotations

from django.db import models

from pacs.accounts.models import Site


class Letterhead(models.Model):
    """Name, address and logo on a site's reports, and their paper."""

    class Paper(models.TextChoices):
        A4 = "A4", "A4"
        LETTER = "letter", "Letter"

    site = models.OneToOneField(Site, on_delete=models.PROTECT, related_name="letterhead")
    heading = models.CharField(max_length=160, blank=True, help_text="Empty: the site's name")
    address = models.TextField(max_length=600, blank=True)
    footer = models.CharField(max_length=300, blank=True)
    logo = models.BinaryField(null=True, blank=True, help_text="PNG or JPEG, at most 256 KB")
    paper = models.CharField(max_length=6, choices=Paper, default=Paper.A4)
    language = models.CharField(max_length=12, default="en", help_text="BCP 47")

    def __str__(self) -> str:
        return f"letterhead of site {self.site_id}"
