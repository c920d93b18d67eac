from __future__ import annotations

from django.apps import AppConfig
from django.core import checks
from django.db.models.signals import post_migrate


class ReportsConfig(AppConfig):
    name = "reports"
    verbose_name = "Reports"

    def ready(self) -> None:
        from reports import retention, status
        from reports.delivery import transports
        from reports.output import requirements
        from reports.signing import triggers
        from studies.status import registry

        checks.register(requirements.check)
        registry.register("deliveries", "Report deliveries", status.panel, place=80)
        transports.register()
        retention.register()
        post_migrate.connect(
            triggers.after_migrate, sender=self, dispatch_uid="reports.signing.triggers"
        )
