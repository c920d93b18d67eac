"""What happened at a site, numbered without gaps, so that a listener can catch up."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class SiteSequence(models.Model):
    """The last event number of a site. Its row lock orders the events of concurrent writers."""

    site_id = models.BigIntegerField(primary_key=True)
    seq = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"site {self.site_id}: {self.seq}"


class SiteEvent(models.Model):
    """One event of CONTRACTS "Events": ids only, no patient data. Kept for a day."""

    site_id = models.BigIntegerField()
    seq = models.BigIntegerField()
    type = models.CharField(max_length=40)
    study_id = models.BigIntegerField(null=True)
    at = models.DateTimeField(db_index=True)
    extra = models.JSONField(default=dict)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["site_id", "seq"], name="event_number_once"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.site_id}/{self.seq}"

    def message(self) -> dict[str, object]:
        """The event as listeners get it."""
        return {
            **self.extra,
            "v": 1,
            "seq": self.seq,
            "type": self.type,
            "site": self.site_id,
            "study": self.study_id,
            "at": self.at.isoformat(),
        }
