"""`manage.py verify_reports`: is every signed report what was signed?"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand

from reports.models import ReportVersion
from reports.signing.verify import verify


class Command(BaseCommand):
    help = "Recompute every hash, chain and state of signed reports. Exit code 1 if one is wrong."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="the answer as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        problems = list(verify())
        count = ReportVersion.objects.count()
        if options["json"]:
            answer = {"versions": count, "problems": [asdict(each) for each in problems]}
            self.stdout.write(json.dumps(answer))
        else:
            for each in problems:
                self.stdout.write(
                    f"report {each.report} version {each.version}: {each.words} ({each.code})"
                )
            self.stdout.write(f"{count} versions, {len(problems)} problems")
        if problems:
            sys.exit(1)
