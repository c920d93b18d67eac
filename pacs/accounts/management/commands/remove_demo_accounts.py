"""Removes the accounts of the demo, without which production does not start."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand
from django.db import transaction
from django.db.models import ProtectedError

from pacs import audit
from pacs.accounts.models import User


class Command(BaseCommand):
    help = "Remove the accounts of the demo. Its studies stay."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        users = User.objects.filter(is_demo=True)
        for user in users:
            username, pk = user.username, user.pk
            with transaction.atomic():
                audit.record("user.deleted", detail={"user": pk, "demo": True})
                try:
                    with transaction.atomic():
                        user.delete()
                except ProtectedError:
                    self._retire(user)
            self.stdout.write(f"Removed {username}.")
        if not users:
            self.stdout.write("There are no accounts of the demo.")

    @staticmethod
    def _retire(user: User) -> None:
        """What a user did keeps pointing at a row that nobody can log in with."""
        user.memberships.all().delete()
        user.api_tokens.all().delete()
        user.username = f"removed-{user.pk}"
        user.is_active = user.is_staff = user.is_superuser = user.is_demo = False
        user.set_unusable_password()
        user.save()
