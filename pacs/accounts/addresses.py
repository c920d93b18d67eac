"""The network address a request came from."""

from __future__ import annotations

import ipaddress
from typing import Any

from django.conf import settings
from django.http import HttpRequest


def client_address(request: Any, *args: Any) -> str:
    """The peer's address, or what the outermost of PACS_TRUSTED_PROXIES saw; "" where unknown.

    Every trusted proxy appends the address it saw to X-Forwarded-For, so entries count from the
    right and whatever a client put in front of them is ignored.
    """
    return address_of(
        request.META.get("REMOTE_ADDR") or "", request.META.get("HTTP_X_FORWARDED_FOR") or ""
    )


def page_origin(request: HttpRequest) -> dict[str, Any]:
    """Where a page's request comes from, as the audit trail keeps it: address and session."""
    return {
        "address": client_address(request),
        "session_key": request.session.session_key or "",
    }


def address_of(peer: str, forwarded_for: str) -> str:
    """The same for code outside Django's request."""
    proxies: int = settings.PACS_TRUSTED_PROXIES
    if proxies:
        seen = [entry.strip() for entry in forwarded_for.split(",") if entry.strip()]
        if len(seen) >= proxies:
            return _valid(seen[-proxies]) or _valid(peer)
    return _valid(peer)


def _valid(text: str) -> str:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return str(address)
