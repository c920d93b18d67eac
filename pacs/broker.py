"""Kombu's filesystem transport with messages that appear and vanish by one rename.

The stock transport moves a message through the temporary directory, which loses it where that is
another file system, and lets a reader see a message that is still being written.
"""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from queue import Empty
from time import time_ns
from typing import Any

from kombu.transport import filesystem, virtual


class Channel(filesystem.Channel):  # type: ignore[misc]
    """Writes under a name that no reader looks at, then renames; claims by rename as well."""

    def _put(self, queue: str, payload: Any, **kwargs: Any) -> None:  # type: ignore[override]
        folder = Path(self.data_folder_out)
        name = f"{time_ns():020d}_{uuid.uuid4().hex}.{queue}.msg"
        draft = folder / f"{name}.draft"
        draft.write_text(json.dumps(payload), encoding="utf-8")
        draft.rename(folder / name)

    def _get(self, queue: str, timeout: Any = None) -> Any:
        folder = Path(self.data_folder_in)
        suffix = f".{queue}.msg"
        for path in sorted(path for path in folder.iterdir() if path.name.endswith(suffix)):
            if path.name.partition(".")[2] != suffix[1:]:
                continue
            claimed = path.with_name(f"{path.name}.{uuid.uuid4().hex}.claimed")
            try:
                path.rename(claimed)
            except FileNotFoundError:
                continue
            payload = claimed.read_bytes()
            claimed.unlink()
            return json.loads(payload)
        raise Empty


class Transport(filesystem.Transport):  # type: ignore[misc]
    """`lightboxfs://` in broker URLs."""

    Channel = Channel
    # Shared by every connection of the process, as the stock transport's is.
    global_state = virtual.BrokerState()  # type: ignore[no-untyped-call]
