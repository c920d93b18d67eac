"""A person's own keys, buttons and windows of the viewer: what is kept, and for whom."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from pacs.accounts.models import User
from pacs.audit.models import AuditEvent
from studies.preferences import services
from studies.preferences.models import OwnWindow, ViewerPreferences
from studies.preferences.rules import NotKept, checked_buttons, checked_keys, is_key

pytestmark = pytest.mark.django_db
LogIn = Callable[[User], Client]
URL = "/api/preferences/viewer/"
WINDOW = {"modality": "CT", "unit": "HU", "name": "Liver mine", "center": 60, "width": 160}


def put(client: Client, keys: Any, buttons: Any = None) -> Any:
    body = {"keys": keys, "buttons": buttons or {}}
    return client.put(URL, body, content_type="application/json")


def keep(client: Client, **changes: Any) -> Any:
    return client.post(f"{URL}windows/", {**WINDOW, **changes}, content_type="application/json")


def preferences(client: Client, study: Any) -> Any:
    answer = client.get(f"/studies/{study.pk}/view/", headers={"Accept": "application/json"})
    return answer.json()["preferences"]


def test_what_was_kept_is_told_to_the_viewer(
    radiologist: User, technician: User, study: Any, logged_in: LogIn
) -> None:
    client = logged_in(radiologist)
    assert preferences(client, study) == {
        "keys": {},
        "buttons": {},
        "windows": [],
        "isBroken": False,
    }
    own = {"invert": ["A", "Page Up"], "cine": []}
    buttons = {"right": "window", "left": "zoom"}
    assert put(client, own, buttons).status_code == 200
    found = preferences(client, study)
    assert (found["keys"], found["buttons"]) == (own, buttons)
    assert preferences(logged_in(technician), study)["keys"] == {}
    assert put(client, {}).status_code == 200
    assert preferences(client, study)["keys"] == {}
    assert AuditEvent.objects.filter(action="preferences.changed").count() == 2


@pytest.mark.parametrize(
    ("keys", "buttons", "words"),
    [
        ({"invert": ["A"], "cine": ["A"]}, {}, "A is given twice."),
        ({"invert": ["Esc"]}, {}, "cannot be given"),
        ({"invert": ["Ctrl+W"]}, {}, "cannot be given"),
        ({"invert": ["a"]}, {}, "cannot be given"),
        ({"Invert!": ["A"]}, {}, "lists of keys"),
        ({"invert": ["A", "B", "C", "D", "E", "F", "G"]}, {}, "at most 6"),
        ({}, {"right": "pan"}, "Two mouse buttons"),
        ({}, {"wheel": "pan"}, "cannot have this tool"),
        ({}, {"fourth": "pan"}, "no such mouse button"),
    ],
)
def test_what_is_refused(
    radiologist: User, logged_in: LogIn, keys: Any, buttons: Any, words: str
) -> None:
    answer = put(logged_in(radiologist), keys, buttons)
    assert answer.status_code == 400
    assert words in answer.json()["detail"]
    assert not ViewerPreferences.objects.exists()


@pytest.mark.parametrize("body", [{}, {"keys": []}, {"keys": {"a": 1}, "buttons": {}}, []])
def test_what_is_no_preference(radiologist: User, logged_in: LogIn, body: Any) -> None:
    answer = logged_in(radiologist).put(URL, body, content_type="application/json")
    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("keys", "buttons"),
    [
        ({"invert": ["A"], "cine": ["A"]}, {}),
        (["invert"], {}),
        ({"invert": "A"}, {}),
        ({"invert": [None]}, {}),
        ({}, {"right": "nothing"}),
        ({}, {"right": []}),
        ({}, None),
    ],
)
def test_what_is_stored_and_does_not_hold_is_left_out_and_said(
    radiologist: User, study: Any, logged_in: LogIn, keys: Any, buttons: Any
) -> None:
    ViewerPreferences.objects.create(user=radiologist, keys=keys, buttons=buttons or [])
    found = preferences(logged_in(radiologist), study)
    assert found == {"keys": {}, "buttons": {}, "windows": [], "isBroken": True}
    assert put(logged_in(radiologist), {"invert": ["A"]}).status_code == 200
    assert not preferences(logged_in(radiologist), study)["isBroken"]


def test_windows_are_the_person_s(
    radiologist: User, technician: User, study: Any, logged_in: LogIn
) -> None:
    client = logged_in(radiologist)
    (window,) = keep(client).json()["windows"]
    assert {key: window[key] for key in WINDOW} == WINDOW
    (again,) = keep(client, width=200).json()["windows"]
    assert (again["id"], again["width"]) == (window["id"], 200)
    assert len(keep(client, unit="", modality="MR").json()["windows"]) == 2
    assert preferences(logged_in(technician), study)["windows"] == []
    path = f"{URL}windows/{window['id']}/"
    assert logged_in(technician).delete(path).status_code == 404
    assert len(client.delete(path).json()["windows"]) == 1
    assert client.delete(path).status_code == 404
    assert AuditEvent.objects.filter(action="window.removed").count() == 1


@pytest.mark.parametrize(
    "change",
    [
        {"width": 0},
        {"width": -3},
        {"name": "  "},
        {"name": "x" * 41},
        {"modality": ""},
        {"modality": "<b>"},
        {"unit": "mm"},
        {"center": "many"},
        {"center": "NaN"},
        {"width": "Infinity"},
    ],
)
def test_what_is_no_window(radiologist: User, logged_in: LogIn, change: dict[str, Any]) -> None:
    assert keep(logged_in(radiologist), **change).status_code == 400
    assert not OwnWindow.objects.exists()


def test_windows_come_to_an_end(
    radiologist: User, logged_in: LogIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "MOST_WINDOWS", 2)
    client = logged_in(radiologist)
    assert [keep(client, name=name).status_code for name in "abcb"] == [200, 200, 400, 200]


def test_keys_by_name() -> None:
    assert all(is_key(name) for name in ("A", "+", "?", "7", "ß".upper()[0], "F12", "Ctrl+Z", "↑"))
    assert not any(is_key(name) for name in ("", "a", " ", "Esc", "F13", "Ctrl+A", "AB", None, 7))
    assert checked_keys({}) == {}
    assert checked_buttons({"left": "zoom", "right": "window"}) == {
        "left": "zoom",
        "right": "window",
    }
    with pytest.raises(NotKept):
        checked_keys(None)
