"""Unfinished drafts for the worklist."""

from __future__ import annotations

from typing import Any

from django import template

from pacs.accounts.principal import principal_of
from reports.writing.drafts import unfinished

register = template.Library()
MOST = 20


@register.simple_tag
def unfinished_drafts(user: Any) -> dict[str, Any]:
    """`count`, and `reports`, the newest of them: what the person has begun and not signed."""
    if not user.is_authenticated:
        return {"count": 0, "reports": []}
    principal = principal_of(user)
    if not principal.whole_sites:
        return {"count": 0, "reports": []}
    reports = list(unfinished(user, principal)[: MOST + 1])
    return {"count": len(reports), "reports": reports[:MOST], "more": len(reports) > MOST}
