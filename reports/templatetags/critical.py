"""What every page shows of critical results: how many wait."""

from __future__ import annotations

from typing import Any

from django import template

from pacs.accounts.principal import principal_of
from reports.critical.access import visible, waiting_for

register = template.Library()


@register.simple_tag
def critical_waiting(user: Any) -> int | None:
    """How many wait for this person or at their sites; None for who has nothing to do with any."""
    if not user.is_authenticated:
        return None
    who = principal_of(user)
    waiting = waiting_for(who)
    if waiting or who.is_superuser or who.whole_sites:
        return waiting
    return 0 if visible(who).exists() else None
