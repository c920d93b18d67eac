"""Which addresses people may have the portal connect to."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from urllib.parse import urlsplit

from django.conf import settings


def is_own_machine(host: str) -> bool:
    """Whether a name means this machine or its link: never another hospital's server."""
    name = host.strip("[]").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    with contextlib.suppress(OSError):
        # Also what resolvers take for an address: 127.1, 0x7f000001.
        name = socket.inet_ntoa(socket.inet_aton(name))
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_loopback or address.is_link_local or address.is_unspecified


def problem_of_url(url: str) -> str:
    """Why the portal does not send to this address of a service, in words; "" where it does."""
    parts = urlsplit(url)
    if parts.scheme != "https" and not settings.SEND_OVER_HTTP:
        return "The address must begin with https://."
    if parts.username is not None or parts.query or parts.fragment:
        return "No password, query or # belongs into the address."
    return ""
