"""How the worklist writes what a study carries."""

from __future__ import annotations

import json
import re
import zoneinfo
from collections.abc import Collection
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any

from django import template
from django.utils import timezone

from studies.dicom.charset import display_name
from studies.models import Arrival, Priority, QuarantinedFile, ReadingState, Study
from studies.reading import clocks
from studies.reading.states import BEING_READ
from studies.tables import FIRST_CLICK_DESCENDING, sort_key, words_of
from studies.templatetags.sends import at_site

register = template.Library()

# PS3.5 6.2: AS is three digits and a unit.
AGE = re.compile(r"(\d{1,3})([DWMY])")
DATE = re.compile(r"(\d{4})[.-]?(\d{2})[.-]?(\d{2})")
TIME = re.compile(r"(\d{2}):?(\d{2})")


@register.filter
def da(text: str) -> str:
    """`20261124` as `2026-11-24`; what is no DICOM date stays as sent."""
    match = DATE.fullmatch(text.strip())
    return "-".join(match.groups()) if match else text.strip()


@register.filter
def tm(text: str) -> str:
    """`101530.25` as `10:15`; what is no DICOM time stays as sent."""
    match = TIME.match(text.strip())
    return ":".join(match.groups()) if match else text.strip()


@register.filter
def sex_age(study: Study) -> str:
    """`F 54 y`. The age is the one sent, else it is counted from the birth date."""
    return f"{study.patient_sex[:1]} {age_of(study)}".strip()


def age_of(study: Study) -> str:
    """`54 y`, `3 m`, `12 d`; nothing where it can't be known."""
    match = AGE.fullmatch(study.patient_age.strip().upper())
    if match:
        return f"{int(match[1])} {match[2].lower()}"
    born = DATE.fullmatch(study.patient_birth_date.strip())
    if not born or study.study_day is None:
        return ""
    try:
        birthday = date(*(int(part) for part in born.groups()))
    except ValueError:
        return ""
    day = study.study_day
    months = (day.year - birthday.year) * 12 + day.month - birthday.month
    months -= day.day < birthday.day
    if day < birthday:
        return ""
    if months >= 24:
        return f"{months // 12} y"
    return f"{months} m" if months else f"{(day - birthday).days} d"


@register.filter
def ideographic(text: str) -> str:
    """The ideographic group of a name: `山田^太郎` as `山田 太郎`."""
    return " ".join(text.replace("^", " ").split())


@register.filter
def person(name: str) -> str:
    """A PN (PS3.5 6.2.1) as people write it: `DOE^Jane` as `DOE, Jane`."""
    return display_name(name)


@register.filter
def epoch(moment: datetime) -> int:
    """Milliseconds since 1970, as the browser counts."""
    return int(moment.timestamp() * 1000)


@register.filter
def waiting(moment: datetime) -> str:
    """How long ago: `00:12` hours and minutes, from two days on `3 d`. age.js writes the same."""
    return waited(timezone.now() - moment)


