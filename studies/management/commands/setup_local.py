"""`manage.py setup_local`: all that the embedded shape needs before it starts: its database and
static files, its Orthanc's row, the report templates and, where wanted, the demo's accounts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand

from pacs import upgrade
from pacs.accounts.models import Site
from studies.demo import accounts
from studies.models import OrthancServer


class Command(BaseCommand):
    """Idempotent; prints the demo's password when it has set one."""

    help = (
        "Migrate, collect static files, register the local Orthanc, load report templates,"
        " create the demo's sites and users."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        upgrade.migrate()
        run = Path(settings.DATA_DIR) / "run"
        run.mkdir(parents=True, exist_ok=True)
        upgrade.collect_static(run / "static.stamp")
        if settings.DEMO:
            site, password = accounts.create(os.environ.get("PACS_DEMO_PASSWORD", ""))
            if password:
                self.stdout.write("Demo users: radiologist, technician, referrer, stranger, admin")
                self.stdout.write(f"Demo password: {password}")
        else:
            site = Site.objects.order_by("id").first() or Site.objects.create(
                name="Main", slug="main"
            )
        # By its name: the apps above know this one. In this process, for each costs a second.
        call_command("load_report_templates", verbosity=0)
        url = os.environ.get("LIGHTBOX_LOCAL_ORTHANC_URL")
        if not url:
            return
        database = Path(settings.DATA_DIR) / "orthanc" / "db"
        values = {
            "base_url": url,
            "username": os.environ.get("LIGHTBOX_LOCAL_ORTHANC_USER", ""),
            "password": _secret("LIGHTBOX_LOCAL_ORTHANC_PASSWORD_FILE"),
            "webhook_secret": _secret("LIGHTBOX_LOCAL_ORTHANC_SECRET_FILE"),
        }
        # An Orthanc that starts empty with us has no priors: all that comes is work.
        fresh = not any(database.glob("index*"))
        OrthancServer.objects.update_or_create(
            slug="local",
            defaults=values,
            create_defaults={
                **values,
                "site": site,
                "name": "Local Orthanc",
                "prior_until": 0 if fresh else None,
            },
        )


def _secret(name: str) -> str:
    path = os.environ.get(name)
    return Path(path).read_text(encoding="utf-8").strip() if path else ""
