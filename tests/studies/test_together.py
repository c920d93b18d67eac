"""One thing done to several studies; reading needed or not."""

from __future__ import annotations

from typing import Any

import pytest

from pacs.audit.models import AuditEvent
from pacs.events.models import SiteEvent
from studies.models import Arrival, Priority, ReadingState, StudyGrant

PATH = "/api/studies/together/"


def ask(client: Any, studies: list[Any], do: str, **data: Any) -> Any:
    body = {"studies": [one.pk for one in studies], "do": do, **data}
    return client.post(PATH, body, content_type="application/json")


@pytest.fixture
def two(make_study: Any, site: Any) -> list[Any]:
    return [make_study(site), make_study(site)]


def test_nobody_is_told_401(client: Any, two: list[Any]) -> None:
    assert ask(client, two, "priority", priority=0).status_code == 401
    for study in two:
        study.refresh_from_db()
        assert study.priority == Priority.ROUTINE


def test_a_referrer_changes_nothing(
    logged_in: Any, referrer: Any, radiologist: Any, two: list[Any]
) -> None:
    StudyGrant.objects.create(study=two[0], user=referrer, granted_by=radiologist)
    assert ask(logged_in(referrer), two, "not_needed").status_code == 403
    two[0].refresh_from_db()
    assert two[0].reading_state == ReadingState.UNREAD


@pytest.mark.parametrize("do", ["priority", "assign", "complete", "not_needed", "needed"])
def test_studies_of_another_site_are_not_there(
    logged_in: Any, stranger: Any, two: list[Any], do: str
) -> None:
    answer = ask(logged_in(stranger), two, do, priority=0, user=stranger.pk).json()
    assert answer["done"] == []
    assert {one["words"] for one in answer["refused"]} == {"This study is no longer shown to you."}
    for study in two:
        study.refresh_from_db()
        assert (study.priority, study.assigned_to, study.reading_state) == (
            Priority.ROUTINE,
            None,
            ReadingState.UNREAD,
        )
        assert study.arrival != Arrival.COMPLETE


def test_priority(logged_in: Any, technician: Any, two: list[Any]) -> None:
    answer = ask(logged_in(technician), two, "priority", priority=0)
    assert answer.json() == {"done": [one.pk for one in two], "refused": []}
    for study in two:
        study.refresh_from_db()
        assert study.priority == Priority.STAT


def test_assign(logged_in: Any, site_admin: Any, radiologist: Any, two: list[Any]) -> None:
    client = logged_in(site_admin)
    assert len(ask(client, two, "assign", user=radiologist.pk).json()["done"]) == 2
    two[1].refresh_from_db()
    assert two[1].assigned_to == radiologist
    assert len(ask(client, two, "assign", user=None).json()["done"]) == 2
    two[1].refresh_from_db()
    assert two[1].assigned_to is None


def test_complete_by_those_who_judge(
    logged_in: Any, technician: Any, radiologist: Any, two: list[Any]
) -> None:
    answer = ask(logged_in(radiologist), two, "complete").json()
    assert answer["done"] == []
    assert "Only technicians" in answer["refused"][0]["words"]
    assert len(ask(logged_in(technician), two, "complete").json()["done"]) == 2
    two[0].refresh_from_db()
    assert two[0].arrival == Arrival.COMPLETE


def test_no_reading_needed_and_back(logged_in: Any, technician: Any, two: list[Any]) -> None:
    client = logged_in(technician)
    for _ in range(2):
        assert len(ask(client, two, "not_needed").json()["done"]) == 2
    two[0].refresh_from_db()
    assert two[0].reading_state == ReadingState.NOT_NEEDED
    events = AuditEvent.objects.filter(action="study.reading")
    assert events.count() == 2
    assert events[0].detail == {"from": "unread", "to": "not_needed"}
    assert SiteEvent.objects.filter(type="study.changed").count() == 2
    assert len(ask(client, two, "needed").json()["done"]) == 2
    two[0].refresh_from_db()
    assert two[0].reading_state == ReadingState.UNREAD


@pytest.mark.parametrize("state", ["claimed", "draft", "preliminary", "final", "addended"])
def test_what_is_read_is_left_and_stops_no_other(
    logged_in: Any, technician: Any, radiologist: Any, two: list[Any], state: str
) -> None:
    two[0].reading_state, two[0].reader = state, radiologist
    two[0].save()
    answer = ask(logged_in(technician), two, "not_needed").json()
    assert answer["done"] == [two[1].pk]
    assert [one["study"] for one in answer["refused"]] == [two[0].pk]
    two[0].refresh_from_db()
    assert (two[0].reading_state, two[0].reader) == (state, radiologist)


def test_twice_named_is_done_once_and_none_or_too_many_are_refused(
    logged_in: Any, technician: Any, two: list[Any]
) -> None:
    client = logged_in(technician)
    assert ask(client, [two[0]] * 3, "not_needed").json()["done"] == [two[0].pk]
    assert ask(client, [], "not_needed").status_code == 400
    assert ask(client, [two[0]] * 101, "not_needed").status_code == 400
    assert ask(client, two, "priority").status_code == 400
    assert ask(client, two, "assign").status_code == 400
    assert ask(client, two, "erase").status_code == 400
