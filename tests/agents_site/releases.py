"""Programs and releases of a test: built from this checkout, signed with keys of the test."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import sys
import time
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agents import release
from tests.agents_site.running import CHECKOUT, RunningAgent

LAUNCHER = CHECKOUT / "deploy" / "agent" / "launcher"
MAIN = """
import sys
{before}
from agents.site.__main__ import main
sys.exit(main())
"""
BROKEN = {
    "": "",
    "self-test": "if '--self-test' in sys.argv: sys.exit(3)",
    "other-version": "if '--self-test' in sys.argv: print('9.9.9'); sys.exit(0)",
    "crash": "if '--self-test' not in sys.argv: sys.exit(1)",
    "deaf": "import time\nif '--self-test' not in sys.argv: time.sleep(600)",
}


def program(path: Path, version: str, *, broken: str = "", padding: int = 0) -> Path:
    """The agent as one file of this version, for this interpreter."""
    agents = CHECKOUT / "agents"
    files = [agents / name for name in ("__init__.py", "protocol.py", "release.py")]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for file in [*files, *sorted((agents / "site").rglob("*.py"))]:
            name = file.relative_to(CHECKOUT)
            text = file.read_text()
            if name == Path("agents/site/__init__.py"):
                text = re.sub(r'VERSION = ".*"', f'VERSION = "{version}"', text)
            made.writestr(str(name), text)
        made.writestr("__main__.py", MAIN.format(before=BROKEN[broken]))
        made.writestr("padding", os.urandom(padding))
    return path


class Signer:
    """Somebody with a key."""

    def __init__(self) -> None:
        self.key = Ed25519PrivateKey.generate()
        self.public = base64.b64encode(self.key.public_key().public_bytes_raw()).decode()
        self.id = release.key_id(self.public)

    def envelope(self, path: Path, version: str, seq: int, **changes: Any) -> str:
        data = path.read_bytes()
        fields = {
            "version": version,
            "seq": seq,
            "size": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
            "expires": int(time.time()) + 3600,
            "key": self.id,
        }
        return release.sign(release.Manifest(**{**fields, **changes}), self.key)


class Shelf:
    """`GET /api/agents/release/` of a scripted portal: gives whatever was put on it."""

    def __init__(self) -> None:
        self.envelope = ""
        self.data = b""
        self.ranges: list[tuple[int, int]] = []
        self.give = 10_000
        """Pieces that it gives before it answers 503."""

    def put(self, envelope: str, path: Path) -> None:
        self.envelope, self.data = envelope, path.read_bytes()
        self.ranges.clear()

    def __call__(
        self, path: str, headers: dict[str, str]
    ) -> tuple[int, dict[str, str], bytes] | None:
        parts = urlsplit(path)
        if not parts.path.startswith("/api/agents/release/"):
            return None
        if parts.path.endswith("/release/"):
            assert "version" in parse_qs(parts.query, keep_blank_values=True)
            return (200, {}, self.envelope.encode()) if self.envelope else (404, {}, b"")
        if self.give <= 0:
            return 403, {}, b""
        self.give -= 1
        first, last = (int(each) for each in headers["range"].removeprefix("bytes=").split("-"))
        self.ranges.append((first, last))
        size = len(self.data)
        told = {"Content-Range": f"bytes {first}-{last}/{max(size, last + 1)}"}
        return 206, told, self.data[first : last + 1]


class LaunchedAgent(RunningAgent):
    """An agent that its launcher started from `installed`, and that `signer` may update."""

    def __init__(
        self,
        folder: Path,
        portal_url: str,
        installed: Path,
        signers: list[Signer],
        *,
        health: float = 30,
        allow: tuple[str, ...] = ("ping", "update"),
        sections: str = "",
        **more: Any,
    ) -> None:
        keys = ", ".join(f'"{each.public}"' for each in signers)
        commands = f"[commands]\nallow = {json.dumps(allow)}\n"
        super().__init__(
            folder, portal_url, sections=f"{commands}[update]\nkeys = [{keys}]\n{sections}", **more
        )
        self.installed = installed
        self.health = health
        self.updates = self.state_dir / "updates"
        self.state_dir.mkdir(exist_ok=True, mode=0o700)

    def command(self, *more: str) -> list[str]:
        return [
            *(sys.executable, str(LAUNCHER), "--updates", str(self.updates)),
            *("--health-seconds", str(self.health), str(self.installed)),
            *("--", "--config", str(self.config), "--insecure-localhost", *more),
        ]
