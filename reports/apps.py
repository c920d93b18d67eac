from __future__ import annotations

from django.apps import AppConfig
from django.core import checks
from django.db.models.signals import post_migrate


class ReportsConfig(AppConfig):
    name = "reports"
    verbose_name = "Reports"

    def ready(self) -> None:
        from reports.delivery import transports
        from reports.output import requirements
        from reports.signing import triggers

        checks.register(requirements.check)
        transports.register()
        post_migrate.connect(
            triggers.after_migrate, sender=self, dispatch_uid="reports.signing.triggers"
        )
