"""A page says whose it is: nothing that it kept is saved for the one who logged in later."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from pacs.accounts import page_person
from studies.models import Measurement

BODY = {
    "series_instance_uid": "1.2.3",
    "sop_instance_uid": "1.2.3.1",
    "frame": 1,
    "tool": "length",
    "points": [[0, 0], [3, 4]],
    "values": [{"name": "length", "value": 5, "unit": "px"}],
}


@pytest.mark.parametrize(
    ("said", "user_id", "other"),
    [("7", 7, False), (None, 7, False), ("8", 7, True), ("", 7, True), ("7 ", 7, True)],
)
def test_whose_page(said: str | None, user_id: int, other: bool) -> None:
    assert page_person.is_other(said, user_id) is other


def put(client: Any, study: Any, **headers: str) -> Any:
    return client.put(
        f"/api/studies/{study.pk}/measurements/{uuid.uuid4()}/",
        BODY,
        content_type="application/json",
        headers=headers,
    )


def test_what_a_page_of_somebody_else_sends_is_refused_and_can_be_sent_again(
    logged_in: Any, radiologist: Any, technician: Any, study: Any
) -> None:
    client = logged_in(radiologist)
    answer = put(client, study, **{page_person.HEADER: str(technician.pk)})
    assert answer.status_code == 401
    assert answer.json() == {"detail": page_person.WORDS}
    assert not Measurement.objects.exists()
    # Asked anew it goes the way that it would have gone.
    own = put(client, study, **{page_person.HEADER: str(radiologist.pk)})
    assert own.status_code != 401
    assert own.status_code == put(client, study).status_code


def test_nobody_is_told_as_before(client: Any, study: Any, radiologist: Any) -> None:
    answer = put(client, study, **{page_person.HEADER: str(radiologist.pk)})
    assert answer.status_code in {401, 403}
    assert page_person.WORDS not in answer.content.decode()


def test_every_page_says_whose_it_is(logged_in: Any, radiologist: Any) -> None:
    text = logged_in(radiologist).get("/").content.decode()
    assert f'<meta name="user" content="{radiologist.pk}">' in text
