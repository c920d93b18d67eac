"""Files that can be made again: written beside and renamed; a reader sees all or nothing."""

from __future__ import annotations

import secrets
from pathlib import Path


def keep(path: Path, content: bytes) -> None:
    """Write a cache file. Not fsynced: losing it costs making it again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    draft.write_bytes(content)
    draft.replace(path)
