"""`manage.py publish_agent ZIPAPP MANIFEST`: publishes a release that was signed elsewhere."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from agents import releases
from agents.release import MOST_ENVELOPE, ReleaseError


class Command(BaseCommand):
    """Checks it against PACS_AGENT_RELEASE_KEYS; a roll-out in the admin does the rest."""

    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("zipapp", type=Path)
        parser.add_argument("manifest", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.AGENT_RELEASE_KEYS:
            raise CommandError("PACS_AGENT_RELEASE_KEYS names no key whose releases are accepted.")
        try:
            with options["manifest"].open(encoding="utf-8", errors="replace") as file:
                envelope = file.read(MOST_ENVELOPE + 1)
            found, new = releases.publish(envelope, options["zipapp"])
        except ValueError as error:
            raise CommandError(f"PACS_AGENT_RELEASE_KEYS: a key {error}.") from None
        except ReleaseError as error:
            raise CommandError(error.words) from None
        except OSError as error:
            raise CommandError(f"{error.filename}: {error.strerror}") from None
        self.stdout.write(f"{found}: {'published' if new else 'was published before'}")
