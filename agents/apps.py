from __future__ import annotations

from django.apps import AppConfig


class AgentsConfig(AppConfig):
    name = "agents"
    verbose_name = "Site agents"

    def ready(self) -> None:
        from agents import scans, status, worklist
        from agents.admission import uploader
        from agents.models import KEY_PREFIX
        from agents.printing import documents
        from agents.reporting import paper, printable, ris
        from pacs.accounts.access import accept_secrets
        from pacs.health import metrics
        from reports.delivery import registry
        from studies.orders.signals import changed as orders_changed
        from studies.status import registry as registry_of_panels

        metrics.register(status.numbers)
        registry_of_panels.register("agents", "Agents", status.panel, place=70)
        accept_secrets(KEY_PREFIX, uploader)
        registry.register("printer", paper.PrinterTransport())
        registry.register(ris.NAME, ris.AgentOruTransport())
        documents.register(documents.REPORT, printable.provider)
        scans.connect()
        orders_changed.connect(worklist.tell, dispatch_uid="agents.worklist")
