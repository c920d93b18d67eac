"""REST of reading: permitted, another site, nobody, and what is answered."""

from __future__ import annotations

from typing import Any

import pytest

from pacs.accounts.models import Role
from pacs.audit.models import AuditEvent
from studies.models import Study, StudyGrant, StudyNote
from tests.conftest import person

pytestmark = pytest.mark.django_db
JSON = {"content_type": "application/json"}
NEXT = "/api/studies/next-unread/"
ENDPOINTS = [
    ("get", "claim", None),
    ("post", "claim", None),
    ("delete", "claim", None),
    ("post", "take-over", None),
    ("post", "seen", None),
    ("post", "assign", {"user": None}),
    ("post", "priority", {"priority": 0}),
    ("get", "notes", None),
    ("post", "notes", {"text": "moved"}),
]


@pytest.fixture
def colleague(site: Any) -> Any:
    return person("colleague", site, Role.RADIOLOGIST, first_name="Bo", last_name="Second")


def ask(client: Any, method: str, study: Any, what: str, body: Any = None) -> Any:
    path = f"/api/studies/{study.pk}/{what}/"
    if body is None:
        return getattr(client, method)(path)
    return getattr(client, method)(path, body, **JSON)


class TestWho:
    @pytest.mark.parametrize(("method", "what", "body"), ENDPOINTS)
    def test_nobody_and_strangers(
        self, client: Any, logged_in: Any, stranger: Any, study: Any, method: str, what: str,
        body: Any,
    ) -> None:  # fmt: skip
        assert ask(client, method, study, what, body).status_code == 401
        assert ask(logged_in(stranger), method, study, what, body).status_code == 404
        assert Study.objects.get().reading_state == "unread"

    @pytest.mark.parametrize(("method", "what", "body"), ENDPOINTS)
    def test_referrers_have_no_part_in_it(
        self, logged_in: Any, referrer: Any, radiologist: Any, study: Any, method: str, what: str,
        body: Any,
    ) -> None:  # fmt: skip
        StudyGrant.objects.create(study=study, user=referrer, granted_by=radiologist)
        assert ask(logged_in(referrer), method, study, what, body).status_code == 403

    @pytest.mark.parametrize(("method", "what", "body"), ENDPOINTS)
    def test_a_token_that_may_only_read(
        self, client: Any, bearer: Any, radiologist: Any, study: Any, method: str, what: str,
        body: Any,
    ) -> None:  # fmt: skip
        client.defaults["HTTP_AUTHORIZATION"] = bearer(radiologist)["Authorization"]
        wanted = 200 if method == "get" else 403
        assert ask(client, method, study, what, body).status_code == wanted

    def test_technicians_do_not_read(self, logged_in: Any, technician: Any, study: Any) -> None:
        client = logged_in(technician)
        for method, what in (("post", "claim"), ("post", "take-over")):
            answer = ask(client, method, study, what)
            assert answer.status_code == 403
            assert "Only radiologists" in answer.json()["detail"]
        assert client.post(NEXT, {}, **JSON).status_code == 403

    def test_next_of_nobody(self, client: Any) -> None:
        assert client.post(NEXT, {}, **JSON).status_code == 401


