"""What pages show of sending: who may, and times on the clock of the site."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime
from typing import Any

from django import template

from pacs.accounts.models import Site
from pacs.accounts.principal import principal_of
from studies.models import Study
from studies.sending.permissions import may_send

register = template.Library()


@register.filter
def at_site(moment: datetime, site: Site) -> str:
    """`2026-11-24 20:15 Europe/Berlin`."""
    try:
        zone: Any = zoneinfo.ZoneInfo(site.timezone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        zone = UTC
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M} {zone}"


@register.simple_tag
def may_send_study(user: Any, study: Study) -> bool:
    """Whether the user may send this study."""
    who = principal_of(user)
    return who.is_superuser or study.site_id in who.whole_sites


@register.simple_tag
def may_send_anything(user: Any) -> bool:
    """Whether the user sends at all; nobody does not."""
    return bool(user.is_authenticated) and may_send(principal_of(user))
