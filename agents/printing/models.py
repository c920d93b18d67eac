"""What a print command is to print, and the tokens that its document is fetched with."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils import timezone


class PrintOrder(models.Model):
    """The document of one command as it was when the command was given. `document` is null for a
    test page. `fetched_at`: handed out, which happens once.
    """

    command = models.OneToOneField(
        "agents.AgentCommand", on_delete=models.CASCADE, related_name="print_order"
    )
    kind = models.CharField(max_length=20)
    document = models.BigIntegerField(null=True)
    version = models.CharField(max_length=40)
    sha256 = models.CharField(max_length=64)
    fetched_at = models.DateTimeField(null=True)

    class Meta:
        app_label = "agents"
        indexes: ClassVar = [models.Index(fields=["kind", "document"], name="print_document")]

    def __str__(self) -> str:
        return f"{self.kind} {self.document or ''} version {self.version}"


class PrintToken(models.Model):
    """256 random bits that open one order's document once, for five minutes; their SHA-256."""

    order = models.ForeignKey(PrintOrder, on_delete=models.CASCADE, related_name="tokens")
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    class Meta:
        app_label = "agents"

    def __str__(self) -> str:
        return f"print token {self.pk}"
