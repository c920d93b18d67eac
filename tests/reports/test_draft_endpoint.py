"""`/api/studies/<id>/report/` and `/api/reports/<id>/draft/`: who, what, and which answer."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from pacs.accounts.models import Membership, Role
from reports.models import Report, ReportState
from studies.models import ReadingState, Study, StudyGrant
from studies.reading import services as reading
from tests.conftest import person
from tests.reports.drafting import JSON, html_of, opened, put, written

pytestmark = pytest.mark.django_db


def looked(client: Client, study: Any) -> Any:
    return client.get(f"/api/studies/{study.pk}/report/")


def test_looking_claims_nothing(logged_in: Any, radiologist: Any, study: Any) -> None:
    state = looked(logged_in(radiologist), study).json()
    assert (state["state"], state["report"], state["may_start"]) == ("none", None, True)
    study.refresh_from_db()
    assert study.reading_state == ReadingState.UNREAD


def test_opening_and_saving(logged_in: Any, radiologist: Any, study: Any) -> None:
    client = logged_in(radiologist)
    state = opened(client, study)
    assert (state["state"], state["writable"], state["revision"]) == ("draft", True, 1)
    answer = put(client, state["report"], written("Clear lungs."), 1)
    assert answer.status_code == 200
    assert answer.json()["revision"] == 2
    draft = client.get(f"/api/reports/{state['report']}/draft/").json()
    assert draft["revision"] == 2
    assert html_of(draft["content"]) == "<p>Clear lungs.</p>"
    assert client.delete(f"/api/reports/{state['report']}/draft/?revision=2").status_code == 204
    assert looked(client, study).json()["state"] == "none"


def test_who_is_not_the_reader_reads_only(
    logged_in: Any, radiologist: Any, technician: Any, site: Any, study: Any
) -> None:
    report = opened(logged_in(radiologist), study)["report"]
    for user in (person("colleague", site, Role.RADIOLOGIST), technician):
        client = logged_in(user)
        state = opened(client, study)
        assert (state["writable"], state["may_discard"]) == (False, False)
        assert state["writer"] == {"id": radiologist.pk, "name": "radiologist"}
        assert state["why"]
        answer = put(client, report, written("Not mine."), 1)
        assert answer.status_code == (403 if user is technician else 409)
        assert answer.json()["detail"]
        assert client.delete(f"/api/reports/{report}/draft/").status_code == answer.status_code
    assert Report.objects.get().revision == 1


def test_referrers_see_no_draft(
    logged_in: Any, radiologist: Any, referrer: Any, study: Any
) -> None:
    report = opened(logged_in(radiologist), study)["report"]
    client = logged_in(referrer)
    paths = (f"/api/studies/{study.pk}/report/", f"/api/reports/{report}/draft/")
    assert [client.get(path).status_code for path in paths] == [404, 404]
    StudyGrant.objects.create(study=study, user=referrer, granted_by=radiologist)
    assert [client.get(path).status_code for path in paths] == [403, 404]
    # What is signed is shown elsewhere; the addendum that is being written is nobody's yet.
    Report.objects.update(state=ReportState.FINAL, is_addending=True)
    assert [client.get(path).status_code for path in paths] == [403, 403]
    assert put(client, report, written("x"), 1).status_code == 403
    assert client.delete(paths[1]).status_code == 403
    assert client.post(paths[0]).status_code == 403


def test_the_other_site_and_nobody(
    logged_in: Any, radiologist: Any, stranger: Any, study: Any
) -> None:
    report = opened(logged_in(radiologist), study)["report"]
    client = logged_in(stranger)
    assert looked(client, study).status_code == 404
    assert client.post(f"/api/studies/{study.pk}/report/").status_code == 404
    assert client.get(f"/api/reports/{report}/draft/").status_code == 404
    assert put(client, report, written("x"), 1).status_code == 404
    assert client.delete(f"/api/reports/{report}/draft/").status_code == 404
    nobody = Client()
    assert looked(nobody, study).status_code == 401
    assert put(nobody, report, written("x"), 1).status_code == 401
    assert Report.objects.get().revision == 1


def test_a_token_that_only_reads(bearer: Any, logged_in: Any, radiologist: Any, study: Any) -> None:
    report = opened(logged_in(radiologist), study)["report"]
    header = bearer(radiologist, scopes=["read"])
    assert Client().get(f"/api/reports/{report}/draft/", headers=header).status_code == 200
    assert put(Client(), report, written("x"), 1, **header).status_code == 403


def test_a_stale_save_answers_with_what_is_there(
    logged_in: Any, radiologist: Any, study: Any
) -> None:
    one, two = logged_in(radiologist), logged_in(radiologist)
    report = opened(one, study)["report"]
    assert opened(two, study)["report"] == report
    assert put(one, report, written("First tab."), 1).status_code == 200
    answer = put(two, report, written("Second tab."), 1)
    assert answer.status_code == 409
    body = answer.json()
    assert (body["code"], body["revision"]) == ("stale", 2)
    assert body["saved_by"]["name"] == "radiologist"
    assert html_of(body["content"]) == "<p>First tab.</p>"
    # The same again is no conflict.
    again = put(one, report, written("First tab."), 1)
    assert (again.status_code, again.json()["revision"]) == (200, 2)
    stale = two.delete(f"/api/reports/{report}/draft/?revision=1")
    assert (stale.status_code, stale.json()["code"]) == (409, "stale")


def test_losing_role_or_claim_is_said_in_words(
    logged_in: Any, radiologist: Any, site: Any, study: Any
) -> None:
    client = logged_in(radiologist)
    report = opened(client, study)["report"]
    colleague = person("colleague", site, Role.RADIOLOGIST)
    reading.take_over(study.pk, colleague)
    taken = put(client, report, written("x"), 1)
    assert (taken.status_code, taken.json()["code"]) == (409, "taken")
    assert "colleague writes this report now" in taken.json()["detail"]
    reading.take_over(study.pk, radiologist)
    Membership.objects.filter(user=radiologist).update(role=Role.TECHNICIAN)
    lost = put(client, report, written("x"), 1)
    assert (lost.status_code, lost.json()["code"]) == (403, "role")
    Membership.objects.filter(user=radiologist).delete()
    assert put(client, report, written("x"), 1).status_code == 403
    assert Report.objects.get().revision == 1


def test_radiologists_of_the_site_are_offered_to_take_over(
    logged_in: Any, radiologist: Any, technician: Any, admin: Any, site: Any, study: Any
) -> None:
    colleague = person("colleague", site, Role.RADIOLOGIST)
    path = f"/api/studies/{study.pk}/report/"

    def offered(who: Any) -> bool:
        return bool(logged_in(who).get(path).json()["may_take_over"])

    assert not offered(colleague)  # nobody has it: it is written, not taken over
    reading.claim(study.pk, radiologist)
    assert offered(colleague)
    opened(logged_in(radiologist), study)
    assert [offered(who) for who in (colleague, radiologist, technician, admin)] == [
        True,
        False,
        False,
        False,
    ]
    Report.objects.update(state=ReportState.FINAL)
    Study.objects.filter(pk=study.pk).update(reading_state=ReadingState.FINAL)
    assert not offered(colleague)


HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>\u202e\u200bA & B"


def test_markup_in_every_field(logged_in: Any, radiologist: Any, study: Any) -> None:
    client = logged_in(radiologist)
    report = opened(client, study)["report"]
    content = {
        "v": 1,
        "title": HOSTILE,
        "language": "en",
        "template": {"id": 1, "version": 1, "name": HOSTILE},
        "sections": [
            {
                "key": "findings",
                "title": HOSTILE,
                "html": f"<p onclick='x()'>{HOSTILE}</p><a href='javascript:x()'>link</a>",
                "fields": [
                    {"key": "a", "label": HOSTILE, "kind": "text", "unit": "", "value": HOSTILE}
                ],
            }
        ],
        "key_images": [{"id": "0d9fb9a2-55b5-4d3a-9a5e-3f1f7a3d0e11", "caption": HOSTILE}],
        "measurements": [],
    }
    assert put(client, report, content, 1).status_code == 200
    kept = client.get(f"/api/reports/{report}/draft/").json()["content"]
    html = html_of(kept)
    for evil in ("onclick", "onerror", "<script", "javascript:", "<img", "\u202e", "\u200b"):
        assert evil not in html
    assert "A &amp; B" in html
    assert "link" in html
    # Fields and titles are text; the page shows them as text.
    assert "\u202e" not in str(kept)
    # What was cleaned comes back as the same: the next save is no change by itself.
    assert put(client, report, kept, 2).status_code == 200
    assert client.get(f"/api/reports/{report}/draft/").json()["content"] == kept


def test_a_megabyte_is_refused_in_words(logged_in: Any, radiologist: Any, study: Any) -> None:
    client = logged_in(radiologist)
    report = opened(client, study)["report"]
    answer = put(client, report, written("word " * 200_000), 1)
    assert answer.status_code == 400
    assert "KB" in answer.json()["detail"] or "too much" in answer.json()["detail"]
    assert put(client, report, written("w" * 3_000_000), 1).status_code in (400, 413)
    assert Report.objects.get().revision == 1


@pytest.mark.parametrize(
    "body",
    ["[]", "null", "{}", '{"content": {}, "revision": 0}', '{"content": [], "revision": 1}', "{"],
)
def test_a_body_that_is_none(logged_in: Any, radiologist: Any, study: Any, body: str) -> None:
    client = logged_in(radiologist)
    report = opened(client, study)["report"]
    answer = client.put(f"/api/reports/{report}/draft/", body, JSON)
    assert answer.status_code == 400
    form = client.put(f"/api/reports/{report}/draft/", b"a=b", "text/plain")
    assert form.status_code == 415


def test_a_save_asks_the_database_little(
    logged_in: Any, radiologist: Any, study: Any, django_assert_max_num_queries: Any
) -> None:
    client = logged_in(radiologist)
    report = opened(client, study)["report"]
    put(client, report, written("Warm."), 1)
    with django_assert_max_num_queries(14):
        assert put(client, report, written("Clear."), 2).status_code == 200
