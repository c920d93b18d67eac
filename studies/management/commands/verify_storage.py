"""`manage.py verify_storage`: both copies of every file read back and compared."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from studies.backup import verify
from studies.backup.models import BackupState


class Command(BaseCommand):
    """Ends with 1 where anything was wrong, healed or not."""

    help = "Check archive and backup: existence, size, SHA-256. Heals one from the other."

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("--sample", type=int, default=0, help="So many, the longest unverified")
        parser.add_argument("--no-heal", action="store_true", help="Only look")

    def handle(self, *args: Any, **options: Any) -> None:
        rows: Any = BackupState.objects.order_by("pk").iterator(500)
        if options["sample"]:
            rows = verify.sample(options["sample"])
        found = verify.verify(rows, heal=not options["no_heal"])
        self.stdout.write(
            f"{found.checked} files checked: {found.bad_archive} bad in the archive,"
            f" {found.bad_backup} bad in the backup, {found.healed} healed,"
            f" {found.unreachable} not reachable, {len(found.lost)} lost."
        )
        if not found.is_clean:
            raise CommandError("Not every file had two good copies.", returncode=1)
