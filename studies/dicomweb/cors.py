"""CORS of the data plane: the rules of `pacs.cors` on ASGI headers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from django.conf import settings

from pacs import cors

if TYPE_CHECKING:
    from studies.dicomweb.exchange import Exchange, Header


def _encoded(headers: Mapping[str, str]) -> list[Header]:
    return [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]


def headers_for(exchange: Exchange) -> list[Header]:
    """What every answer bears where origins are configured."""
    if not settings.CORS_ORIGINS:
        return []
    return [*_encoded(cors.marks(exchange.headers)), (b"vary", b"Origin")]


async def answered(exchange: Exchange) -> bool:
    """Answer a preflight of a listed origin; False for any other request.

    Browsers send preflights without credentials, so this comes before anyone is identified.
    """
    if not cors.is_preflight(exchange.method, exchange.headers):
        return False
    exchange.started = True
    await exchange.send(
        {
            "type": "http.response.start",
            "status": 204,
            "headers": _encoded(cors.preflight(exchange.headers)),
        }
    )
    await exchange.end()
    return True
