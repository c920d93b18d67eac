"""`manage.py restore_study ID`: a study's files checked and brought back from the backup."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from studies.backup import restore
from studies.models import Study


class Command(BaseCommand):
    """Only what is missing or damaged is fetched."""

    help = "Bring a study's files back from the backup."

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("study", type=int, help="The study's number in the portal")

    def handle(self, *args: Any, **options: Any) -> None:
        study = Study.objects.filter(pk=options["study"]).first()
        if study is None:
            raise CommandError("There is no such study.")
        tally = restore.restore_study(study)
        self.stdout.write(f"{tally.there} were good, {tally.restored} brought back.")
        if tally.failed:
            raise CommandError(f"{len(tally.failed)} could not be brought back.")
