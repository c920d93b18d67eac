"""REST and dialogs of signing: who may, the password, warnings, pictures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.test import Client

from pacs.accounts.models import User
from pacs.audit.models import AuditEvent
from reports.models import Report, ReportState, ReportVersion
from reports.signing import reauth, services
from studies.models import KeyImage, Study
from tests.reports.signing.conftest import written

JSON = "application/json"
LogIn = Callable[[User], Client]


def post(client: Client, report: Report, what: str, **body: Any) -> Any:
    return client.post(f"/api/reports/{report.pk}/{what}/", body, JSON)


def sign(client: Client, report: Report, **body: Any) -> Any:
    return post(client, report, "sign", **{"kind": "final", "revision": 1, **body})


class TestWho:
    def test_the_reader_signs_with_the_password(
        self, draft: Report, radiologist: User, logged_in: LogIn, password: str
    ) -> None:
        answer = sign(logged_in(radiologist), draft, password=password)
        assert answer.status_code == 200, answer.content
        assert (answer.json()["kind"], answer.json()["state"]) == ("final", "final")

    @pytest.mark.parametrize(
        ("who", "status"),
        [
            ("technician", 403),
            ("site_admin", 403),
            ("admin", 403),
            ("referrer", 404),
            ("stranger", 404),
        ],
    )
    def test_nobody_else(
        self,
        draft: Report,
        logged_in: LogIn,
        request: pytest.FixtureRequest,
        password: str,
        who: str,
        status: int,
    ) -> None:
        client = logged_in(request.getfixturevalue(who))
        body = {"kind": "final", "revision": 1, "password": password, "reason": "x"}
        for what in ("sign", "cosign", "addendum", "withdraw"):
            assert post(client, draft, what, **body).status_code == status
        for what in ("sign", "addendum", "withdraw"):
            assert client.post(f"/reports/{draft.pk}/{what}/", body).status_code == status
        assert not ReportVersion.objects.exists()

    def test_anonymous_and_tokens(
        self,
        draft: Report,
        radiologist: User,
        client: Client,
        bearer: Callable[..., dict[str, str]],
        password: str,
    ) -> None:
        assert sign(client, draft, password=password).status_code == 401
        headers = bearer(radiologist, scopes=["read", "write"])
        body = {"kind": "final", "revision": 1, "password": password}
        answer = client.post(f"/api/reports/{draft.pk}/sign/", body, JSON, headers=headers)
        assert answer.status_code == 403
        assert "token" in answer.json()["detail"]
        assert not ReportVersion.objects.exists()

    def test_a_referrer_who_sees_the_report_does_not_touch_it(
        self,
        draft: Report,
        radiologist: User,
        referrer: User,
        study: Study,
        logged_in: LogIn,
        password: str,
    ) -> None:
        study.grants.create(user=referrer, granted_by=radiologist)
        services.sign(draft.pk, radiologist, kind="final", revision=1)
        client = logged_in(referrer)
        for what in ("sign", "addendum", "withdraw"):
            assert post(client, draft, what, reason="x", password=password).status_code == 403

    def test_the_role_is_asked_at_signing(
        self, draft: Report, radiologist: User, logged_in: LogIn, password: str
    ) -> None:
        client = logged_in(radiologist)
        assert client.get(f"/reports/{draft.pk}/sign/").status_code == 200
        radiologist.memberships.all().delete()
        answer = client.post(f"/reports/{draft.pk}/sign/", {"password": password, "revision": 1})
        assert answer.status_code == 404
        assert not ReportVersion.objects.exists()


class TestPassword:
    def test_it_is_asked_for_once(
        self,
        draft: Report,
        radiologist: User,
        logged_in: LogIn,
        password: str,
        site: Any,
        make_study: Any,
        draft_of: Any,
    ) -> None:
        client = logged_in(radiologist)
        needed = sign(client, draft)
        assert (needed.status_code, needed.json()["code"]) == (403, "password-needed")
        assert sign(client, draft, password=password).status_code == 200
        another = draft_of(make_study(site), radiologist)
        assert sign(client, another).status_code == 200
        # A session that ends takes it along.
        client.logout()
        client.force_login(radiologist)
        third = draft_of(make_study(site), radiologist)
        assert sign(client, third).json()["code"] == "password-needed"

    def test_it_lasts_four_hours(
        self,
        draft: Report,
        radiologist: User,
        logged_in: LogIn,
        password: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        client = logged_in(radiologist)
        assert sign(client, draft, kind="preliminary", password=password).status_code == 200
        now = reauth.time.time()
        for hours, status in ((3.99, 409), (4.01, 403), (-1, 403)):
            monkeypatch.setattr(reauth, "_now", lambda hours=hours: now + hours * 3600)
            assert sign(client, draft, revision=99).status_code == status

    def test_a_new_password_ends_it(
        self, draft: Report, radiologist: User, logged_in: LogIn, password: str, rf: Any
    ) -> None:
        client = logged_in(radiologist)
        assert sign(client, draft, kind="preliminary", password=password).status_code == 200
        request = rf.post("/")
        request.session, request.user = client.session, radiologist
        assert reauth.is_confirmed(request)
        radiologist.set_password("another-long-password")
        assert not reauth.is_confirmed(request)

    def test_it_is_the_users_own(
        self, radiologist: User, colleague: User, rf: Any, logged_in: LogIn
    ) -> None:
        request = rf.post("/")
        request.session, request.user = logged_in(radiologist).session, radiologist
        request.session[reauth.KEY] = {
            "user": colleague.pk,
            "at": reauth.time.time(),
            "hash": colleague.get_session_auth_hash(),
        }
        assert not reauth.is_confirmed(request)

    def test_a_wrong_one_never_signs_is_audited_and_locks(
        self, draft: Report, radiologist: User, logged_in: LogIn, password: str
    ) -> None:
        client = logged_in(radiologist)
        answers = [sign(client, draft, password="wrong-" + "x" * 9) for _ in range(6)]
        assert [each.status_code for each in answers[:4]] == [403] * 4
        assert answers[0].json()["code"] == "wrong-password"
        assert answers[-1].status_code == 429
        # Now the right one is too late, too; and nobody else is locked out.
        assert sign(client, draft, password=password).status_code == 429
        assert not ReportVersion.objects.exists()
        refused = AuditEvent.objects.filter(action="signing.confirmed", outcome="refused")
        assert refused.count() == 7
        assert set(refused.values_list("actor_id", flat=True)) == {radiologist.pk}

    def test_nothing_typed_is_kept(
        self, draft: Report, radiologist: User, logged_in: LogIn, password: str
    ) -> None:
        from axes.models import AccessAttempt

        client = logged_in(radiologist)
        client.post(
            f"/reports/{draft.pk}/sign/",
            {"password": "secret-mistyped", "comment:x": "Jane Doe", "revision": 1},
        )
        kept = AccessAttempt.objects.get()
        assert "Jane" not in kept.post_data
        assert "mistyped" not in kept.post_data
        assert all("mistyped" not in str(each.get_decoded()) for each in Session.objects.all())

    def test_success_forgets_failures(
        self, draft: Report, radiologist: User, logged_in: LogIn, password: str
    ) -> None:
        client = logged_in(radiologist)
        for _ in range(4):
            sign(client, draft, password="wrong")
        assert sign(client, draft, password=password, kind="preliminary").status_code == 200
        for _ in range(4):
            assert sign(client, draft, password="wrong").status_code == 403


class TestWarnings:
    @pytest.fixture
    def doubtful(self, site: Any, radiologist: User, make_study: Any, draft_of: Any) -> Report:
        study = make_study(site, study_description="XR knee left", modalities="CR")
        return draft_of(study, radiologist, written("<p>Effusion of the right knee.</p>"))  # type: ignore[no-any-return]

    def test_they_are_answered_and_kept(
        self, doubtful: Report, radiologist: User, logged_in: LogIn, password: str
    ) -> None:
        client = logged_in(radiologist)
        answer = sign(client, doubtful, password=password)
        assert (answer.status_code, answer.json()["code"]) == (409, "findings")
        finding = answer.json()["findings"][0]
        assert (finding["code"], finding["severity"]) == ("laterality", "warning")
        assert sign(client, doubtful, answers={finding["key"]: "  "}).status_code == 400
        assert sign(client, doubtful, answers={"other": "Checked"}).status_code == 409
        done = sign(client, doubtful, answers={finding["key"]: "The description is wrong."})
        assert done.status_code == 200
        kept = ReportVersion.objects.get().content["answers"][finding["key"]]
        assert kept["answer"] == "The description is wrong."
        trail = AuditEvent.objects.get(action="report.signed", outcome="ok")
        assert trail.detail["answered"] == ["laterality"]
        assert "description is wrong" not in str(trail.detail)

    def test_an_answer_is_to_these_words_only(
        self, doubtful: Report, radiologist: User, logged_in: LogIn, password: str
    ) -> None:
        client = logged_in(radiologist)
        first = sign(client, doubtful, password=password).json()["findings"][0]["key"]
        content = written("<p>Effusion.</p>", "<p>Effusion of the right knee.</p>")
        Report.objects.filter(pk=doubtful.pk).update(content=content)
        assert sign(client, doubtful, answers={first: "Checked"}).status_code == 409

    def test_another_patients_images(
        self,
        draft: Report,
        radiologist: User,
        logged_in: LogIn,
        password: str,
        site: Any,
        make_study: Any,
        other_study: Study,
    ) -> None:
        client = logged_in(radiologist)
        other = make_study(site, patient_name="ROE^Richard")
        answer = sign(client, draft, password=password, open_studies=[other.pk])
        assert [each["code"] for each in answer.json()["findings"]] == ["open-images"]
        answer = sign(client, draft, other_patient_open=True)
        assert [each["code"] for each in answer.json()["findings"]] == ["open-images"]
        # What is not seen here says nothing; the same patient's studies are no other's.
        same = make_study(site, patient_ref=draft.study.patient_ref)
        assert sign(client, draft, open_studies=[other_study.pk, same.pk]).status_code == 200

    def test_an_empty_report_is_blocked(
        self,
        site: Any,
        radiologist: User,
        make_study: Any,
        draft_of: Any,
        logged_in: LogIn,
        password: str,
    ) -> None:
        report = draft_of(make_study(site), radiologist, written("", ""))
        client = logged_in(radiologist)
        answer = sign(client, report, password=password)
        assert answer.json()["findings"][0]["severity"] == "blocking"
        key = answer.json()["findings"][0]["key"]
        assert sign(client, report, answers={key: "all right"}).status_code == 409

    def test_no_side_is_not_checkable(
        self, draft: Report, radiologist: User, logged_in: LogIn
    ) -> None:
        page = logged_in(radiologist).get(f"/reports/{draft.pk}/sign/")
        assert "Side: not checkable" in page.content.decode()

    def test_the_dialog_asks_keeps_and_signs(
        self, doubtful: Report, radiologist: User, logged_in: LogIn, password: str
    ) -> None:
        client = logged_in(radiologist)
        path = f"/reports/{doubtful.pk}/sign/"
        page = client.get(path, {"kind": "final"}).content.decode()
        assert "Findings names only the right side" in page
        assert 'type="password"' in page
        key = page.split('name="checked:')[1].split('"')[0]
        answer = client.post(path, {"sent": "1", "revision": 1, "password": password})
        page = answer.content.decode()
        assert 'role="alert"' in page
        assert 'data-open="1"' in page
        assert 'type="password"' not in page
        answer = client.post(path, {"sent": "1", "revision": 1, f"checked:{key}": "1"})
        assert (answer.content, answer.headers["HX-Trigger"]) == (b"", '{"report.changed": {}}')
        kept = ReportVersion.objects.get().content["answers"][key]["answer"]
        assert kept == "Checked: right as written."


class TestPictures:
    def test_without_a_picture_it_asks(
        self, study: Study, radiologist: User, draft_of: Any, logged_in: LogIn, password: str
    ) -> None:
        row = KeyImage.objects.create(
            study=study, series_instance_uid="1.2", sop_instance_uid="1.2.3", author=radiologist
        )
        report = draft_of(study, radiologist)
        report.content["key_images"] = [{"id": str(row.pk), "caption": ""}]
        report.save()
        client = logged_in(radiologist)
        answer = sign(client, report, password=password)
        assert (answer.status_code, answer.json()["code"]) == (409, "pictures")
        assert answer.json()["key_images"] == [str(row.pk)]
        page = client.post(f"/reports/{report.pk}/sign/", {"revision": 1}).content.decode()
        assert 'name="without_pictures"' in page
        assert sign(client, report, without_pictures=True).status_code == 200
        content = ReportVersion.objects.get().content
        assert (content["key_images"], content["left_out_key_images"]) == ([], [str(row.pk)])

    def test_another_studys_key_image_is_refused(
        self, study: Study, other_study: Study, radiologist: User, draft_of: Any
    ) -> None:
        from reports.errors import Refused

        row = KeyImage.objects.create(
            study=other_study, series_instance_uid="1", sop_instance_uid="2", author=radiologist
        )
        report = draft_of(study, radiologist)
        report.content["key_images"] = [{"id": str(row.pk), "caption": ""}]
        report.save()
        with pytest.raises(Refused, match="do not belong"):
            services.sign(report.pk, radiologist, kind="final", revision=1, without_pictures=True)


class TestTheRest:
    def test_stale(self, draft: Report, radiologist: User, logged_in: LogIn, password: str) -> None:
        answer = sign(logged_in(radiologist), draft, revision=7, password=password)
        assert (answer.status_code, answer.json()["code"]) == (409, "stale")
        assert answer.json()["revision"] == 1

    @pytest.mark.parametrize(
        "body",
        [{}, {"kind": "other", "revision": 1}, {"kind": "final", "revision": 0}, {"revision": 1}],
    )
    def test_malformed(
        self, draft: Report, radiologist: User, logged_in: LogIn, body: dict[str, Any]
    ) -> None:
        client = logged_in(radiologist)
        assert post(client, draft, "sign", **body).status_code == 400
        path = f"/api/reports/{draft.pk}/sign/"
        assert client.post(path, "[]", JSON).status_code == 400
        assert client.post(path, "x", "text/plain").status_code == 415

    def test_cosign_addendum_and_withdrawal(
        self,
        study: Study,
        resident: User,
        colleague: User,
        draft_of: Any,
        logged_in: LogIn,
        password: str,
    ) -> None:
        report = draft_of(study, resident)
        first = sign(logged_in(resident), report, password=password).json()
        assert (first["kind"], first["cosigner_wanted"]) == ("preliminary", True)
        client = logged_in(colleague)
        actions = client.get(f"/studies/{study.pk}/report-actions/").content.decode()
        assert "Sign as second radiologist" in actions
        page = client.get(f"/reports/{report.pk}/sign/?kind=cosign").content.decode()
        assert "Sign as second radiologist" in page
        report.refresh_from_db()
        body = {"revision": report.revision, "password": password}
        assert post(client, report, "cosign", **body).json()["state"] == "final"
        begun = post(client, report, "addendum").json()
        assert begun["is_addending"]
        Report.objects.filter(pk=report.pk).update(
            content={
                **written(),
                "sections": [
                    {"key": "addendum", "title": "Addendum", "html": "<p>More.</p>", "fields": []}
                ],
            }
        )
        done = sign(client, report, kind="addendum", revision=begun["revision"])
        assert (done.json()["kind"], done.json()["state"]) == ("addendum", "addended")
        assert post(client, report, "withdraw", reason=" ").status_code == 400
        page = client.post(f"/reports/{report.pk}/withdraw/", {"reason": "Wrong patient"})
        assert (page.status_code, page.content) == (200, b"")
        report.refresh_from_db()
        assert report.state == ReportState.WITHDRAWN

    def test_a_residents_addendum_by_endpoint_and_dialog(
        self,
        draft: Report,
        radiologist: User,
        resident: User,
        colleague: User,
        stranger: User,
        client: Client,
        logged_in: LogIn,
        password: str,
    ) -> None:
        sign(logged_in(radiologist), draft, password=password)
        begun = post(logged_in(resident), draft, "addendum").json()
        writer = logged_in(resident)
        page = writer.get(f"/reports/{draft.pk}/sign/?kind=final").content.decode()
        assert "shown to nobody outside" in page
        body = {"kind": "addendum", "revision": begun["revision"], "password": password}
        blocked = sign(writer, draft, **body)
        assert (blocked.status_code, blocked.json()["code"]) == (409, "findings")
        Report.objects.filter(pk=draft.pk).update(
            content={
                **written(),
                "sections": [
                    {"key": "addendum", "title": "Addendum", "html": "<p>More.</p>", "fields": []}
                ],
            }
        )
        done = sign(writer, draft, **body)
        assert done.status_code == 200
        assert (done.json()["version"], done.json()["cosigner_wanted"]) == (None, True)
        draft.refresh_from_db()
        body = {"revision": draft.revision, "password": password}
        assert post(client, draft, "cosign", **body).status_code == 401
        assert post(logged_in(stranger), draft, "cosign", **body).status_code == 404
        assert post(logged_in(resident), draft, "cosign", **body).status_code == 403
        second = logged_in(colleague)
        listed = second.get("/reports/").content.decode()
        assert "wait for a second signature" in listed
        assert "wait for a second signature" not in writer.get("/reports/").content.decode()
        actions = second.get(f"/studies/{draft.study_id}/report-actions/").content.decode()
        assert "Sign as second radiologist" in actions
        assert "Change the addendum" in actions
        signed = second.post(
            f"/reports/{draft.pk}/sign/",
            {"kind": "cosign", "revision": draft.revision, "password": password, "sent": "1"},
        )
        assert (signed.status_code, signed.content) == (200, b"")
        draft.refresh_from_db()
        assert draft.state == ReportState.ADDENDED
        assert draft.versions.get(number=2).cosigner == colleague

    def test_actions_are_for_radiologists(
        self, draft: Report, technician: User, stranger: User, logged_in: LogIn, client: Client
    ) -> None:
        path = f"/studies/{draft.study_id}/report-actions/"
        assert logged_in(technician).get(path).content.strip() == b""
        assert logged_in(stranger).get(path).status_code == 404
        assert client.get(path).status_code == 401
