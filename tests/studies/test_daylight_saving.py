"""Clocks of the worklist over the hour that comes twice, and over the one that is left out."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from studies.appearance.services import choose
from studies.models import Priority, ReadingState, Study
from studies.reading import clocks
from studies.tables import with_work
from studies.templatetags.worklist import due_words, site_time, waited

pytestmark = pytest.mark.django_db
# In Berlin 02:30 twice on 2026-10-25; and from 01:59 to 03:00 on 2026-03-29.
BACK = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
FORTH = datetime(2026, 3, 29, 0, 45, tzinfo=UTC)


@pytest.fixture
def received(site: Any, make_study: Any) -> Any:
    site.timezone = "Europe/Berlin"
    site.save()

    def at(moment: datetime) -> Study:
        study = make_study(
            site,
            received_at=moment,
            priority=Priority.STAT,
            reading_state=ReadingState.UNREAD,
        )
        return with_work(Study.objects.filter(pk=study.pk)).get()

    return at


@pytest.mark.parametrize("begin", [BACK, FORTH])
def test_time_to_read_is_an_hour_of_time_not_of_the_clock(received: Any, begin: datetime) -> None:
    study = received(begin)
    assert clocks.due_at(study) == begin + timedelta(minutes=60)


def test_the_hour_that_comes_twice(received: Any) -> None:
    first, second = received(BACK), received(BACK + timedelta(hours=1))
    assert site_time(first) == site_time(second) == "2026-10-25 02:30:00 Europe/Berlin"
    assert "2026-10-25 02:30" in due_words(first)
    assert "2026-10-25 03:30" in due_words(second)
    order = Study.objects.order_by("priority", "received_at", "id").values_list("pk", flat=True)
    assert list(order) == [first.pk, second.pk]
    assert waited(second.received_at - first.received_at) == "01:00"


def test_the_hour_that_is_left_out(received: Any) -> None:
    study = received(FORTH)
    assert site_time(study) == "2026-03-29 01:45:00 Europe/Berlin"
    assert "2026-03-29 03:45" in due_words(study)


@pytest.mark.parametrize(
    ("begin", "first", "second"),
    [
        (BACK, "2026-10-25 02:30", "2026-10-25 02:30"),
        (FORTH, "2026-03-29 01:45", "2026-03-29 03:45"),
    ],
)
def test_on_the_page_an_hour_apart_stays_an_hour_apart(
    received: Any, logged_in: Any, radiologist: Any, begin: datetime, first: str, second: str
) -> None:
    """The clock of the site is shown, and the browser counts from the moment."""
    received(begin)
    received(begin + timedelta(hours=1))
    choose(radiologist, ["priority", "patient", "state", "received"], "compact")
    text = logged_in(radiologist).get("/").content.decode()
    shown = re.findall(r'<td class="c-received"[^>]*>([^<]+)<', text)
    assert shown == [first, second]
    moments = [int(each) for each in re.findall(r'data-received="(\d+)"', text)]
    assert moments[1] - moments[0] == 3_600_000
    due = [int(each) for each in re.findall(r'data-due="(\d+)"', text)]
    assert due[1] - due[0] == 3_600_000
