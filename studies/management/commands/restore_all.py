"""`manage.py restore_all`: every file back from the backup storage, and the index complete."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from studies.backup import keys, rebuild, restore
from studies.backup.errors import NotEscrowed
from studies.errors import PermanentError, RetriableError


class Command(BaseCommand):
    """First what the database knows, then what came to the backup after the database's copy."""

    help = "Bring every file back, and index what the database does not know."

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument(
            "--index-only", action="store_true", help="Only index what is in the archive already"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        failed = 0
        if not options["index_only"]:
            try:
                failed = self._files()
            except (PermanentError, RetriableError, NotEscrowed) as error:
                raise CommandError(str(error)) from None
        done = rebuild.rebuild()
        self.stdout.write(
            f"Index: {done.stored} images added, {done.known} were known,"
            f" {done.not_images} files are no images or in quarantine."
        )
        if failed:
            raise CommandError(f"{failed} files could not be brought back.", returncode=1)

    def _files(self) -> int:
        if not keys.keys():
            self.stdout.write("There is no key here: only what is not sealed can be read.")
        tally = restore.restore_rows()
        more = restore.restore_unknown()
        self.stdout.write(
            f"Files: {tally.there + more.there} were good, {tally.restored + more.restored} brought"
            f" back, {len(tally.failed) + len(more.failed)} failed."
        )
        return len(tally.failed) + len(more.failed)
