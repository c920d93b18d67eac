"""Where the portal itself may send HL7: what its configuration allows, and nothing else."""

from __future__ import annotations

import ipaddress

from django.conf import settings


def is_allowed(host: str, port: int) -> bool:
    """Whether PACS_HL7_RECEIVERS names this receiver.

    Its entries are `host`, `host:port`, `address/bits` and `address/bits:port`.
    """
    return any(_matches(entry, host, port) for entry in settings.HL7_RECEIVERS)


def _matches(entry: str, host: str, port: int) -> bool:
    name, _, wanted = entry.rpartition(":")
    if not name or not wanted.isdigit():
        name, wanted = entry, ""
    if wanted and int(wanted) != port:
        return False
    if "/" not in name:
        return name.strip("[]").lower() == host.strip("[]").lower()
    try:
        return ipaddress.ip_address(host.strip("[]")) in ipaddress.ip_network(name)
    except ValueError:
        return False
