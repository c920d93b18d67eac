"""Published npm packages for tests: packed by npm, checked against a pinned digest, unpacked once.

Their dependencies are not installed: what is used here are finished builds.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from tests.clients import node

CACHE = Path(__file__).resolve().parents[2] / "var" / "test-clients"
PACKAGES = {
    "@ohif/app@3.13.2": (
        "WZdxmpmG7rqFgW9ZJLcbgr3XCtLi1KDNPoMaeY5PPe6j4G4fjEjjkycZM6C6Zk2F87BKxFfpq+jd5xXZB9E8EA=="
    ),
    "simple-hl7@3.3.0": (
        "t2TnUNnzLh+0EJCdCT+9fQ8/LbNmBRzoFLTZL0aw+1b2Ll9XHJR66fsnlDoaM0E1K8rzjZrtoQBGH6XlVRTujQ=="
    ),
    "moment@2.30.1": (
        "uEmtNhbDOrWPFS+hdjFCBfy9f2YoyzRpwcl+DqpC6taX21FzsTLQVbMV/W7PzNSX6x/bhC1zA3c2UQ5NzH6how=="
    ),
    "utils-merge@1.0.0": (
        "HwU9SLQEtyo+0uoKXd1nkLqigUWLB+QuNQR4OcmB73eWqksM5ovuqcycks2x043W8XVb75rG1HQ0h93TMXkzQQ=="
    ),
    "watch@0.13.0": (
        "yTgNlr/8OjaGYq2FIv/PjU0zlv/pdAOmVSEeHNVcApFTT6ocWnMLhXlB6n/Rz9VVWXZmZkvkDnJ+iAIi/JjUJA=="
    ),
    "dicomweb-client@0.11.3": (
        "7t1Rc/01fyFnKlQeNPW9Pvxvmsx8R/BgB2n7BxTuWirRFwlTC5upEeLeS3vO72P+n6/SQZ3+5ij0bgaWDHQG/A=="
    ),
}


def package(name: str) -> Path:
    """The folder of an unpacked package. Raises AssertionError where it cannot be had."""
    folder = CACHE / name.strip("@").replace("/", "-")
    if folder.is_dir():
        return folder
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as made:
        done = subprocess.run(
            [node.program("npm"), "pack", "--silent", "--pack-destination", made, name],
            env=node.environment(),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, f"npm cannot pack {name}: {done.stderr[-400:]}"
        archive = Path(made) / done.stdout.strip().splitlines()[-1]
        found = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
        assert found == PACKAGES[name], f"{name} is not the one that was pinned"
        with tarfile.open(archive) as content:
            members = [m for m in content.getmembers() if m.name.startswith("package/")]
            for member in members:
                member.name = member.name.removeprefix("package/")
            content.extractall(Path(made) / "content", members, filter="data")
        # Whole or not at all; another process may have been quicker.
        with contextlib.suppress(OSError):
            (Path(made) / "content").rename(folder)
    return folder


if __name__ == "__main__":
    for wanted in sys.argv[1:] or PACKAGES:
        print(package(wanted))
