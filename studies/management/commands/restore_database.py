"""`manage.py restore_database`: the newest copy of the database from the backup storage."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from studies.backup import database, target
from studies.errors import PermanentError, RetriableError


class Command(BaseCommand):
    """For an empty machine. Refuses to write over a database that holds anything."""

    help = "Bring the database back from the backup, before migrate and restore_all."
    requires_migrations_checks = False
    requires_system_checks: Any = []

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("--name", default="", help="A copy by its name; else the newest")
        parser.add_argument("--list", action="store_true", help="Show the copies there are")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["list"]:
                self.stdout.write("\n".join(target.names(database.FOLDER)))
                return
            name = options["name"] or database.newest()
            kind = "sqlite" if connection.vendor == "sqlite" else "pgdump"
            if f".{kind}." not in name:
                raise CommandError(f"{name} is of the other kind of database.")
            self._restore(name)
        except (PermanentError, RetriableError) as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"{name} is back. Next: manage.py migrate, then manage.py restore_all.")

    def _restore(self, name: str) -> None:
        if connection.introspection.table_names():
            raise CommandError("There is a database already. Move it away first.")
        if connection.vendor == "sqlite":
            connection.close()
            path = Path(str(settings.DATABASES["default"]["NAME"]))
            draft = path.with_name(f".{path.name}.restored")
            database.bring_back(name, draft)
            for rest in ("-wal", "-shm"):
                path.with_name(path.name + rest).unlink(missing_ok=True)
            draft.replace(path)
            return
        with tempfile.TemporaryDirectory(dir=settings.DATA_DIR) as place:
            dump = Path(place) / "dump"
            database.bring_back(name, dump)
            facts = connection.settings_dict
            done = subprocess.run(
                [
                    *("pg_restore", "--no-owner", "--no-privileges", "--exit-on-error"),
                    *("-h", facts["HOST"] or "localhost", "-p", str(facts["PORT"])),
                    *("-U", facts["USER"], "-d", facts["NAME"], str(dump)),
                ],
                env={**os.environ, "PGPASSWORD": facts["PASSWORD"]},
                check=False,
                capture_output=True,
            )
        if done.returncode:
            raise CommandError("pg_restore failed; is it of the server's version?")
