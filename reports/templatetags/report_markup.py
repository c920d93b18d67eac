"""Markup of reports and templates in pages."""

from __future__ import annotations

from django import template
from django.utils.safestring import SafeString, mark_safe

from reports.writing.cleaning import clean_html

register = template.Library()


@register.filter
def report_markup(html: str) -> SafeString:
    """Cleaned once more on its way into a page, whatever the database holds."""
    return mark_safe(clean_html(html))  # noqa: S308


@register.filter
def as_lines(words: list[str] | None) -> str:
    """Each word on a line of its own, for a text area."""
    return "\n".join(words or [])
