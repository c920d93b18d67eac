"""The check of a display: what was seen is kept, for the person who saw it, and audited."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from pacs.accounts.models import User
from pacs.audit.models import AuditEvent
from studies.displays.models import DisplayCheck
from studies.displays.questions import LETTERS, QUESTIONS

pytestmark = pytest.mark.django_db
LogIn = Callable[[User], Client]
URL = "/display-check/"
SEEN: dict[str, Any] = {
    **dict.fromkeys(QUESTIONS, "yes"),
    **dict.fromkeys(LETTERS, 12),
    "workstation": "Reading room 7, left",
    "width": 3840,
    "height": 2160,
    "ratio": 1.5,
    "remarks": "",
}


def test_a_check_is_kept_and_shown_to_who_made_it(
    radiologist: User, technician: User, logged_in: LogIn
) -> None:
    client = logged_in(radiologist)
    assert "You have not checked a display yet." in client.get(URL).content.decode()
    assert client.post(URL, SEEN).status_code == 302
    check = DisplayCheck.objects.get()
    assert (check.checker, check.workstation, check.is_fine) == (
        radiologist,
        "Reading room 7, left",
        True,
    )
    assert (check.width, check.height, check.ratio) == (3840, 2160, 1.5)
    assert check.answers["letters_dark"] == 12
    page = client.get(URL).content.decode()
    assert "Last checked by you" in page
    assert page.count("Reading room 7, left") == 3  # last, the form, the list
    assert "Reading room 7" not in logged_in(technician).get(URL).content.decode()
    event = AuditEvent.objects.get(action="display.checked")
    assert (event.actor_name, event.detail) == (
        "radiologist",
        {"check": check.pk, "fine": True},
    )


def test_something_to_look_at(radiologist: User, logged_in: LogIn) -> None:
    client = logged_in(radiologist)
    client.post(URL, {**SEEN, "bright": "no", "remarks": "<b>lamp</b>"})
    assert not DisplayCheck.objects.get().is_fine
    page = client.get(URL).content.decode()
    assert "with something to look at" in page
    assert "&lt;b&gt;lamp&lt;/b&gt;" in page


@pytest.mark.parametrize(
    "change",
    [
        {"patches": ""},
        {"lines": "perhaps"},
        {"letters_dark": 15},
        {"letters_bright": -1},
        {"letters_middle": "all"},
        {"workstation": " "},
        {"workstation": "x" * 61},
        {"width": 0},
        {"ratio": "nan"},
        {"remarks": "x" * 501},
    ],
)
def test_what_is_left_open(radiologist: User, logged_in: LogIn, change: dict[str, Any]) -> None:
    answer = logged_in(radiologist).post(URL, {**SEEN, **change})
    assert answer.status_code == 400
    page = answer.content.decode()
    assert "Not kept yet" in page
    # What was answered is not asked for again.
    assert page.count("checked>") >= len(QUESTIONS) - 1
    assert not DisplayCheck.objects.exists()


def test_the_viewer_says_when(radiologist: User, study: Any, logged_in: LogIn) -> None:
    client = logged_in(radiologist)
    view = f"/studies/{study.pk}/view/"
    assert "Not checked yet" in client.get(view).content.decode()
    client.post(URL, SEEN)
    assert "Last checked 20" in client.get(view).content.decode()
