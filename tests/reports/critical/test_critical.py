from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.utils import timezone

from pacs.accounts.models import User
from pacs.audit.models import AuditEvent
from pacs.events.models import SiteEvent
from reports.critical import notifiers, services, sweep
from reports.critical.models import CriticalResult, CriticalState
from reports.critical.tasks import critical_sweep
from reports.errors import NotAllowed, Refused, RetriableError
from studies.models import Study


def steps(result: CriticalResult) -> list[str]:
    return list(result.events.values_list("what", flat=True))


def test_the_recipient_is_told_by_a_link_without_patient_data(result: CriticalResult) -> None:
    critical_sweep()
    critical_sweep()
    [sent] = mail.outbox
    assert sent.to == ["referrer@clinic.example"]
    assert f"https://pacs.example/critical/{result.pk}/" in sent.body
    words = f"{sent.subject} {sent.body}".casefold()
    for secret in ("doe", "jane", "pneumothorax", "left", result.study.patient_id.casefold()):
        assert secret not in words
    result.refresh_from_db()
    assert (result.state, result.told_at is not None) == (CriticalState.NOTIFIED, True)
    assert steps(result) == ["marked", "told"]


def test_times_are_by_level_and_configurable(
    study: Study, radiologist: User, settings: Any
) -> None:
    settings.CRITICAL_MINUTES = [30, 720, 4320]
    for level, minutes in enumerate(settings.CRITICAL_MINUTES):
        result = services.mark(study, radiologist, finding="x", level=level)
        assert result.due_at - result.marked_at == timedelta(minutes=minutes)


def test_it_escalates_again_and_again_until_somebody_answers(
    result: CriticalResult, site_admin: User, settings: Any
) -> None:
    settings.ALERT_EMAILS = ["alert@clinic.example"]
    site_admin.email = "admin@clinic.example"
    site_admin.save()
    sweep.tell(result.pk)
    now = timezone.now()
    assert sweep.escalate(now) == []
    assert sweep.escalate(result.due_at) == [result.pk]
    assert sweep.escalate(result.due_at) == []
    result.refresh_from_db()
    assert (result.state, result.escalations) == (CriticalState.ESCALATED, 1)
    to = {address for each in mail.outbox[1:] for address in each.to}
    assert to == {"admin@clinic.example", "referrer@clinic.example", "alert@clinic.example"}
    assert not any("pneumothorax" in each.body for each in mail.outbox)
    assert sweep.escalate(result.due_at) == [result.pk]
    services.acknowledge(result.pk, result.recipient, read_back="Tension pneumothorax; drain now")
    assert sweep.escalate(now + timedelta(days=30)) == []
    trail = AuditEvent.objects.filter(action__startswith="critical.")
    assert "pneumothorax" not in str(list(trail.values_list("detail", flat=True)))
    assert trail.filter(action="critical.escalated").count() == 2
    assert SiteEvent.objects.filter(type="critical.changed", study_id=result.study_id).exists()


def test_a_mail_server_that_is_down_is_said_and_tried_again(
    result: CriticalResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*args: Any, **options: Any) -> None:
        raise ConnectionRefusedError

    with monkeypatch.context() as patch:
        patch.setattr(notifiers, "send_mail", down)
        assert not sweep.tell(result.pk)
        result.refresh_from_db()
        assert (result.state, result.told_at) == (CriticalState.OPEN, None)
        assert steps(result) == ["marked", "not_told"]
        # Not at once, and the history says it once.
        assert sweep.untold(timezone.now()) == []
        CriticalResult.objects.update(lease_until=None)
        assert not sweep.tell(result.pk)
        assert steps(result) == ["marked", "not_told"]
    later = timezone.now() + timedelta(minutes=2)
    assert sweep.untold(later) == [result.pk]
    CriticalResult.objects.update(lease_until=None)
    assert sweep.tell(result.pk)
    assert len(mail.outbox) == 1


def test_a_process_that_died_leaves_a_lease_that_ends(result: CriticalResult) -> None:
    CriticalResult.objects.update(lease_until=timezone.now() + sweep.LEASE)
    assert sweep.untold(timezone.now()) == []
    assert not sweep.tell(result.pk)
    assert sweep.untold(timezone.now() + sweep.LEASE + timedelta(seconds=1)) == [result.pk]


def test_without_an_address_somebody_must_telephone(
    study: Study, radiologist: User, referrer: User
) -> None:
    result = services.mark(study, radiologist, finding="x", level=0, recipient=referrer)
    assert not sweep.tell(result.pk)
    result.refresh_from_db()
    assert result.state == CriticalState.OPEN
    assert "telephone" in result.events.get(what="not_told").detail
    assert sweep.escalate(result.due_at) == [result.pk]


