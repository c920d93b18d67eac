"""The append-only audit trail. Database triggers refuse UPDATE and DELETE."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils import timezone


class AuditEvent(models.Model):
    """One access or change. Plain ids instead of foreign keys: the trail outlives its subjects."""

    at = models.DateTimeField(default=timezone.now, db_index=True)
    action = models.CharField(max_length=60)
    outcome = models.CharField(max_length=20, default="ok")
    actor_id = models.BigIntegerField(null=True)
    actor_name = models.CharField(max_length=150, blank=True)
    site_id = models.BigIntegerField(null=True)
    study_id = models.BigIntegerField(null=True)
    patient_id = models.BigIntegerField(null=True)
    address = models.CharField(max_length=45, blank=True)
    session_digest = models.CharField(max_length=16, blank=True)
    detail = models.JSONField(default=dict)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["study_id", "at"], name="audit_study"),
            models.Index(fields=["actor_id", "at"], name="audit_actor"),
            models.Index(fields=["action", "at"], name="audit_action"),
        ]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.action} {self.outcome}"


class ReadWindow(models.Model):
    """When a read was last written to the trail, so that it counts once in ten minutes."""

    key = models.CharField(max_length=64, primary_key=True)
    started_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.key