class TestClaims:
    def test_claim_conflict_take_over_release(
        self, logged_in: Any, radiologist: Any, colleague: Any, study: Any
    ) -> None:
        mine, theirs = logged_in(radiologist), logged_in(colleague)
        answer = ask(theirs, "post", study, "claim")
        assert answer.status_code == 200
        assert answer.json()["reader"] == {"id": colleague.pk, "name": "Bo Second"}
        assert answer.json()["url"] == f"/studies/{study.pk}/view/?report=1"
        answer = ask(mine, "post", study, "claim")
        assert answer.status_code == 409
        assert answer.json() == {
            "detail": "Bo Second is reading this study.",
            "code": "already-claimed",
            "reader": {"id": colleague.pk, "name": "Bo Second"},
        }
        assert ask(mine, "delete", study, "claim").status_code == 403
        assert ask(mine, "post", study, "seen").status_code == 409
        assert ask(mine, "post", study, "take-over").json()["reader"]["id"] == radiologist.pk
        assert ask(mine, "post", study, "seen").status_code == 200
        assert ask(theirs, "post", study, "seen").json()["code"] == "not-yours"
        assert ask(theirs, "get", study, "claim").json()["reader"]["id"] == radiologist.pk
        assert ask(mine, "delete", study, "claim").json()["reading_state"] == "unread"
        trail = AuditEvent.objects.filter(action__startswith="study.", session_digest__gt="")
        assert {"study.claimed", "study.taken_over", "study.released"} <= set(
            trail.values_list("action", flat=True)
        )

    def test_next_unread(
        self, logged_in: Any, radiologist: Any, site: Any, make_study: Any
    ) -> None:
        client = logged_in(radiologist)
        assert client.post(NEXT, {}, **JSON).status_code == 204
        make_study(site, modalities="CT")
        mr = make_study(site, modalities="MR")
        answer = client.post(NEXT, {"modalities": ["MR"], "sites": [site.pk]}, **JSON)
        assert (answer.status_code, answer.json()["study"]) == (200, mr.pk)
        assert client.post(NEXT, {"modalities": ["%"]}, **JSON).status_code == 400


class TestAssignAndPriority:
    def test_assign(
        self, logged_in: Any, site_admin: Any, radiologist: Any, technician: Any, study: Any
    ) -> None:
        client = logged_in(site_admin)
        answer = ask(client, "post", study, "assign", {"user": radiologist.pk})
        assert answer.json()["assigned_to"]["id"] == radiologist.pk
        for wrong, status in ((technician.pk, 409), (10**9, 409), ("x", 400)):
            answer = ask(client, "post", study, "assign", {"user": wrong})
            assert answer.status_code == status
        assert ask(client, "post", study, "assign", {}).status_code == 400
        assert Study.objects.get().assigned_to == radiologist

    @pytest.mark.parametrize("actor", ["radiologist", "technician", "site_admin"])
    def test_priority(self, request: Any, logged_in: Any, actor: str, study: Any) -> None:
        client = logged_in(request.getfixturevalue(actor))
        assert ask(client, "post", study, "priority", {"priority": 0}).json()["priority"] == 0
        assert ask(client, "post", study, "priority", {"priority": 0}).status_code == 200
        event = AuditEvent.objects.get(action="study.priority")
        assert (event.actor_name, event.address) == (actor, "127.0.0.1")
        for wrong in (3, -1, "stat", None):
            answer = ask(client, "post", study, "priority", {"priority": wrong})
            assert answer.status_code == 400


class TestNotes:
    def test_noted_verified_and_read(
        self, logged_in: Any, technician: Any, radiologist: Any, study: Any
    ) -> None:
        client = logged_in(technician)
        text = "Moved <b>twice</b> \u202e"
        answer = ask(client, "post", study, "notes", {"text": text})
        assert answer.status_code == 201
        answer = ask(client, "post", study, "notes", {"kind": "verification"})
        assert answer.json()["kind"] == "verification"
        found = ask(logged_in(radiologist), "get", study, "notes").json()["results"]
        assert [(note["kind"], note["text"]) for note in found] == [
            ("note", text.strip()),
            ("verification", ""),
        ]
        actions = set(AuditEvent.objects.values_list("action", flat=True))
        assert {"study.noted", "study.verified", "study.notes"} <= actions
        details = str(list(AuditEvent.objects.values_list("detail", flat=True)))
        assert "Moved" not in details

    def test_what_is_refused(self, logged_in: Any, radiologist: Any, study: Any) -> None:
        client = logged_in(radiologist)
        for body, status in (
            ({"text": "  "}, 409),
            ({"text": "x" * 2001}, 400),
            ({"kind": "verification"}, 403),
            ({"kind": "else", "text": "x"}, 400),
        ):
            assert ask(client, "post", study, "notes", body).status_code == status
        assert not StudyNote.objects.exists()

    def test_never_changed(self, technician: Any, study: Any) -> None:
        note = StudyNote.objects.create(study=study, text="as it was", author=technician)
        note.text = "otherwise"
        with pytest.raises(ValueError, match="never changed"):
            note.save()
        with pytest.raises(ValueError, match="never taken away"):
            note.delete()
        note.refresh_from_db()
        assert note.text == "as it was"
