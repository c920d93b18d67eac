"""`manage.py sync_documents`: the table and MongoDB brought together."""

from __future__ import annotations

from time import monotonic, sleep
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from studies.documents import delivery, health, mongo, outbox, sync
from studies.documents.errors import DocumentsDown
from studies.documents.models import DocumentChange


class Command(BaseCommand):
    """Ends with 1 where MongoDB does not answer; called again it goes on where it was."""

    help = "Compare metadata documents of the database and MongoDB, and write what is missing."

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("--to", choices=["mongodb", "table"], default="mongodb")
        parser.add_argument("--dry-run", action="store_true", help="Only count")
        parser.add_argument("--restart", action="store_true", help="From the beginning")
        parser.add_argument("--batch", type=int, default=1000, help="Documents at a time")

    def handle(self, *args: Any, **options: Any) -> None:
        if not outbox.is_on():
            raise CommandError("MONGODB_URL is not set.")
        if options["batch"] < 1:
            raise CommandError("--batch must be at least 1.")
        dry = options["dry_run"]
        health.row()
        if options["restart"]:
            health.rows().update(sync_up_to=0, sync_up_to_id="")
        walk = sync.to_mongodb if options["to"] == "mongodb" else sync.to_table
        try:
            mongo.mark()
            if not dry:
                health.rows().update(paused_until=None)
                delivery.watch()
            counts = self._walk(walk(options["batch"], dry=dry), options["verbosity"])
            written = counts.missing + counts.different
            if options["to"] == "mongodb" and not dry:
                self._deliver()
        except DocumentsDown as error:
            raise CommandError(f"{error}. Run this again to go on.", returncode=1) from error
        self.stdout.write(
            f"{counts.looked_at} looked at: {counts.missing} missing, {counts.different}"
            f" different, {counts.orphans} of no image here; {0 if dry else written} written,"
            f" {health.lag()['kept']} kept in the table alone."
        )

    def _walk(self, slices: Any, verbosity: int) -> sync.Counts:
        counts = sync.Counts()
        for counts in slices:
            if verbosity > 1:
                self.stdout.write(f"{counts.looked_at} looked at")
        return counts

    def _deliver(self, patience: float = 600.0) -> None:
        """Until the outbox is empty. Workers may be at it, too."""
        moved = monotonic()
        waiting = DocumentChange.objects.filter(next_attempt_at__isnull=False)
        left = waiting.count()
        while left:
            delivery.run()
            if health.is_paused():
                raise DocumentsDown(health.row().last_error)
            now = waiting.count()
            if now < left:
                left, moved = now, monotonic()
            elif monotonic() - moved > patience:
                raise DocumentsDown("The outbox does not get shorter")
            if now:
                sleep(0.2)
            left = now
