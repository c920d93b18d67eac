"""`manage.py load_demo`: real images for a first look."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from pacs.accounts.models import Site
from studies.demo import accounts, files, send, synth
from studies.services import ingest


class Command(BaseCommand):
    """Sends the demo's files once; a second run does nothing."""

    help = "Load the demo's images, by C-STORE through Orthanc where it runs."

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("--again", action="store_true", help="Send even if sent before")

    def handle(self, *args: Any, **options: Any) -> None:
        done = Path(settings.DATA_DIR) / "run" / "demo-loaded"
        if not settings.DEMO:
            self.stdout.write("The demo is off (PACS_DEMO=0, or production settings).")
            return
        if done.exists() and not options["again"]:
            return
        with tempfile.TemporaryDirectory(prefix="lightbox-demo-") as folder:
            generated = synth.ct_series(
                Path(folder),
                slices=60,
                size=512,
                patient_name="Lindqvist^Maria",
                patient_id="LB-204711",
            )
            paths = [*files.paths(), *map(Path, generated)]
            port = os.environ.get("ORTHANC_DICOM_PORT", "4242")
            if os.environ.get("LIGHTBOX_LOCAL_ORTHANC_URL") and send.available():
                try:
                    send.dcmsend(paths, host="127.0.0.1", port=int(port))
                    self.stdout.write(f"Demo: {len(paths)} images sent to Orthanc.")
                except send.SendFailed as error:
                    self.stderr.write(f"Demo: not every image was taken by Orthanc ({error}).")
            else:
                self._store(paths)
        done.parent.mkdir(parents=True, exist_ok=True)
        done.touch()

    def _store(self, paths: list[Path]) -> None:
        site = Site.objects.get(slug=accounts.HOSPITAL[1])
        stored = 0
        for path in paths:
            with path.open("rb") as stream:
                result = ingest.store(stream, source="demo", site=site)
                stored += result.outcome == "stored"
        self.stdout.write(f"Demo: {stored} images stored (no Orthanc here).")
