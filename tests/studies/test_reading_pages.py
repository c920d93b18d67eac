"""Reading in the worklist and its dialog: who reads, clocks, filters, buttons; no query a row."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from pacs.accounts.models import Role
from pacs.audit.models import AuditEvent
from studies.models import Priority, Study, StudyGrant, StudyNote, Turnaround
from studies.reading import services
from tests.conftest import person
from tests.studies.test_worklist import HTMX, row_text, shown

pytestmark = pytest.mark.django_db


@pytest.fixture
def colleague(site: Any) -> Any:
    return person("colleague", site, Role.RADIOLOGIST, first_name="Bo", last_name="Second")


@pytest.fixture
def add(site: Any, make_study: Any) -> Any:
    def make(minutes: float = 1, **fields: Any) -> Any:
        received = timezone.now() - timedelta(minutes=minutes)
        return make_study(fields.pop("site", site), received_at=received, **fields)

    return make


def row_of(client: Any, study: Any, query: str = "") -> str:
    answer = client.get(f"/worklist/row/{study.pk}/{query}")
    assert answer.status_code == 200
    return str(answer.content.decode())


class TestWhoReads:
    def test_shown_to_everybody_who_works_there(
        self, logged_in: Any, radiologist: Any, technician: Any, colleague: Any, study: Any
    ) -> None:
        services.claim(study.pk, colleague)
        for who in (radiologist, technician):
            text = row_text(logged_in(who).get("/"), study.pk)
            assert "Reading, Bo Second" in text
        assert "Reading, you" in row_text(logged_in(colleague).get("/"), study.pk)

    @pytest.mark.parametrize(
        ("state", "whose", "button"),
        [
            ("unread", None, "claim"),
            ("not_needed", None, "claim"),
            ("claimed", "mine", "release"),
            ("claimed", "other", "take-over"),
            ("draft", "mine", None),
            ("draft", "other", "take-over"),
            ("preliminary", "other", "take-over"),
            ("final", "other", None),
            ("addended", "mine", None),
        ],
    )
    def test_the_button_of_a_row(
        self, logged_in: Any, radiologist: Any, technician: Any, colleague: Any, study: Any,
        state: str, whose: str | None, button: str | None,
    ) -> None:  # fmt: skip
        reader = {"mine": radiologist, "other": colleague, None: None}[whose]
        Study.objects.update(reading_state=state, reader=reader)
        html = row_of(logged_in(radiologist), study, "?state=all")
        assert html.count("data-read=") == (button is not None)
        assert button is None or f'data-read="{button}"' in html
        assert "data-read=" not in row_of(logged_in(technician), study, "?state=all")

    def test_referrers_see_no_notes_and_no_buttons(
        self, logged_in: Any, referrer: Any, technician: Any, study: Any
    ) -> None:
        StudyGrant.objects.create(study=study, user=referrer, granted_by=technician)
        services.add_note(study.pk, technician, text="moved")
        client = logged_in(referrer)
        html = row_of(client, study)
        assert "data-notes" not in html
        assert "data-read" not in html
        page = client.get("/").content.decode()
        assert 'id="next-unread"' not in page
        assert 'name="show"' not in page
        assert client.get(f"/studies/{study.pk}/notes/").status_code == 404
        assert client.get(f"/studies/{study.pk}/lost/").status_code == 404


class TestClocks:
    def test_defaults_and_the_site_s_own(
        self, logged_in: Any, radiologist: Any, site: Any, add: Any
    ) -> None:
        client = logged_in(radiologist)
        late = add(61, priority=Priority.STAT)
        soon = add(50, priority=Priority.STAT)
        fine = add(50, priority=Priority.URGENT)
        read = add(600, priority=Priority.STAT, reading_state="final")
        clocks = {study: row_of(client, study, "?state=all") for study in (late, soon, fine, read)}
        assert 'data-clock="over"' in clocks[late]
        assert "overdue" in clocks[late]
        assert 'data-clock="soon"' in clocks[soon]
        assert "due soon" in clocks[soon]
        assert 'data-clock=""' in clocks[fine]
        assert 'data-due=""' in clocks[read]
        Turnaround.objects.create(site=site, priority=Priority.URGENT, minutes=45)
        assert 'data-clock="over"' in row_of(client, fine)
        due = int((fine.received_at + timedelta(minutes=45)).timestamp() * 1000)
        assert f'data-due="{due}"' in row_of(client, fine)

    def test_the_overdue_filter_counts_as_the_rows_do(
        self, logged_in: Any, admin: Any, site: Any, other_site: Any, add: Any
    ) -> None:
        Turnaround.objects.create(site=other_site, priority=Priority.STAT, minutes=10)
        late = [add(61, priority=Priority.STAT), add(11, priority=Priority.STAT, site=other_site)]
        late.append(add(241, priority=Priority.URGENT, reading_state="draft"))
        late.append(add(1441))
        add(59, priority=Priority.STAT)
        add(9, priority=Priority.STAT, site=other_site)
        add(1439)
        add(9999, reading_state="final")
        client = logged_in(admin)
        for query in ("?show=overdue", "?show=overdue&state=all"):
            response = client.get(f"/{query}")
            assert sorted(shown(response)) == sorted(study.pk for study in late)
            assert response.content.decode().count('data-clock="over"') == len(late)


class TestFilters:
    def test_mine(self, logged_in: Any, radiologist: Any, colleague: Any, add: Any) -> None:
        given = add(5, assigned_to=radiologist)
        add(5, assigned_to=colleague)
        add(9, assigned_to=radiologist, reading_state="final")
        reading = add(5, reader=radiologist, reading_state="draft")
        add(5, reader=colleague, reading_state="claimed")
        add(5, reader=radiologist, reading_state="final")
        client = logged_in(radiologist)
        assert shown(client.get("/?show=assigned")) == [given.pk]
        assert shown(client.get("/?show=reading")) == [reading.pk]
        assert shown(client.get("/?show=reading&state=all")) == [reading.pk]
        assert client.get(f"/worklist/row/{given.pk}/?show=reading").status_code == 204
        answer = client.post("/worklist/table/", {"show": "assigned"}, headers=HTMX)
        assert answer["HX-Push-Url"] == "/?show=assigned"
        assert "for you" in row_text(client.get("/?show=assigned"), given.pk)

    @pytest.mark.skipif(connection.vendor != "sqlite", reason="reads SQLite's plan")
    @pytest.mark.parametrize(
        ("show", "index"), [("assigned", "study_assigned"), ("reading", "study_reader")]
    )
    def test_few_of_many_by_an_index(
        self, logged_in: Any, radiologist: Any, study: Any, show: str, index: str
    ) -> None:
        client = logged_in(radiologist)
        with CaptureQueriesContext(connection) as queries:
            client.get(f"/?show={show}")
        column = "assigned_to_id" if show == "assigned" else "reader_id"
        wanted = (f'"{column}" = {radiologist.pk}', '"reading_state"')
        found = [q["sql"] for q in queries if all(each in q["sql"] for each in wanted)]
        assert found
        with connection.cursor() as cursor:
            for sql in found:
                cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
                plan = "\n".join(str(row[-1]) for row in cursor.fetchall())
                assert f"{index} ({column}=? AND reading_state=?" in plan


def test_readers_clocks_and_notes_cost_no_query_a_row(
    logged_in: Any, radiologist: Any, technician: Any, colleague: Any, add: Any
) -> None:
    client = logged_in(radiologist)

    def busy() -> None:
        study = add(reading_state="claimed", reader=colleague, assigned_to=colleague)
        StudyNote.objects.create(study=study, text="moved", author=technician)

    busy()
    client.get("/")
    with CaptureQueriesContext(connection) as few:
        client.get("/")
    for _ in range(20):
        busy()
    with CaptureQueriesContext(connection) as many:
        page = client.get("/")
    assert page.content.decode().count("Reading, Bo Second") >= 21
    assert len(many) == len(few)


class TestNotesDialog:
    def test_noted_verified_and_marked(
        self, logged_in: Any, technician: Any, radiologist: Any, study: Any
    ) -> None:
        client, path = logged_in(technician), f"/studies/{study.pk}/notes/"
        assert "Nobody has noted anything yet" in client.get(path).content.decode()
        assert "Write something first." in client.post(path, {"do": "note"}).content.decode()
        said = client.post(path, {"do": "note", "text": "<i>moved</i>\nrepeated"})
        assert "&lt;i&gt;moved&lt;/i&gt;<br>repeated" in said.content.decode()
        assert "There are notes" in row_of(client, study)
        client.post(path, {"do": "verify", "text": ""})
        assert "Verified." in row_of(client, study)
        page = logged_in(radiologist).get(path).content.decode()
        assert page.count("<li>") == 2
        assert 'value="verify"' not in page
        answer = logged_in(radiologist).post(path, {"do": "verify"})
        assert "Only technicians" in answer.content.decode()
        assert StudyNote.objects.count() == 2
        assert AuditEvent.objects.filter(action="study.notes", actor_name="radiologist").exists()

    def test_a_text_that_is_refused_is_kept(
        self, logged_in: Any, technician: Any, study: Any
    ) -> None:
        text = "x" * 2001
        answer = logged_in(technician).post(
            f"/studies/{study.pk}/notes/", {"do": "note", "text": text}
        )
        assert text in answer.content.decode()
        assert "at most 2000 characters" in answer.content.decode()

    def test_priority_and_assignment(
        self, logged_in: Any, site_admin: Any, radiologist: Any, technician: Any, study: Any
    ) -> None:
        path = f"/studies/{study.pk}/notes/"
        wanted = {"do": "set", "priority": 0, "assigned_to": radiologist.pk}
        # A technician sets the priority and assigns nobody.
        assert 'name="assigned_to"' not in logged_in(technician).get(path).content.decode()
        answer = logged_in(technician).post(path, {"do": "set", "priority": 1})
        assert "Saved." in answer.content.decode()
        assert (Study.objects.get().priority, Study.objects.get().assigned_to) == (1, None)
        assert "does not read" in logged_in(technician).post(path, wanted).content.decode()
        assert "Saved." in logged_in(site_admin).post(path, wanted).content.decode()
        study.refresh_from_db()
        assert (study.priority, study.assigned_to) == (0, radiologist)
        # The radiologist sets a priority; the own assignment stays unless it is given back.
        mine = {"do": "set", "priority": 2, "assigned_to": radiologist.pk}
        logged_in(radiologist).post(path, mine)
        assert Study.objects.get().assigned_to == radiologist
        logged_in(radiologist).post(path, mine | {"assigned_to": ""})
        assert Study.objects.get().assigned_to is None

    def test_hidden(self, client: Any, logged_in: Any, stranger: Any, study: Any) -> None:
        assert client.get(f"/studies/{study.pk}/notes/").status_code == 401
        assert logged_in(stranger).get(f"/studies/{study.pk}/notes/").status_code == 404


def test_a_former_reader_is_told_in_words(
    logged_in: Any, radiologist: Any, colleague: Any, study: Any
) -> None:
    client, path = logged_in(radiologist), f"/studies/{study.pk}/lost/"
    services.claim(study.pk, radiologist)
    services.take_over(study.pk, colleague)
    assert "Bo Second has taken over DOE, Jane (CT chest) from you." in " ".join(
        client.get(path).content.decode().split()
    )
    services.release(study.pk, colleague)
    assert "you are no longer reading it" in client.get(path).content.decode()


def test_the_viewer_has_notes_for_those_who_work_there(
    logged_in: Any, radiologist: Any, technician: Any, referrer: Any, study: Any
) -> None:
    services.add_note(study.pk, technician, text="moved")
    StudyGrant.objects.create(study=study, user=referrer, granted_by=radiologist)
    path = f"/studies/{study.pk}/view/"
    assert 'id="notes"' in logged_in(radiologist).get(path).content.decode()
    assert 'id="notes"' not in logged_in(referrer).get(path).content.decode()
