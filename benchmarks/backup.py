"""Backup beside ingest: a Cloudinary that takes 100 ms a call, as a process of its own."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from benchmarks.arrival import uid_of, until_archived
from benchmarks.http import Row, portal_target
from studies.demo import synth
from tests.backup.cloudinary_service import CLOUD, KEY, SECRET
from tests.servers.ports import free_port, listens, wait_until
from tests.servers.stack import Stack

IMAGES = 1000
LATENCY = 0.1
TOKEN = """
from pacs.accounts.models import ApiToken, Membership, Site, User
from studies.backup import keys
site = Site.objects.order_by('id').first()
user = User.objects.create_user('bench')
Membership.objects.create(user=user, site=site, role='radiologist')
keys.confirm(keys.create(), 'bench')
print(ApiToken.issue(user, 'bench', scopes=['read'])[1])
"""
WAITING = """
from studies.backup.models import BackupState
print(BackupState.objects.exclude(state='done').count(), BackupState.objects.count())
"""


def measure(folder: Path) -> dict[str, float]:
    """The same long study into a portal without a backup, and into one with."""
    plain, _ = _send(folder / "plain", "", 501)
    port = free_port()
    service = subprocess.Popen(
        [
            *(sys.executable, "-m", "tests.backup.cloudinary_service"),
            *(str(port), str(folder / "cloudinary"), str(LATENCY)),
        ]
    )
    try:
        wait_until(lambda: listens(port), 20, "Cloudinary's stand-in listens")
        url = f"cloudinary://{KEY}:{SECRET}@{CLOUD}/pacs?api_url=http://127.0.0.1:{port}"
        backed, behind = _send(folder / "backed", url, 502)
    finally:
        service.terminate()
        service.wait(10)
    return {
        "backup_none_instances_per_s": plain,
        "backup_beside_instances_per_s": backed,
        "backup_slows_to": backed / plain,
        "backup_behind_s": behind,
        "backup_images": float(IMAGES),
    }


def _send(data_dir: Path, url: str, seed: int) -> tuple[float, float]:
    """Images a second from the first sent to the last archived; seconds until the last backup."""
    files = synth.ct_series(data_dir.parent / f"ct{seed}", slices=IMAGES, size=256, seed=seed)
    env = {"PACS_QUIET_SECONDS": "1", **({"PACS_BACKUP_URL": url} if url else {})}
    with Stack(data_dir, env=env) as stack:
        portal = portal_target(stack, stack.shell(TOKEN).strip())
        start = time.perf_counter()
        stack.storescu(files)
        archived, _ = until_archived(portal, uid_of(files), IMAGES)
        while url and stack.shell(WAITING).split() != ["0", str(IMAGES)]:
            time.sleep(0.2)
            if time.perf_counter() > archived + 300:
                raise RuntimeError("not backed up in five minutes")
        return IMAGES / (archived - start), time.perf_counter() - archived


def table_rows(found: dict[str, float]) -> list[Row]:
    count = f"{found['backup_images']:.0f}"
    return [
        Row(f"{count} images archived, no backup", "", _rate(found, "none")),
        Row(
            f"{count} images archived, backed up beside at 100 ms a call",
            "",
            _rate(found, "beside"),
            f"{found['backup_slows_to']:.2f} of that",
        ),
        Row(
            "the last is backed up after the last is archived",
            "",
            f"{found['backup_behind_s']:.1f} s",
        ),
    ]


def _rate(found: dict[str, float], name: str) -> str:
    return f"{found[f'backup_{name}_instances_per_s']:.0f}/s"
