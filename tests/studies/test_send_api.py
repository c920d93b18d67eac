"""`/api/sends/` and `/api/destinations/`: who may send what where, and what is answered."""

from __future__ import annotations

from typing import Any

import pytest

from pacs.accounts.models import Membership, Role
from pacs.audit.models import AuditEvent
from pacs.events.models import SiteEvent
from studies.models import Destination, Send, Series, StudyGrant
from studies.sending.models import Kind, State

pytestmark = pytest.mark.django_db
JSON = "application/json"


@pytest.fixture
def destination(site: Any) -> Destination:
    return Destination.objects.create(
        site=site,
        name="Workstation",
        kind=Kind.DICOMWEB,
        url="https://pacs.example/dicom-web",
        authorization="Bearer secret-of-the-other-side",
    )


@pytest.fixture
def other_destination(other_site: Any) -> Destination:
    return Destination.objects.create(
        site=other_site, name="North", kind=Kind.DICOMWEB, url="https://north.example/dw"
    )


@pytest.fixture
def send(study: Any, destination: Destination, technician: Any) -> Send:
    return Send.objects.create(study=study, destination=destination, requester=technician)


def ask(client: Any, study: Any, destination: Any, **more: Any) -> Any:
    body = {"study": study.pk, "destination": destination.pk, **more}
    return client.post("/api/sends/", body, content_type=JSON)


@pytest.mark.parametrize("actor", ["technician", "radiologist", "site_admin", "admin"])
def test_permitted(
    request: Any, logged_in: Any, actor: str, study: Any, destination: Destination
) -> None:
    client = logged_in(request.getfixturevalue(actor))
    first, again = ask(client, study, destination), ask(client, study, destination)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"]
    assert (first.json()["state"], first.json()["requester"]) == ("queued", actor)
    event = AuditEvent.objects.get(action="send.requested")
    assert (event.actor_name, event.study_id, event.address) == (actor, study.pk, "127.0.0.1")
    announced = SiteEvent.objects.get(type="delivery.changed")
    assert (announced.study_id, announced.extra) == (study.pk, {"send": first.json()["id"]})
    listed = client.get(f"/api/sends/?study={study.pk}").json()
    assert (listed["count"], listed["results"][0]["id"]) == (1, first.json()["id"])
    assert client.get("/api/sends/?state=open").json()["count"] == 1
    assert client.get("/api/sends/?state=done").json()["count"] == 0
    assert client.get(f"/api/sends/{first.json()['id']}/").json()["refusals"] == []
    [shown] = client.get(f"/api/destinations/?study={study.pk}").json()
    assert shown["name"] == "Workstation"
    assert "secret" not in str(shown)
    assert "example" not in str(shown)


def test_referrers_send_nothing(
    logged_in: Any, referrer: Any, radiologist: Any, study: Any, send: Send, destination: Any
) -> None:
    StudyGrant.objects.create(study=study, user=referrer, granted_by=radiologist)
    client = logged_in(referrer)
    assert ask(client, study, destination).status_code == 403
    assert client.get("/api/sends/").status_code == 403
    assert client.get("/api/destinations/").status_code == 403
    assert client.get(f"/api/sends/{send.pk}/").status_code == 403
    assert client.get("/sends/").status_code == 404
    assert client.get(f"/studies/{study.pk}/send/").status_code == 404
    assert client.post(f"/sends/{send.pk}/cancel/").status_code == 404


def test_referrer_here_and_radiologist_elsewhere(
    logged_in: Any,
    referrer: Any,
    radiologist: Any,
    other_site: Any,
    study: Any,
    send: Send,
    destination: Any,
) -> None:
    Membership.objects.create(user=referrer, site=other_site, role=Role.RADIOLOGIST)
    client = logged_in(referrer)
    assert ask(client, study, destination).status_code == 404
    StudyGrant.objects.create(study=study, user=referrer, granted_by=radiologist)
    assert ask(client, study, destination).status_code == 403
    assert client.get(f"/api/sends/{send.pk}/").status_code == 404
    assert client.get("/api/destinations/").json() == []


