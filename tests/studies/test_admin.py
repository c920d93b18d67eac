from __future__ import annotations

from collections.abc import Callable
from html import unescape
from io import BytesIO
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import generate_uid

from pacs.accounts.models import Site, User
from pacs.audit.models import AuditEvent
from pacs.events.models import SiteEvent
from studies.models import OrthancServer, Priority, QuarantinedFile, Study, StudyGrant
from studies.services import ingest

SECRET = "a-webhook-secret-of-length"


@pytest.fixture
def at_site(site_admin: User, logged_in: Callable[[User], Client]) -> Client:
    return logged_in(site_admin)


@pytest.fixture
def at_all(admin: User, logged_in: Callable[[User], Client]) -> Client:
    return logged_in(admin)


@pytest.fixture
def server(site: Site) -> OrthancServer:
    return OrthancServer.objects.create(
        site=site,
        slug="main-orthanc",
        name="Main Orthanc",
        base_url="http://orthanc.example:8042",
        username="portal",
        password="orthanc-password",
        webhook_secret=SECRET,
        last_error="connection refused",
        failures=3,
    )


def quarantined(site: Site) -> QuarantinedFile:
    return QuarantinedFile.objects.create(
        site=site,
        source="orthanc:1",
        reason="truncated",
        archive_key="nowhere",
        file_size=10,
        file_sha256="0" * 64,
    )


class TestOrthancServers:
    def test_show_health_and_no_secret(self, at_all: Client, server: OrthancServer) -> None:
        for url in [
            reverse("admin:studies_orthancserver_changelist"),
            reverse("admin:studies_orthancserver_change", args=[server.pk]),
        ]:
            page = at_all.get(url).content.decode()
            assert "connection refused" in page
            assert "orthanc-password" not in page
            assert SECRET not in page

    def test_an_empty_secret_stays_and_a_new_one_is_encrypted(
        self, at_all: Client, server: OrthancServer
    ) -> None:
        data = {
            "slug": "main-orthanc",
            "name": "Renamed",
            "base_url": "http://orthanc.example:8042",
            "username": "portal",
            "is_enabled": "on",
            "new_password": "",
            "new_webhook_secret": "b" * 30,
        }
        url = reverse("admin:studies_orthancserver_change", args=[server.pk])
        assert at_all.post(url, data).status_code == 302
        server.refresh_from_db()
        assert server.name == "Renamed"
        assert server.password == "orthanc-password"
        assert server.webhook_secret == "b" * 30
        with connection.cursor() as cursor:
            cursor.execute("SELECT password, webhook_secret FROM studies_orthancserver")
            stored = cursor.fetchone()
        assert "orthanc-password" not in stored[0]
        assert "b" * 30 not in stored[1]
        event = AuditEvent.objects.get(action="admin.orthancserver.changed")
        assert event.detail["fields"] == ["Name", "Webhook secret"]
        assert event.site_id == server.site_id

    def test_a_server_is_added(self, at_all: Client, site: Site) -> None:
        response = at_all.post(
            reverse("admin:studies_orthancserver_add"),
            {
                "site": site.pk,
                "slug": "new",
                "name": "New",
                "base_url": "http://orthanc.example:8042",
                "new_password": "secret",
                "new_webhook_secret": SECRET,
            },
        )
        assert response.status_code == 302
        assert OrthancServer.objects.get().password == "secret"

    def test_site_administrators_look_and_do_not_touch(
        self, at_site: Client, server: OrthancServer, other_site: Site
    ) -> None:
        theirs = OrthancServer.objects.create(
            site=other_site, slug="theirs", name="Theirs", base_url="http://north.example"
        )
        page = at_site.get(reverse("admin:studies_orthancserver_changelist")).content.decode()
        assert "Main Orthanc" in page
        assert "Theirs" not in page
        url = reverse("admin:studies_orthancserver_change", args=[server.pk])
        page = at_site.get(url).content.decode()
        assert "orthanc-password" not in page
        assert at_site.post(url, {"base_url": "http://evil.example"}).status_code == 403
        elsewhere = reverse("admin:studies_orthancserver_change", args=[theirs.pk])
        assert at_site.get(elsewhere).status_code == 302
        assert at_site.post(reverse("admin:studies_orthancserver_add"), {}).status_code == 403


