"""`manage.py escrow_key`: the backup's key written down outside of this machine, and proven so."""

from __future__ import annotations

import getpass
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from pacs import audit
from studies.backup import keys
from studies.backup.models import BackupKey


class Command(BaseCommand):
    """Backups are encrypted from the moment on that somebody types the key back from paper."""

    requires_migrations_checks = False
    help = "Show the backup's key to be written down, and confirm that it was."

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("--new", action="store_true", help="Make a new key that seals from now")
        parser.add_argument(
            "--adopt",
            action="store_true",
            help="Type a key that was written down, on a new machine",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["adopt"]:
            key = self._typed("Type the key from the sheet: ")
            keys.adopt(key)
            if _has_tables():
                keys.confirm(key, getpass.getuser())
            self.stdout.write(f"Key {key.id} is here and opens what it sealed.")
            return
        held = keys.keys()
        key = keys.create() if options["new"] or not held else held[0]
        self.stdout.write(
            f"Key {key.id}. Write it down twice and keep it away from this machine. Whoever has it"
            f" can read the backups; without it nobody can.\n\n  {keys.sheet(key)}\n"
        )
        typed = self._typed("Type it from your sheet to confirm (Ctrl-C: later): ")
        if typed.id != key.id:
            raise CommandError("That is another key. Nothing is confirmed.")
        keys.confirm(key, getpass.getuser())
        audit.record("backup.key_escrowed", detail={"key": key.id})
        self.stdout.write("Confirmed: backups are sealed with this key from now on.")

    def _typed(self, prompt: str) -> Any:
        try:
            return keys.read_sheet(input(prompt))
        except ValueError as error:
            raise CommandError(str(error)) from None
        except (EOFError, KeyboardInterrupt):
            raise CommandError("Not confirmed: nothing is sealed with this key yet.") from None


def _has_tables() -> bool:
    """On an empty machine the key comes before the database, which knows of the confirmation."""
    return BackupKey._meta.db_table in connection.introspection.table_names()
