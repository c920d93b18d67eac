"""Kombu's filesystem transport with messages that appear and vanish by one rename.

The stock transport moves a message through the temporary directory, which loses it where that is
another file system, and lets a reader see a message that is still being written.
"""

from __future__ import annotations

import uuid
from pathlib import Path
from queue import Empty
from time import time_ns
from typing import Any

from kombu.transport import filesystem
from kombu.utils.encoding import bytes_to_str, str_to_bytes
from kombu.utils.json import dumps, loads


class Channel(filesystem.Channel):  # type: ignore[misc]
    """Writes under a name that no reader looks at, then renames; claims by rename as well."""

    def _put(self, queue: str, payload: dict[str, Any], **kwargs: Any) -> None:
        folder = Path(self.data_folder_out)
        name = f"{time_ns():020d}_{uuid.uuid4().hex}.{queue}.msg"
        draft = folder / f"{name}.draft"
        draft.write_bytes(str_to_bytes(dumps(payload)))
        draft.rename(folder / name)

    def _get(self, queue: str) -> Any:
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
            return loads(bytes_to_str(payload))
        raise Empty


class Transport(filesystem.Transport):  # type: ignore[misc]
    """`lightboxfs://` in broker URLs."""

    Channel = Channel
    # Shared by every connection of the process, as the stock transport's is.
    global_state = filesystem.virtual.BrokerState()
