from __future__ import annotations

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class ReportsConfig(AppConfig):
    name = "reports"
    verbose_name = "Reports"

    def ready(self) -> None:
        from reports.delivery import transports
        from reports.signing import triggers

        transports.register()
        post_migrate.connect(
            triggers.after_migrate, sender=self, dispatch_uid="reports.signing.triggers"
        )
