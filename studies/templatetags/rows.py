"""A row of the worklist in Django's templates."""

from __future__ import annotations

from django import template
from django.template.context import Context
from django.utils.safestring import SafeString

from studies.models import Study
from studies.rows import row_html

register = template.Library()


@register.simple_tag(takes_context=True)
def study_row(context: Context, study: Study, columns: list[str]) -> SafeString:
    """The row, for whom and as what the list is rendered."""
    return row_html(
        study,
        columns=columns,
        sort=context["sort"],
        rights=context["rights"],
        judged_sites=context["judged_sites"],
    )
