from __future__ import annotations

from django.apps import AppConfig


class AgentsConfig(AppConfig):
    name = "agents"
    verbose_name = "Site agents"

    def ready(self) -> None:
        from agents import scans, worklist
        from agents.admission import uploader
        from agents.models import KEY_PREFIX
        from pacs.accounts.access import accept_secrets
        from studies.orders.signals import changed as orders_changed

        accept_secrets(KEY_PREFIX, uploader)
        scans.connect()
        orders_changed.connect(worklist.tell, dispatch_uid="agents.worklist")