class TestQuarantine:
    def test_site_administrators_see_their_own(
        self, at_site: Client, site: Site, other_site: Site
    ) -> None:
        mine, theirs = quarantined(site), quarantined(other_site)
        page = at_site.get(reverse("admin:studies_quarantinedfile_changelist")).content.decode()
        assert str(mine.pk) in page
        assert str(theirs.pk) not in page
        page = at_site.get(
            reverse("admin:studies_quarantinedfile_change", args=[mine.pk])
        ).content.decode()
        assert "The header cannot be read safely." in page
        url = reverse("admin:studies_quarantinedfile_change", args=[theirs.pk])
        assert at_site.get(url).status_code == 302
        assert AuditEvent.objects.filter(action="quarantine.opened").count() == 1

    def test_a_readable_header_is_shown_in_plain_fields(self, at_site: Client, site: Site) -> None:
        original = dcmread(get_testdata_file("CT_small.dcm"))
        for patient_id in ["P1", "P2"]:
            original.PatientID = patient_id
            original.PatientName = "<img onerror=x>^Jane"
            original.SOPInstanceUID = generate_uid()
            original.file_meta.MediaStorageSOPInstanceUID = original.SOPInstanceUID
            stream = BytesIO()
            original.save_as(stream)
            stream.seek(0)
            result = ingest.store(stream, source="test", site=site)
        assert result.outcome == "quarantined"
        file = QuarantinedFile.objects.get()
        url = reverse("admin:studies_quarantinedfile_change", args=[file.pk])
        page = at_site.get(url).content.decode()
        assert "Patient ID: P2" in page
        assert "Modality: CT" in page
        assert file.words in unescape(page)
        assert "<img onerror" not in page

    def test_nobody_changes_or_deletes(self, at_all: Client, site: Site) -> None:
        file = quarantined(site)
        change = reverse("admin:studies_quarantinedfile_change", args=[file.pk])
        assert at_all.post(change, {"reason": "x"}).status_code == 403
        delete = reverse("admin:studies_quarantinedfile_delete", args=[file.pk])
        assert at_all.post(delete, {"post": "yes"}).status_code == 403


class TestStudies:
    def test_site_administrators_see_their_own(
        self, at_site: Client, study: Study, other_study: Study
    ) -> None:
        page = at_site.get(reverse("admin:studies_study_changelist")).content.decode()
        assert f"/study/{study.pk}/" in page
        assert f"/study/{other_study.pk}/" not in page
        assert (
            at_site.get(reverse("admin:studies_study_change", args=[study.pk])).status_code == 200
        )
        elsewhere = reverse("admin:studies_study_change", args=[other_study.pk])
        assert at_site.get(elsewhere).status_code == 302
        assert AuditEvent.objects.get(action="study.described").study_id == study.pk

    def test_only_the_priority_changes(self, at_site: Client, study: Study) -> None:
        url = reverse("admin:studies_study_change", args=[study.pk])
        data = {"priority": Priority.STAT.value, "patient_name": "OTHER", "site": 99}
        assert at_site.post(url, data).status_code == 302
        study.refresh_from_db()
        assert study.priority == Priority.STAT
        assert study.patient_name == "DOE^Jane"
        assert SiteEvent.objects.get().type == "study.changed"
        assert AuditEvent.objects.get(action="admin.study.changed").study_id is None

    def test_nobody_deletes(self, at_all: Client, study: Study) -> None:
        delete = reverse("admin:studies_study_delete", args=[study.pk])
        assert at_all.post(delete, {"post": "yes"}).status_code == 403


class TestGrants:
    def grant(self, client: Client, study: Study, user: User) -> Any:
        return client.post(
            reverse("admin:studies_studygrant_add"), {"study": study.pk, "user": user.pk}
        )

    def test_a_referrer_of_the_site(
        self, at_site: Client, site_admin: User, study: Study, referrer: User
    ) -> None:
        assert self.grant(at_site, study, referrer).status_code == 302
        assert list(Study.objects.visible_to(referrer)) == [study]
        assert StudyGrant.objects.get().granted_by == site_admin
        event = AuditEvent.objects.get(action="admin.studygrant.added")
        assert event.site_id == study.site_id

    def test_not_a_study_of_another_site(
        self, at_site: Client, other_study: Study, referrer: User
    ) -> None:
        assert self.grant(at_site, other_study, referrer).status_code == 200
        assert not StudyGrant.objects.exists()

    def test_not_to_a_user_of_another_site(
        self, at_site: Client, study: Study, stranger: User
    ) -> None:
        assert self.grant(at_site, study, stranger).status_code == 200
        assert not StudyGrant.objects.exists()
