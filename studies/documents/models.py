"""The outbox of documents that MongoDB is to be given, and how that server does."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils import timezone

from pacs.accounts.models import Site


class DocumentChange(models.Model):
    """A document was written or moved, and MongoDB does not say so yet.

    `next_attempt_at` doubles as the lease of who delivers it; `lease_token` is that worker's. Null:
    MongoDB cannot hold this document, and the table goes on serving it.
    """

    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="+")
    sop_instance_uid = models.CharField(max_length=64)
    study_instance_uid = models.CharField(max_length=64)
    attempts = models.PositiveIntegerField(default=0)
    reason = models.CharField(max_length=200, blank=True)
    lease_token = models.BigIntegerField(default=0)
    next_attempt_at = models.DateTimeField(default=timezone.now, null=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["next_attempt_at", "id"], name="document_change_due"),
            models.Index(fields=["site", "sop_instance_uid"], name="document_change_image"),
            models.Index(fields=["site", "study_instance_uid"], name="document_change_study"),
        ]

    def __str__(self) -> str:
        return f"change {self.pk}"


class DocumentMirror(models.Model):
    """What is known of the MongoDB: one row. While `paused_until` lies ahead nothing is tried."""

    name = models.CharField(max_length=20, primary_key=True, default="mongodb")
    mark = models.CharField(
        max_length=32, blank=True, help_text="Also kept there: another one is another server"
    )
    compared_up_to = models.BigIntegerField(
        default=0, help_text="Documents up to this id were compared in this round"
    )
    ready_at = models.DateTimeField(
        null=True, help_text="When a first round ended: reads go there only after it"
    )
    failures = models.PositiveIntegerField(default=0)
    paused_until = models.DateTimeField(null=True)
    last_error = models.CharField(max_length=200, blank=True)
    last_success_at = models.DateTimeField(null=True)
    last_failure_at = models.DateTimeField(null=True)
    told_at = models.DateTimeField(null=True, help_text="When this failure was mailed")
    sync_up_to = models.BigIntegerField(
        default=0, help_text="Where sync_documents --to mongodb stands"
    )
    sync_up_to_id = models.CharField(
        max_length=90, blank=True, help_text="Where sync_documents --to table stands"
    )

    def __str__(self) -> str:
        return self.name