def waited(span: timedelta) -> str:
    minutes = max(0, int(span.total_seconds() // 60))
    if minutes >= 48 * 60:
        return f"{minutes // 1440} d"
    return f"{minutes // 60:02}:{minutes % 60:02}"


@register.filter
def due(study: Study) -> str:
    """When the study should be read, as the browser counts; nothing for what is no work."""
    moment = clocks.due_at(study)
    return str(epoch(moment)) if moment else ""


@register.filter
def standing(study: Study) -> str:
    """`over`, `soon`, or nothing."""
    return clocks.standing(study)


@register.filter
def clock_words(standing: str) -> str:
    """The same for screen readers; age.js has these words, too."""
    return {"over": "overdue", "soon": "due soon"}.get(standing, "")


@register.filter
def due_words(study: Study) -> str:
    """`To be read by 2026-11-24 21:15 Europe/Berlin`."""
    moment = clocks.due_at(study)
    return f"To be read by {at_site(moment, study.site)}" if moment else ""


@register.simple_tag
def reading_words(study: Study, user_id: int) -> str:
    """Who reads a study: `Reading, Ada Reader`, `Draft, you`; for others the state alone."""
    label = ReadingState(study.reading_state).label
    if study.reading_state not in BEING_READ or study.reader_id is None:
        return str(label)
    return f"{label}, {'you' if study.reader_id == user_id else study.reader}"


@register.simple_tag
def assigned_words(study: Study, user_id: int) -> str:
    """Who should read what nobody reads: `for you`, `for Ada Reader`, or nothing."""
    if study.reading_state != ReadingState.UNREAD or study.assigned_to_id is None:
        return ""
    return f"for {'you' if study.assigned_to_id == user_id else study.assigned_to}"


@register.simple_tag
def reading_title(study: Study, user_id: int) -> str:
    """The same, with since when, and who should read what nobody reads."""
    words = reading_words(study, user_id)
    if study.reading_state in BEING_READ and study.claimed_at:
        words += f", since {at_site(study.claimed_at, study.site)}"
    if study.assigned_to_id is not None:
        whom = "you" if study.assigned_to_id == user_id else study.assigned_to
        words += f". Assigned to {whom}"
    return words


@register.filter
def site_time(received: Study | QuarantinedFile) -> str:
    """The time of receipt on the clock of its site."""
    zone = zone_of(received)
    return f"{received.received_at.astimezone(zone):%Y-%m-%d %H:%M:%S} {zone}"


@register.filter
def received_minute(study: Study) -> str:
    """The same to the minute, for a column."""
    return f"{study.received_at.astimezone(zone_of(study)):%Y-%m-%d %H:%M}"


def zone_of(received: Study | QuarantinedFile) -> tzinfo:
    """The zone of its site; UTC where there is none of that name."""
    try:
        return zoneinfo.ZoneInfo(received.site.timezone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        return UTC


@register.filter
def key(study: Study, sort: str) -> str:
    """The values that place the row, as JSON."""
    return json.dumps(sort_key(study, sort), separators=(",", ":"), ensure_ascii=False)


@register.filter
def arrival_words(study: Study) -> str:
    """What the state means, for the pointer and for screen readers."""
    count, expected = study.number_of_instances, study.expected_instances
    images = "1 image" if count == 1 else f"{count} images"
    so_far = f"{count} of {expected} images" if expected else images
    if study.arrival == Arrival.RECEIVING:
        return f"Receiving: {so_far} so far"
    if study.arrival == Arrival.COMPLETE:
        return f"Complete: {images}"
    return f"Quiet: {so_far}, no new one for a while; not yet said to be complete"


@register.filter
def arrival_count(study: Study) -> str:
    """The number beside the word: `96…`, `12 of 60`, `312`; nothing where it says no more."""
    count, expected = study.number_of_instances, study.expected_instances
    if study.arrival == Arrival.COMPLETE:
        return str(count)
    if expected:
        return f"{count} of {expected}"
    return f"{count}…" if study.arrival == Arrival.RECEIVING else ""


@register.filter
def late_words(study: Study) -> str:
    count = study.late_instances
    images = "1 image" if count == 1 else f"{count} images"
    return f"{images} came after the study was quiet or complete"


@register.filter
def priority_class(study: Study) -> str:
    """STAT and urgent are marked; routine is said to screen readers only."""
    if study.priority == Priority.ROUTINE:
        return "unseen"
    return f"mark priority-{Priority(study.priority).name.lower()}"


@register.filter
def born(study: Study) -> str:
    return f"Born {da(study.patient_birth_date)}" if study.patient_birth_date else ""


@register.filter
def time_as_sent(study: Study) -> str:
    """Study date and time as the modality sent them (DA and TM, PS3.5 6.2)."""
    sent = f"{study.study_date} {study.study_time}".strip()
    return f"As sent: {sent}" if sent else "The images carry no study date"


@register.filter
def thousands(count: int) -> str:
    return f"{count:,}"


@register.filter
def slugify_column(name: str) -> str:
    """A column's name as its CSS class has it."""
    return name.replace("_", "-")


@register.filter
def as_json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


@register.simple_tag
def next_sort(name: str, sort: str) -> str:
    """The sort that a click on this header asks for."""
    if sort == name:
        return f"-{name}"
    if sort == f"-{name}":
        return name
    return f"-{name}" if name in FIRST_CLICK_DESCENDING else name


@register.simple_tag
def aria_sort(name: str, sort: str) -> str:
    return {name: "ascending", f"-{name}": "descending"}.get(sort, "none")


@register.simple_tag
def sorted_unseen(sort: str, columns: Collection[str]) -> str:
    """What the list is sorted by, where no head can say so: its column is not shown."""
    name = sort.removeprefix("-")
    return "" if name in columns else words_of(name).lower()


@register.simple_tag
def list_url(filters: Any, sort: str, page: int = 0) -> str:
    """The address of another page or sort of this list, without the free text."""
    query = filters.url_query(sort="" if sort == "priority" else sort, page=page if page > 1 else 0)
    return f"/?{query}" if query else "/"
