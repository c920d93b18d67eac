"""`manage.py index_reports`: make the index of report texts anew."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from reports.search.index import rebuild


class Command(BaseCommand):
    help = "Make the search index of report texts anew from the signed versions."

    def handle(self, *args: Any, **options: Any) -> None:
        count = rebuild()
        self.stdout.write(f"{count} report{'' if count == 1 else 's'} indexed")