def test_another_site_finds_nothing(
    logged_in: Any,
    stranger: Any,
    technician: Any,
    study: Any,
    send: Send,
    destination: Any,
    other_study: Any,
    other_destination: Any,
) -> None:
    client = logged_in(stranger)
    assert ask(client, study, destination).status_code == 404
    assert ask(client, study, other_destination).status_code == 404
    assert ask(client, other_study, destination).status_code == 404
    assert client.get("/api/sends/").json()["count"] == 0
    for path in (f"/api/sends/{send.pk}/", f"/sends/{send.pk}/row/", f"/studies/{study.pk}/send/"):
        assert client.get(path).status_code == 404
    for path in (
        f"/api/sends/{send.pk}/cancel/",
        f"/api/sends/{send.pk}/retry/",
        f"/sends/{send.pk}/cancel/",
        f"/studies/{study.pk}/send/",
    ):
        assert client.post(path).status_code == 404
    assert f"send-{send.pk}" not in client.get("/sends/").content.decode()
    assert ask(logged_in(technician), study, other_destination).status_code == 404
    assert Send.objects.get().state == State.QUEUED


def test_a_superuser_cannot_mix_sites(
    logged_in: Any, admin: Any, study: Any, other_destination: Any
) -> None:
    answer = ask(logged_in(admin), study, other_destination)
    assert (answer.status_code, Send.objects.count()) == (409, 0)
    assert "belong together" in answer.json()["detail"]


def test_nobody_is_401(client: Any, study: Any, send: Send, destination: Any) -> None:
    assert ask(client, study, destination).status_code == 401
    for path in ("/api/sends/", f"/api/sends/{send.pk}/", "/api/destinations/", "/sends/"):
        assert client.get(path).status_code == 401
    assert client.post(f"/api/sends/{send.pk}/cancel/").status_code == 401
    assert client.post(f"/sends/{send.pk}/cancel/").status_code == 401
    assert client.post(f"/studies/{study.pk}/send/").status_code == 401


def test_tokens_need_their_scope(
    client: Any, bearer: Any, technician: Any, study: Any, destination: Any
) -> None:
    def post(scopes: list[str]) -> int:
        return client.post(
            "/api/sends/",
            {"study": study.pk, "destination": destination.pk},
            content_type=JSON,
            headers=bearer(technician, scopes=scopes),
        ).status_code

    assert (post(["read"]), post(["write"])) == (403, 201)
    assert client.get("/api/sends/", headers=bearer(technician, scopes=["read"])).status_code == 200
    assert (
        client.get("/api/sends/", headers=bearer(technician, scopes=["write"])).status_code == 403
    )


def test_a_token_of_another_site_narrows(
    client: Any, bearer: Any, admin: Any, other_site: Any, send: Send
) -> None:
    headers = bearer(admin, scopes=["read", "write"], sites=[other_site])
    assert client.get(f"/api/sends/{send.pk}/", headers=headers).status_code == 404
    assert client.get("/api/destinations/", headers=headers).json() == []


def test_a_session_needs_its_csrf_token(study: Any, technician: Any, destination: Any) -> None:
    from django.test import Client

    client = Client(enforce_csrf_checks=True)
    client.force_login(technician)
    assert ask(client, study, destination).status_code == 403
    assert Send.objects.count() == 0


def test_a_series_and_the_study_are_two_sends(
    logged_in: Any, technician: Any, study: Any, other_study: Any, destination: Any
) -> None:
    mine = Series.objects.create(study=study, series_instance_uid="1.2.3")
    foreign = Series.objects.create(study=other_study, series_instance_uid="1.2.4")
    client = logged_in(technician)
    assert ask(client, study, destination, series=mine.pk).status_code == 201
    assert ask(client, study, destination, series=mine.pk).status_code == 200
    assert ask(client, study, destination, series=None).status_code == 201
    assert ask(client, study, destination, series=foreign.pk).status_code == 404
    assert Send.objects.count() == 2


@pytest.mark.parametrize(
    "body",
    ["{", "[]", "{}", '{"study": "x", "destination": 1}', '{"study": true, "destination": null}'],
)
def test_malformed(logged_in: Any, technician: Any, body: str) -> None:
    answer = logged_in(technician).post("/api/sends/", body, content_type=JSON)
    assert answer.status_code == 400


def test_numbers_that_no_row_can_have(logged_in: Any, technician: Any) -> None:
    client = logged_in(technician)
    for path in (f"/api/sends/{10**30}/", f"/sends/{10**30}/row/", f"/studies/{10**30}/send/"):
        assert client.get(path).status_code == 404
    assert client.get(f"/api/sends/?study={10**30}").status_code == 400
    assert client.get("/api/sends/?limit=0").status_code == 400
    assert client.get("/api/destinations/?study=x").status_code == 400


