"""Times of sends on the clock of their site."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime
from typing import Any

from django import template

from pacs.accounts.models import Site

register = template.Library()


@register.filter
def at_site(moment: datetime, site: Site) -> str:
    """`2026-11-24 20:15 Europe/Berlin`."""
    try:
        zone: Any = zoneinfo.ZoneInfo(site.timezone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        zone = UTC
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M} {zone}"
