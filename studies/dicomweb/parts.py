"""Writing multipart/related bodies (PS3.18 8.6.1.2, RFC 2387)."""

from __future__ import annotations

import secrets

from studies.dicomweb.exchange import Header


class Parts:
    """One body's boundary and what stands around its parts."""

    __slots__ = ("_boundary", "header", "tail")

    def __init__(self, part_type: str) -> None:
        self._boundary = secrets.token_hex(16).encode()
        self.header: Header = (
            b"content-type",
            b'multipart/related; type="%s"; boundary=%s' % (part_type.encode(), self._boundary),
        )
        self.tail = b"\r\n--%s--\r\n" % self._boundary

    def head(self, content_type: bytes, *, first: bool) -> bytes:
        """What precedes a part's bytes."""
        begin = b"" if first else b"\r\n"
        return b"%s--%s\r\nContent-Type: %s\r\n\r\n" % (begin, self._boundary, content_type)
