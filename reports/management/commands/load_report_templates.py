"""Loads the report templates that come with the portal; again after each update."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from reports.templating.loading import load


class Command(BaseCommand):
    help = "Loads the start set of report templates. What was changed here stays as it is."

    def handle(self, *args: Any, **options: Any) -> None:
        made, renewed = load()
        if options["verbosity"]:
            self.stdout.write(f"{made} new templates, {renewed} with a new version")
