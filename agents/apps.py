from __future__ import annotations

from django.apps import AppConfig


class AgentsConfig(AppConfig):
    name = "agents"
    verbose_name = "Site agents"

    def ready(self) -> None:
        from agents import scans
        from agents.admission import uploader
        from agents.models import KEY_PREFIX
        from pacs.accounts.access import accept_secrets

        accept_secrets(KEY_PREFIX, uploader)
        scans.connect()
