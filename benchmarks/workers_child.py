"""Stores COUNT images when told to on stdin: `python -m benchmarks.workers_child COUNT SEED`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from time import monotonic

import django

django.setup()

from benchmarks.stow import Copies  # noqa: E402
from pacs.accounts.models import Site  # noqa: E402
from studies.demo import synth  # noqa: E402
from studies.dicom.payload import Payload  # noqa: E402
from studies.services import ingest  # noqa: E402

BATCH = 64
SLICES = 200


def main(count: int, seed: int) -> None:
    site, _ = Site.objects.get_or_create(slug="bench", defaults={"name": "bench"})
    with tempfile.TemporaryDirectory() as folder:
        copies = Copies(synth.ct_series(Path(folder), slices=SLICES, size=512, seed=seed))
    files = [data for _ in range(count // SLICES) for data in copies.next()]
    print("ready", flush=True)
    sys.stdin.readline()
    began = monotonic()
    for start in range(0, count, BATCH):
        ingest.commit(
            [
                ingest.prepare(Payload.from_bytes(data), source="bench", site_id=site.pk)
                for data in files[start : start + BATCH]
            ]
        )
    print(began, monotonic(), flush=True)


if __name__ == "__main__":
    main(*(int(one) for one in sys.argv[1:]))
