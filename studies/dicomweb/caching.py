"""What a browser may keep.

Pixels may be kept for minutes, never beyond the session, and only for the same session: Vary names
the cookie, and logging out clears the browser's cache (Clear-Site-Data). With a token nothing says
when its user leaves, so each use is asked for again. All else is never kept.
"""

from __future__ import annotations

from typing import Final

from studies.dicomweb.exchange import Exchange, Header

MAX_AGE: Final = 300
VARY: Header = (b"vary", b"accept, cookie, authorization")


def pixels(exchange: Exchange) -> Header:
    """Cache-Control of pixels: seconds, at most what is left of the session."""
    identity = exchange.identity
    seconds = min(MAX_AGE, identity.seconds_left()) if identity.is_session else 0
    if seconds <= 0:
        return b"cache-control", b"private, no-cache"
    return b"cache-control", b"private, max-age=%d" % seconds


INSTANCE: Final[Header] = (b"cache-control", b"private, no-cache")
"""A whole instance says who the patient is, which may be corrected: each use is asked for again."""


async def not_modified(exchange: Exchange, etag: str, caching: Header) -> bool:
    """Answer 304 where the client has this entity already."""
    if not exchange.not_modified(etag):
        return False
    await exchange.begin(304, [(b"etag", etag.encode()), caching, VARY])
    await exchange.end()
    return True
