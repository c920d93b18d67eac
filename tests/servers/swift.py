"""OpenStack Swift with its S3 API: an object storage that checks signatures and refuses."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import quote

from tests.servers.ports import free_port, listens

OWNER = ("clinic:portal", "right-secret")
STRANGER = ("other:portal", "other-secret")
READER = ("clinic:reader", "reader-secret")
"""Key and secret: who owns the account, who owns another, and who is no admin of the first."""

_BACKEND = """
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
user = root
swift_dir = {folder}
devices = {folder}/devices
mount_check = false
log_level = ERROR
log_address = {folder}/log

[pipeline:main]
pipeline = {kind}-server

[app:{kind}-server]
use = egg:swift#{kind}
"""
_PROXY = """
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
user = root
swift_dir = {folder}
log_level = ERROR
log_address = {folder}/log

[pipeline:main]
pipeline = catch_errors cache s3api tempauth slo proxy-server

[filter:catch_errors]
use = egg:swift#catch_errors

[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:{nowhere}

[filter:s3api]
use = egg:swift#s3api
s3_acl = false
location = us-east-1

[filter:tempauth]
use = egg:swift#tempauth
user_clinic_portal = right-secret .admin
user_clinic_reader = reader-secret
user_other_portal = other-secret .admin

[filter:slo]
use = egg:swift#slo

[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
"""
_MAKE_RINGS = """
import sys
from swift.common.ring import RingBuilder
for kind, port in (one.split("=") for one in sys.argv[2:]):
    builder = RingBuilder(4, 1, 0)
    place = {"ip": "127.0.0.1", "port": int(port)}
    place |= {"replication_ip": "127.0.0.1", "replication_port": int(port)}
    builder.add_dev({"region": 1, "zone": 1, "weight": 1.0, "device": "disk", "meta": "", **place})
    builder.rebalance()
    builder.get_ring().save(f"{sys.argv[1]}/{kind}.ring.gz")
"""


class Swift:
    """A running one."""

    def __init__(self, url: str) -> None:
        self.url = url

    def address(self, who: tuple[str, str], bucket: str) -> str:
        """The address of a bucket, as PACS_ARCHIVE_URL and PACS_BACKUP_URL take it."""
        key, secret = (quote(part, safe="") for part in who)
        return f"s3://{key}:{secret}@{bucket}/pacs?endpoint_url={self.url}&addressing_style=path"


@contextmanager
def swift_processes(folder: Path) -> Iterator[Swift]:
    """One of each of Swift's servers, its data in `folder`."""
    (folder / "devices" / "disk").mkdir(parents=True)
    ports = {kind: free_port() for kind in ("account", "container", "object", "proxy")}
    for kind in ("account", "container", "object"):
        text = _BACKEND.format(port=ports[kind], folder=folder, kind=kind)
        (folder / f"{kind}.conf").write_text(text)
    text = _PROXY.format(port=ports["proxy"], folder=folder, nowhere=free_port())
    (folder / "proxy.conf").write_text(text)
    with ExitStack() as stack:
        for kind in ports:
            if kind == "proxy":
                _rings(folder, ports)
            stack.enter_context(_process(kind, folder))
        deadline = time.monotonic() + 120
        while not all(listens(port) for port in ports.values()):
            assert time.monotonic() < deadline, "Swift did not start"
            time.sleep(0.1)
        yield Swift(f"http://127.0.0.1:{ports['proxy']}")


def _rings(folder: Path, ports: dict[str, int]) -> None:
    """What swift-ring-builder makes, for all three in one process."""
    where = [f"{kind}={port}" for kind, port in ports.items() if kind != "proxy"]
    subprocess.run(
        ["/usr/bin/python3", "-c", _MAKE_RINGS, str(folder), *where],
        check=True,
        capture_output=True,
        timeout=120,
        env=_environment(),
    )


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


@contextmanager
def _process(kind: str, folder: Path) -> Iterator[None]:
    with (folder / f"{kind}.out").open("wb") as out:
        process = subprocess.Popen(
            [f"swift-{kind}-server", str(folder / f"{kind}.conf")],
            stdout=out,
            stderr=subprocess.STDOUT,
            env=_environment(),
        )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
