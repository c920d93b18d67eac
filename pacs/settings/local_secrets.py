"""Secrets of the embedded shape: made once, kept in the data directory with mode 600."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def read_or_create(path: Path, length: int = 48) -> str:
    """The secret in `path`; made first where it does not exist. Two processes agree on one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
            handle.write(secrets.token_urlsafe(length))
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text(encoding="utf-8").strip()