def test_other_ways_can_be_registered(
    result: CriticalResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[notifiers.Notice] = []

    class Pager:
        label = "pager"

        def reaches(self, user: User) -> bool:
            return True

        def tell(self, notice: notifiers.Notice) -> None:
            heard.append(notice)

    class Broken(Pager):
        label = "broken"

        def tell(self, notice: notifiers.Notice) -> None:
            raise RetriableError("It is broken.")

    monkeypatch.setattr(notifiers, "_notifiers", {})
    notifiers.register("pager", Pager())
    notifiers.register("broken", Broken())
    assert sweep.tell(result.pk)
    assert [each.to for each in heard] == [result.recipient]


class TestAnswers:
    def test_the_recipient_reads_back(self, result: CriticalResult, doctor: User) -> None:
        with pytest.raises(Refused, match="read back"):
            services.acknowledge(result.pk, doctor, read_back="  ")
        done = services.acknowledge(result.pk, doctor, read_back="Pneumothorax. Drain placed.")
        assert (done.state, done.acknowledged_by_name) == (CriticalState.ACKNOWLEDGED, "referrer")
        assert done.acknowledged_at is not None
        event = done.events.get(what="acknowledged")
        assert (event.actor, "Drain placed" in event.detail) == (doctor, True)
        with pytest.raises(Refused, match="already"):
            services.close(result.pk, done.marked_by, reason="Late")

    def test_a_radiologist_records_a_call(self, result: CriticalResult, radiologist: User) -> None:
        with pytest.raises(Refused, match="who was told"):
            services.acknowledge(result.pk, radiologist, read_back="Yes")
        done = services.acknowledge(
            result.pk, radiologist, read_back="Pneumothorax left", name="Dr. Ward, ICU"
        )
        assert done.acknowledged_by_name == "Dr. Ward, ICU"
        assert "telephone" in done.events.get(what="acknowledged").detail

    def test_nobody_else_answers(
        self, result: CriticalResult, technician: User, stranger: User
    ) -> None:
        for user in (technician, stranger):
            with pytest.raises(NotAllowed):
                services.acknowledge(result.pk, user, read_back="x", name="x")
            with pytest.raises(NotAllowed):
                services.close(result.pk, user, reason="x")

    def test_it_is_not_closed_silently(self, result: CriticalResult, radiologist: User) -> None:
        with pytest.raises(Refused, match="why"):
            services.close(result.pk, radiologist, reason="")
        done = services.close(result.pk, radiologist, reason="Patient has died.")
        assert done.state == CriticalState.CLOSED
        event = done.events.get(what="closed")
        assert (event.actor, event.detail) == (radiologist, "Patient has died.")

    def test_only_radiologists_mark(
        self, study: Study, technician: User, stranger: User, referrer: User
    ) -> None:
        for user in (technician, stranger, referrer):
            with pytest.raises(NotAllowed):
                services.mark(study, user, finding="x", level=0)

    def test_strangers_are_not_told(self, study: Study, radiologist: User, stranger: User) -> None:
        with pytest.raises(Refused, match="site"):
            services.mark(study, radiologist, finding="x", level=0, recipient=stranger)

    def test_a_withdrawal_is_noted_and_closes_nothing(
        self, study: Study, radiologist: User, doctor: User
    ) -> None:
        from reports.models import Report
        from reports.signing import services as signing
        from tests.reports.signing.conftest import written

        Study.objects.filter(pk=study.pk).update(reader=radiologist, reading_state="draft")
        report = Report.objects.create(
            site=study.site,
            study=study,
            author=radiologist,
            saved_by=radiologist,
            content=written(),
        )
        signing.sign(report.pk, radiologist, kind="final", revision=1)
        result = services.mark(study, radiologist, finding="x", level=0, recipient=doctor)
        signing.withdraw(report.pk, radiologist, "Wrong patient")
        result.refresh_from_db()
        assert result.state == CriticalState.OPEN
        assert steps(result) == ["marked", "withdrawn"]


class TestPages:
    @pytest.mark.parametrize(
        ("who", "status"),
        [
            ("radiologist", 200),
            ("technician", 200),
            ("site_admin", 200),
            ("admin", 200),
            ("doctor", 200),
            ("stranger", 404),
            ("nobody", 302),
        ],
    )
    def test_who_sees_one(
        self,
        result: CriticalResult,
        request: pytest.FixtureRequest,
        client: Any,
        logged_in: Callable[..., Any],
        who: str,
        status: int,
    ) -> None:
        if who != "nobody":
            client = logged_in(request.getfixturevalue(who))
        page = client.get(f"/critical/{result.pk}/", headers={"Accept": "text/html"})
        assert page.status_code == status
        found = client.get("/critical/", headers={"Accept": "text/html"})
        assert found.status_code == (302 if who == "nobody" else 200)
        assert ("pneumothorax" in found.content.decode()) == (status == 200)

    def test_another_referrer_sees_nothing(
        self, result: CriticalResult, site: Any, logged_in: Callable[..., Any]
    ) -> None:
        from tests.conftest import person

        other = person("other_referrer", site, "referrer")
        client = logged_in(other)
        assert client.get(f"/critical/{result.pk}/").status_code == 404
        worklist = client.get("/").content.decode()
        assert 'href="/critical/"' not in worklist

    def test_the_banner_counts(
        self,
        result: CriticalResult,
        doctor: User,
        radiologist: User,
        logged_in: Callable[..., Any],
    ) -> None:
        for user in (doctor, radiologist):
            page = logged_in(user).get("/").content.decode()
            assert '<span class="count count-stat">1<' in page
        services.close(result.pk, radiologist, reason="x")
        page = logged_in(radiologist).get("/").content.decode()
        assert "count-stat" not in page
        assert 'href="/critical/"' in page

    def test_the_recipient_acknowledges_in_the_browser(
        self, result: CriticalResult, doctor: User, logged_in: Callable[..., Any]
    ) -> None:
        client = logged_in(doctor)
        path = f"/critical/{result.pk}/"
        assert client.post(path, {"read_back": ""}).status_code == 409
        assert client.post(path, {"action": "close", "reason": "x"}).status_code == 409
        assert client.post(path, {"read_back": "Understood, draining"}).status_code == 302
        result.refresh_from_db()
        assert result.state == CriticalState.ACKNOWLEDGED
        assert "Understood, draining" in client.get(path).content.decode()

    def test_marking_in_the_dialog(
        self,
        study: Study,
        radiologist: User,
        technician: User,
        doctor: User,
        stranger: User,
        logged_in: Callable[..., Any],
    ) -> None:
        path = f"/studies/{study.pk}/critical/"
        assert logged_in(technician).get(path).status_code == 403
        assert logged_in(stranger).get(path).status_code == 404
        client = logged_in(radiologist)
        assert "(sees this study)" in client.get(path).content.decode()
        bad = client.post(path, {"finding": "x", "level": 0, "recipient": stranger.pk})
        assert "from the list" in bad.content.decode()
        assert not CriticalResult.objects.exists()
        client.post(path, {"finding": "Free air", "level": 1, "recipient": doctor.pk})
        result = CriticalResult.objects.get()
        assert (result.finding, result.level, result.recipient) == ("Free air", 1, doctor)


class TestRest:
    def test_it_all(
        self,
        study: Study,
        radiologist: User,
        doctor: User,
        stranger: User,
        technician: User,
        logged_in: Callable[..., Any],
        client: Any,
    ) -> None:
        json = "application/json"
        path = "/api/critical-results/"
        body = {"study": study.pk, "finding": "Free air", "level": 0, "recipient": doctor.pk}
        assert client.post(path, body, json).status_code == 401
        assert logged_in(stranger).post(path, body, json).status_code == 404
        assert logged_in(technician).post(path, body, json).status_code == 403
        reader = logged_in(radiologist)
        assert reader.post(path, {**body, "level": 7}, json).status_code == 400
        assert reader.post(path, {**body, "recipient": stranger.pk}, json).status_code == 400
        made = reader.post(path, body, json)
        assert made.status_code == 201, made.content
        one = f"{path}{made.json()['id']}/"
        assert [each["id"] for each in reader.get(f"{path}?state=waiting").json()] == [
            made.json()["id"]
        ]
        assert logged_in(stranger).get(path).json() == []
        answer = {"read_back": "Free air, theatre"}
        assert client.post(f"{one}acknowledge/", answer, json).status_code == 401
        assert logged_in(stranger).post(f"{one}acknowledge/", answer, json).status_code == 404
        assert logged_in(technician).post(f"{one}acknowledge/", answer, json).status_code == 403
        done = logged_in(doctor).post(f"{one}acknowledge/", answer, json)
        assert (done.status_code, done.json()["state"]) == (200, "acknowledged")
        assert reader.post(f"{one}close/", {"reason": "x"}, json).status_code == 409