def test_cancel_and_retry(logged_in: Any, technician: Any, send: Send) -> None:
    client = logged_in(technician)
    path = f"/api/sends/{send.pk}/"
    assert client.post(path + "cancel/").json()["state"] == "cancelled"
    assert client.post(path + "cancel/").status_code == 409
    assert client.post(path + "retry/").json()["state"] == "queued"
    Send.objects.update(state=State.DONE)
    assert client.post(path + "retry/").status_code == 409
    actions = AuditEvent.objects.values_list("action", flat=True)
    assert {"send.cancelled", "send.retried"} <= set(actions)


def test_retry_while_the_same_is_open(
    logged_in: Any, technician: Any, send: Send, study: Any, destination: Any
) -> None:
    client = logged_in(technician)
    client.post(f"/api/sends/{send.pk}/cancel/")
    assert ask(client, study, destination).status_code == 201
    assert client.post(f"/api/sends/{send.pk}/retry/").status_code == 409
    assert Send.objects.get(pk=send.pk).state == State.CANCELLED


def test_switched_off(logged_in: Any, technician: Any, study: Any, destination: Any) -> None:
    Destination.objects.update(is_enabled=False)
    client = logged_in(technician)
    answer = ask(client, study, destination)
    assert (answer.status_code, answer.json()["detail"]) == (
        409,
        "This destination is switched off.",
    )
    assert client.get("/api/destinations/").json() == []


def test_what_waits_behind_a_failing_destination_says_so(
    logged_in: Any, technician: Any, send: Send
) -> None:
    Destination.objects.update(failures=2, last_error="The server cannot be reached.")
    client = logged_in(technician)
    assert client.get(f"/api/sends/{send.pk}/").json()["error"] == "The server cannot be reached."
    page = client.get("/sends/").content.decode()
    assert "The server cannot be reached." in page
    assert "It is tried again by itself." in page
    Destination.objects.update(is_enabled=False)
    page = client.get("/sends/").content.decode()
    assert "The destination is switched off." in page
    assert "tried again by itself" not in page


def test_pages(logged_in: Any, technician: Any, study: Any, send: Send, destination: Any) -> None:
    client = logged_in(technician)
    text = client.get("/sends/").content.decode()
    for words in ("DOE, Jane", "Workstation", "Waiting", f'id="send-{send.pk}"'):
        assert words in text
    assert "Nothing to show" in client.get("/sends/?show=failed").content.decode()
    assert "secret" not in text
    Send.objects.update(state=State.FAILED, last_error="The node cannot be reached.")
    row = client.get(f"/sends/{send.pk}/row/").content.decode()
    assert "The node cannot be reached." in row
    assert "Try again" in row
    assert "Waiting" in client.post(f"/sends/{send.pk}/retry/").content.decode()
    again = client.post(f"/sends/{send.pk}/cancel/").content.decode()
    assert "Cancelled" in again
    assert "This is over already." in client.post(f"/sends/{send.pk}/cancel/").content.decode()
    assert client.post(f"/sends/{send.pk}/burn/").status_code == 404
    opened = AuditEvent.objects.filter(action="sends.opened", study_id=None)
    assert opened.count() == 1


def test_the_empty_page(logged_in: Any, technician: Any) -> None:
    assert "Nothing has been sent yet" in logged_in(technician).get("/sends/").content.decode()


def test_dialog(
    logged_in: Any, technician: Any, study: Any, destination: Any, other_destination: Any
) -> None:
    client = logged_in(technician)
    path = f"/studies/{study.pk}/send/"
    text = client.get(path).content.decode()
    assert "Workstation" in text
    assert "North" not in text
    assert "It will be sent." in client.post(path, {"destination": destination.pk}).content.decode()
    again = client.post(path, {"destination": destination.pk}).content.decode()
    assert "The same is being sent already." in again
    wrong = client.post(path, {"destination": other_destination.pk}).content.decode()
    assert "Choose a destination" in wrong
    assert Send.objects.count() == 1


def test_dialog_without_a_destination(logged_in: Any, technician: Any, study: Any) -> None:
    text = logged_in(technician).get(f"/studies/{study.pk}/send/").content.decode()
    assert "nowhere to send to" in text
