"""`GET /api/studies/<id>/safety/`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from pacs.accounts.models import User


def path(study: Any) -> str:
    return f"/api/studies/{study.pk}/safety/"


def test_never_safe_without_an_expected_number(
    study: Any, technician: User, logged_in: Callable[[User], Client]
) -> None:
    answer = logged_in(technician).get(path(study))
    assert answer.status_code == 200
    assert answer.json()["safe"] is False
    assert answer.json()["message"] == "0 received, 0 backed up."


@pytest.mark.parametrize("who", ["stranger", "referrer"])
def test_hidden(
    who: str, study: Any, request: pytest.FixtureRequest, logged_in: Callable[[User], Client]
) -> None:
    answer = logged_in(request.getfixturevalue(who)).get(path(study))
    assert answer.status_code == 404


def test_anonymous(study: Any) -> None:
    assert Client().get(path(study)).status_code == 401
