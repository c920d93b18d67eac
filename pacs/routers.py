"""Database routing: the channel layer's tables live in their own SQLite file, or nowhere."""

from __future__ import annotations

from typing import Any

from django.conf import settings


class ChannelRouter:
    """Keeps `channels_lite` out of the main database, and everything else out of its file."""

    def db_for_read(self, model: type[Any], **hints: Any) -> str | None:
        return "channels" if model._meta.app_label == "channels_lite" else None

    db_for_write = db_for_read

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        if app_label == "channels_lite":
            return db == "channels" and "channels" in settings.DATABASES
        return db == "default"
