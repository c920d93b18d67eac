"""How pages of reports write numbers, and which of them somebody finds."""

from __future__ import annotations

from typing import Any

from django import template

from pacs.accounts.principal import principal_of

register = template.Library()


@register.filter
def duration(minutes: float) -> str:
    """`42 min`, `3 h 05`, `2 d 4 h`."""
    whole = round(minutes)
    if whole < 60:
        return f"{whole} min"
    if whole < 48 * 60:
        return f"{whole // 60} h {whole % 60:02}"
    return f"{whole // 1440} d {whole % 1440 // 60} h"


@register.simple_tag
def sees_statistics(user: Any) -> bool:
    """Whether the user is radiologist or administrator of a site."""
    from reports.views.statistics import READERS

    if not user.is_authenticated:
        return False
    who = principal_of(user)
    return who.is_superuser or any(role in READERS for _, role in who.roles)


@register.simple_tag
def sees_attachments(user: Any, study: Any) -> bool:
    """Whether the user sees the study's site whole; referrers see no attachments."""
    who = principal_of(user)
    return who.is_superuser or study.site_id in who.whole_sites
