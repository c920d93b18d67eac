"""A study as a row of the worklist. Rows are most of the page's work, so they are Jinja's."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Sequence
from typing import Any

import jinja2
from django.conf import settings
from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe

from studies.models import Study
from studies.reading import clocks
from studies.reading.people import Rights
from studies.templatetags import worklist as words

FILTERS: tuple[Any, ...] = (
    words.arrival_count,
    words.arrival_words,
    words.born,
    words.clock_words,
    words.da,
    words.due_words,
    words.epoch,
    words.ideographic,
    words.key,
    words.late_words,
    words.person,
    words.priority_class,
    words.received_minute,
    words.sex_age,
    words.site_time,
    words.time_as_sent,
    words.tm,
    words.waiting,
)


def _address(name: str) -> Callable[[int], str]:
    """Addresses of a view that differ in the number only, resolved once."""
    before, after = reverse(name, args=[0]).split("0")
    return lambda pk: f"{before}{pk}{after}"


@functools.cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(settings.BASE_DIR / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters.update({each.__name__: each for each in FILTERS})
    environment.globals.update(
        study_url=_address("view-study"),
        patient_url=_address("patient"),
        complete_url=_address("study-complete"),
        report_url=_address("report-of-study"),
        reading_words=words.reading_words,
        reading_title=words.reading_title,
        assigned_words=words.assigned_words,
    )
    return environment.get_template("studies/row.jinja")


def row_html(
    study: Study,
    *,
    columns: Sequence[str],
    sort: str,
    rights: Rights,
    judged_sites: Collection[int],
) -> SafeString:
    """The row of a study of `tables.with_work`; every value is escaped."""
    html = _template().render(
        study=study,
        columns=columns,
        sort=sort,
        rights=rights,
        judged_sites=judged_sites,
        due=clocks.due_at(study),
        standing=clocks.standing(study),
    )
    return mark_safe(html)  # noqa: S308 - escaped by the template
