"""What is backed up, how the storage does, and which keys are known to be kept elsewhere."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from pacs.accounts.models import Site


class BackupState(models.Model):
    """One file of the archive on its way to the backup storage, or there.

    `next_attempt_at` doubles as the lease of who uploads it; `lease_token` is that worker's.
    """

    class State(models.TextChoices):
        PENDING = "pending", "Waiting"
        DONE = "done", "Backed up"
        FAILED = "failed", "Failed"

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="+")
    archive_key = models.CharField(max_length=160, unique=True)
    state = models.CharField(max_length=8, choices=State, default=State.PENDING)
    file_size = models.PositiveBigIntegerField()
    file_sha256 = models.CharField(max_length=64)
    remote_name = models.CharField(max_length=240, blank=True)
    remote_size = models.PositiveBigIntegerField(null=True)
    key_id = models.CharField(max_length=16, blank=True, help_text="Empty: not sealed")
    attempts = models.PositiveIntegerField(default=0)
    reason = models.CharField(max_length=200, blank=True)
    lease_token = models.BigIntegerField(default=0)
    next_attempt_at = models.DateTimeField(default=timezone.now)
    created_at = models.DateTimeField(default=timezone.now)
    done_at = models.DateTimeField(null=True)
    verified_at = models.DateTimeField(
        null=True, help_text="When both copies were last read back and compared"
    )

    class Meta:
        indexes: ClassVar = [
            models.Index(
                fields=["next_attempt_at", "id"],
                condition=Q(state="pending"),
                name="backup_pending",
            ),
            models.Index(fields=["id"], condition=Q(state="failed"), name="backup_failed"),
            models.Index(fields=["verified_at", "id"], name="backup_verified"),
        ]

    def __str__(self) -> str:
        return f"backup of file {self.pk}"


class BackupHealth(models.Model):
    """How the backup storage does: one row. While `paused_until` lies ahead nothing is tried."""

    name = models.CharField(max_length=20, primary_key=True, default="backup")
    failures = models.PositiveIntegerField(default=0)
    paused_until = models.DateTimeField(null=True)
    last_error = models.CharField(max_length=200, blank=True)
    last_success_at = models.DateTimeField(null=True)
    last_failure_at = models.DateTimeField(null=True)
    told_at = models.DateTimeField(null=True, help_text="When this trouble was mailed")
    database_claimed_at = models.DateTimeField(
        null=True, help_text="When somebody began to copy the database"
    )
    enrolled_up_to = models.BigIntegerField(
        default=0, help_text="Instances up to this id have a BackupState"
    )

    def __str__(self) -> str:
        return self.name


class BackupKey(models.Model):
    """A sealing key by its id. Nothing is sealed with it before a person has confirmed a copy of it
    outside of this machine.
    """

    key_id = models.CharField(max_length=16, primary_key=True)
    created_at = models.DateTimeField(default=timezone.now)
    escrowed_at = models.DateTimeField(null=True)
    escrowed_by = models.CharField(max_length=150, blank=True)

    def __str__(self) -> str:
        return self.key_id


class DatabaseBackup(models.Model):
    """A copy of the database at the backup storage."""

    taken_at = models.DateTimeField(default=timezone.now, db_index=True)
    remote_name = models.CharField(max_length=240)
    size = models.PositiveBigIntegerField()
    sha256 = models.CharField(max_length=64, help_text="Of the dump before it was sealed")
    key_id = models.CharField(max_length=16, blank=True)
    requester = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )

    class Meta:
        ordering: ClassVar = ["-taken_at"]

    def __str__(self) -> str:
        return f"database of {self.taken_at:%Y-%m-%d %H:%M}"
