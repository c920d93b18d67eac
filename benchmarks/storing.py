"""CPU per image of storing by itself: `python -m benchmarks.storing 1 10 64` (a transaction)."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

COUNT = 400


def main(sizes: list[int], folder: Path) -> None:
    os.environ |= {"PACS_DATA_DIR": str(folder / "data"), "PACS_LOG_LEVEL": "WARNING"}
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pacs.settings.development")
    import django

    django.setup()
    from django.core.management import call_command

    from benchmarks.stow import Copies
    from pacs.accounts.models import Site, User
    from studies.demo import synth
    from studies.dicom.payload import Payload
    from studies.services import ingest

    for database in ("default", "channels"):
        call_command("migrate", database=database, verbosity=0)
    site, user = Site.objects.create(name="bench", slug="bench"), User.objects.create_user("bench")
    copies = Copies(synth.ct_series(folder / "ct", slices=200, size=512, seed=77))

    def store(files: list[bytes]) -> float:
        """Seconds of CPU, of user and system."""
        before = os.times()
        prepared = [
            ingest.prepare(Payload.from_bytes(file), source="stow:token:1", site_id=site.pk)
            for file in files
        ]
        results = ingest.commit(prepared, actor=user, session_key="token:1")
        after = os.times()
        if any(result.outcome != "stored" for result in results):
            raise RuntimeError("not stored")
        return after.user - before.user + after.system - before.system

    store(copies.next())  # folders, connections, caches
    for size in sizes:
        spent, done = 0.0, 0
        while done < COUNT:
            files = copies.next()
            for start in range(0, len(files), size):
                some = files[start : start + size]
                spent += store(some)
                done += len(some)
        print(f"{size} a transaction: {spent / done * 1000:.2f} ms of CPU an image")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="lightbox-bench-") as name:
        main([int(one) for one in sys.argv[1:]] or [1, 10, 64], Path(name))
