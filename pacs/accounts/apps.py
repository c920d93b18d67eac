from __future__ import annotations

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "pacs.accounts"
    label = "accounts"
    verbose_name = "Accounts"

    def ready(self) -> None:
        from pacs.accounts import audit_trail, checks, revocation

        audit_trail.connect()
        revocation.connect()
        checks.register()
