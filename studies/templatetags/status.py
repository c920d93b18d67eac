"""How the status page shows a fact."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import template
from django.template.defaultfilters import date
from django.utils import timezone
from django.utils.timesince import timesince

register = template.Library()


@register.filter
def shown(value: Any) -> str:
    """Moments as "12 s ago" or "3 days, 4 hours ago", numbers with separators, text as it is."""
    if isinstance(value, datetime):
        seconds = (timezone.now() - value).total_seconds()
        if seconds < 60:
            return f"{max(0, int(seconds))} s ago"
        return f"{timesince(value)} ago"
    return f"{value:,}" if isinstance(value, int) else str(value)


@register.filter
def moment(value: Any) -> str:
    """The exact moment behind an age, in the page's zone; "" for anything else."""
    return date(timezone.localtime(value), "Y-m-d H:i:s T") if isinstance(value, datetime) else ""
