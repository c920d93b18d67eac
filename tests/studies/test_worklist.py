"""The worklist's page and table: who sees what, filters, sort, pages, what stands in URLs."""

from __future__ import annotations

import html
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.urls import reverse
from django.utils import timezone

from pacs import events
from pacs.audit.models import AuditEvent
from studies.dicom.charset import search_key
from studies.models import Arrival, Priority, ReadingState, StudyGrant

HTMX = {"HX-Request": "true"}
BROWSER = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate"}


def shown(response: Any) -> list[int]:
    """The studies of the rows, in order."""
    assert response.status_code == 200, response.status_code
    return [int(pk) for pk in re.findall(r'data-study="(\d+)"', response.content.decode())]


def row_text(response: Any, pk: int) -> str:
    """The words of a row, tags left out."""
    text = response.content.decode()
    match = re.search(rf'<tr data-study="{pk}".*?</tr>', text, re.DOTALL)
    assert match is not None
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", match[0])).split())


@pytest.fixture
def client_of(logged_in: Any, radiologist: Any) -> Any:
    return logged_in(radiologist)


@pytest.fixture
def add(make_study: Any, site: Any) -> Any:
    """`add(patient_name=..., minutes=5)`: a study of the first site received minutes ago."""

    def make(minutes: float = 1, **fields: Any) -> Any:
        study = make_study(
            fields.pop("site", site),
            received_at=timezone.now() - timedelta(minutes=minutes),
            **fields,
        )
        words = [
            study.patient_name.replace("^", " "),
            study.patient_id,
            study.accession_number,
            study.study_description,
        ]
        study.search_text = search_key(" ".join(words))
        study.save()
        return study

    return make


class TestWhoSeesWhat:
    def test_nobody_goes_to_the_login_with_the_path_only(self, client: Any, study: Any) -> None:
        response = client.get("/?modality=CT", headers=BROWSER)
        assert response.status_code == 302
        assert response["Location"] == "/login/?next=/"

    @pytest.mark.parametrize("path", ["/worklist/table/", "/worklist/row/1/"])
    def test_a_script_of_nobody_is_told_401(self, client: Any, db: None, path: str) -> None:
        assert client.get(path).status_code == 401
        response = client.post(path, headers=HTMX)
        assert response.status_code == 401
        assert response["HX-Redirect"] == "/login/"

    @pytest.mark.parametrize("actor", ["radiologist", "technician", "site_admin"])
    def test_members_see_their_site(
        self, request: Any, logged_in: Any, actor: str, study: Any, other_study: Any
    ) -> None:
        client = logged_in(request.getfixturevalue(actor))
        assert shown(client.get("/")) == [study.pk]
        assert shown(client.post("/worklist/table/", headers=HTMX)) == [study.pk]

    def test_the_stranger_sees_the_other_site(
        self, logged_in: Any, stranger: Any, study: Any, other_study: Any
    ) -> None:
        assert shown(logged_in(stranger).get("/?state=all")) == [other_study.pk]

    def test_asking_for_a_foreign_site_shows_nothing_of_it(
        self, client_of: Any, study: Any, other_study: Any, other_site: Any
    ) -> None:
        assert shown(client_of.get(f"/?site={other_site.pk}")) == [study.pk]

    def test_superusers_see_every_site(
        self, logged_in: Any, admin: Any, study: Any, other_study: Any, other_site: Any
    ) -> None:
        client = logged_in(admin)
        assert shown(client.get("/")) == [study.pk, other_study.pk]
        assert shown(client.get(f"/?site={other_site.pk}")) == [other_study.pk]

    def test_referrers_see_what_was_granted(
        self, logged_in: Any, referrer: Any, radiologist: Any, study: Any, add: Any
    ) -> None:
        client = logged_in(referrer)
        response = client.get("/")
        assert shown(response) == []
        assert "No study is shared with you yet" in response.content.decode()
        granted = add()
        StudyGrant.objects.create(study=granted, user=referrer, granted_by=radiologist)
        assert shown(client.get("/")) == [granted.pk]

    def test_no_membership_sees_nothing_and_is_told_why(
        self, logged_in: Any, django_user_model: Any, study: Any
    ) -> None:
        user = django_user_model.objects.create_user("new")
        response = logged_in(user).get("/")
        assert shown(response) == []
        assert "You belong to no site yet" in response.content.decode()


class TestFilters:
    def test_opens_on_unread_work_of_all_dates(self, client_of: Any, add: Any) -> None:
        states = {state: add(reading_state=state, minutes=9).pk for state in ReadingState.values}
        work = {states[s] for s in ("unread", "claimed", "draft", "preliminary")}
        assert set(shown(client_of.get("/"))) == work
        assert set(shown(client_of.get("/?state=all"))) == set(states.values())
        assert shown(client_of.get("/?state=final")) == [states["final"]]

    def test_every_word_must_match_folded(self, client_of: Any, add: Any) -> None:
        wanted = add(patient_name="MÜLLER^Jürgen", study_description="MR knee")
        add(patient_name="MÜLLER^Anna", study_description="CT head")
        for text in ("muller KNEE", "Jürgen müller", "  mull  kn "):
            response = client_of.post("/worklist/table/", {"q": text}, headers=HTMX)
            assert shown(response) == [wanted.pk]

    @pytest.mark.parametrize("text", ["%", "_", "\\", "' OR 1=1 --", "<img onerror=x>"])
    def test_signs_are_only_signs(self, client_of: Any, add: Any, text: str) -> None:
        add(patient_name="PLAIN^Name")
        assert shown(client_of.post("/worklist/table/", {"q": text}, headers=HTMX)) == []

    def test_accession_and_id_are_found(self, client_of: Any, add: Any) -> None:
        by_id = add(patient_id="MRN-778899")
        by_accession = add(accession_number="ACC42")
        post = client_of.post
        assert shown(post("/worklist/table/", {"q": "778899"}, headers=HTMX)) == [by_id.pk]
        assert shown(post("/worklist/table/", {"q": "acc42"}, headers=HTMX)) == [by_accession.pk]

    def test_modality_is_a_whole_word(self, client_of: Any, add: Any) -> None:
        ct = add(modalities="CT/SR", minutes=9)
        add(modalities="OCT", minutes=8)
        pt = add(modalities="PT/CT", minutes=7)
        mr = add(modalities="MR", minutes=6)
        assert shown(client_of.get("/?modality=CT")) == [ct.pk, pt.pk]
        assert shown(client_of.get("/?modality=CT&modality=MR")) == [ct.pk, pt.pk, mr.pk]

    def test_dates(self, client_of: Any, add: Any, settings: Any) -> None:
        today = timezone.localdate(timezone=timezone.get_default_timezone())
        days = {
            n: add(study_day=today - timedelta(days=n), minutes=99 - n).pk for n in (0, 1, 6, 40)
        }
        undated = add(study_day=None, minutes=1).pk
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("studies.filters.timezone.localdate", lambda: today)
            assert shown(client_of.get("/?date=today")) == [days[0]]
            assert shown(client_of.get("/?date=yesterday")) == [days[1]]
            assert shown(client_of.get("/?date=3d")) == [days[0], days[1]]
            assert shown(client_of.get("/?date=7d")) == [days[0], days[1], days[6]]
            assert shown(client_of.get("/?date=all")) == [*days.values(), undated]
            range_ = f"date=range&date_from={today - timedelta(days=6)}&date_to={today}"
            assert shown(client_of.get(f"/?{range_}")) == [days[0], days[1], days[6]]

    def test_site_and_arrival(
        self, logged_in: Any, admin: Any, add: Any, site: Any, other_site: Any
    ) -> None:
        quiet = add(arrival=Arrival.QUIET)
        north = add(site=other_site)
        client = logged_in(admin)
        assert shown(client.get(f"/?site={other_site.pk}")) == [north.pk]
        assert shown(client.get("/?arrival=quiet")) == [quiet.pk]

    @pytest.mark.parametrize(
        "query",
        [
            "state=nonsense&date=never&modality=XX&site=abc&arrival=gone&sort=evil&page=-3",
            "page=99999999999999999999&sort=-",
            "date=range&date_from=2026-99-99",
            "site=999999",
            "sort=patient__password",
        ],
    )
    def test_what_is_not_understood_is_ignored(
        self, client_of: Any, study: Any, query: str
    ) -> None:
        assert client_of.get(f"/?{query}").status_code == 200

    def test_no_match_says_how_to_go_on(self, client_of: Any, study: Any) -> None:
        text = client_of.post("/worklist/table/", {"q": "nobody"}, headers=HTMX).content.decode()
        assert "No study matches these filters" in text
        assert "Clear filters" in text

    def test_no_studies_yet_says_how_images_get_in(self, client_of: Any) -> None:
        assert "Send images from a modality" in client_of.get("/").content.decode()

    def test_all_read_says_so(self, client_of: Any, add: Any) -> None:
        add(reading_state=ReadingState.FINAL)
        assert "Nothing is waiting to be read" in client_of.get("/").content.decode()


class TestOrder:
    def test_stat_first_then_the_longest_waiting(self, client_of: Any, add: Any) -> None:
        young = add(minutes=1)
        old = add(minutes=60, reading_state=ReadingState.DRAFT)
        urgent = add(minutes=2, priority=Priority.URGENT)
        stat = add(minutes=0.5, priority=Priority.STAT)
        assert shown(client_of.get("/")) == [stat.pk, urgent.pk, old.pk, young.pk]

    def test_sites_are_merged_not_stacked(
        self, logged_in: Any, radiologist: Any, add: Any, other_site: Any
    ) -> None:
        radiologist.memberships.create(site=other_site, role="radiologist")
        made = [add(minutes=50 - n, **({"site": other_site} if n % 2 else {})).pk for n in range(6)]
        assert shown(logged_in(radiologist).get("/")) == made

    @pytest.mark.parametrize(
        ("sort", "field", "values"),
        [
            ("patient", "patient_name", ["ADAMS^A", "BAKER^B", "CLARK^C"]),
            ("patient_id", "patient_id", ["1", "2", "3"]),
            ("age", "patient_birth_date", ["19300101", "19800101", "20200101"]),
            ("study", "study_date", ["20240101", "20250101", "20260101"]),
            ("modality", "modalities", ["CR", "CT", "MR"]),
            ("description", "study_description", ["a", "b", "c"]),
            ("body_part", "body_part_examined", ["ABDOMEN", "CHEST", "KNEE"]),
            ("accession", "accession_number", ["A1", "A2", "A3"]),
            ("images", "number_of_instances", [1, 20, 300]),
            ("arrival", "arrival", ["receiving", "quiet", "complete"]),
            ("state", "reading_state", ["unread", "draft", "preliminary"]),
        ],
    )
    def test_by_header(
        self, client_of: Any, add: Any, sort: str, field: str, values: list[Any]
    ) -> None:
        made = [add(**{field: value}).pk for value in (values[1], values[0], values[2])]
        order = [made[1], made[0], made[2]]
        assert shown(client_of.get(f"/?sort={sort}")) == order
        response = client_of.get(f"/?sort=-{sort}")
        assert shown(response) == order[::-1]
        assert 'aria-sort="descending"' in response.content.decode()

    def test_pages_neither_repeat_nor_leave_out(self, client_of: Any, add: Any) -> None:
        at = datetime(2026, 11, 1, tzinfo=UTC)
        made = [add(patient_name="SAME^Name").pk for _ in range(120)]
        type(add(patient_name="SAME^Name")).objects.update(received_at=at)
        for sort in ("priority", "-priority", "patient", "-images", "state"):
            pages = [shown(client_of.get(f"/?sort={sort}&page={n}")) for n in (1, 2, 3)]
            assert [len(page) for page in pages] == [50, 50, 21]
            assert len({pk for page in pages for pk in page}) == len(made) + 1

    def test_a_page_beyond_the_end_leads_back(self, client_of: Any, study: Any) -> None:
        response = client_of.get("/?page=7")
        assert shown(response) == []
        assert "To the first page" in response.content.decode()

    def test_count_is_capped(
        self, client_of: Any, add: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("studies.tables.COUNT_CAP", 2)
        for _ in range(3):
            add()
        assert "of more than 10,000" in client_of.get("/").content.decode()
        assert "of more than 10,000" in client_of.get("/?sort=patient").content.decode()


class TestUrls:
    def test_free_text_is_never_in_a_url(self, client_of: Any, add: Any) -> None:
        for _ in range(60):
            add(patient_name="SECRETNAME^Jane")
        response = client_of.post(
            "/worklist/table/",
            {"q": "secretname", "modality": "CT", "state": "all", "sort": "patient", "page": "1"},
            headers=HTMX | {"HX-Current-URL": "http://testserver/"},
        )
        assert len(shown(response)) == 50
        pushed = urlsplit(response["HX-Push-Url"])
        assert pushed.path == "/"
        assert parse_qs(pushed.query) == {"modality": ["CT"], "state": ["all"], "sort": ["patient"]}
        text = response.content.decode()
        for address in re.findall(r'(?:href|hx-post|hx-get|hx-vals)=["\']([^"\']*)', text):
            assert "secretname" not in address.lower()

    def test_text_in_a_url_is_ignored_and_not_echoed(self, client_of: Any, add: Any) -> None:
        study = add(patient_name="DOE^Jane")
        response = client_of.get("/?q=zzzsecret")
        assert shown(response) == [study.pk]
        assert "zzzsecret" not in response.content.decode()

    def test_the_url_restores_the_list(self, client_of: Any, add: Any) -> None:
        add(modalities="MR")
        wanted = add(modalities="CT", reading_state=ReadingState.FINAL)
        response = client_of.post(
            "/worklist/table/", {"modality": "CT", "state": "final"}, headers=HTMX
        )
        assert shown(client_of.get(response["HX-Push-Url"])) == [wanted.pk]

    def test_a_background_refetch_pushes_nothing(self, client_of: Any, study: Any) -> None:
        response = client_of.post(
            "/worklist/table/", {"modality": "CT"}, headers=HTMX | {"X-Background": "1"}
        )
        assert "HX-Push-Url" not in response

    def test_the_same_url_is_not_pushed_twice(self, client_of: Any, study: Any) -> None:
        response = client_of.post(
            "/worklist/table/",
            {"modality": "CT", "q": "doe"},
            headers=HTMX | {"HX-Current-URL": "http://testserver/?modality=CT"},
        )
        assert response["HX-Push-Url"] == "false"

    def test_without_scripts_the_form_answers_a_page(self, client_of: Any, study: Any) -> None:
        response = client_of.post("/worklist/table/", {"q": "doe"})
        assert "<!DOCTYPE html>" in response.content.decode()

    def test_nothing_is_stored_by_caches(self, client_of: Any, study: Any) -> None:
        for response in (
            client_of.get("/"),
            client_of.get(f"/worklist/row/{study.pk}/"),
            client_of.get("/worklist/row/0/"),
        ):
            assert "no-store" in response["Cache-Control"]

    def test_no_inline_script_or_style(self, client_of: Any, study: Any) -> None:
        text = client_of.get("/").content.decode()
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]* src=)", text)


class TestRow:
    def url(self, pk: int) -> str:
        return reverse("worklist-row", args=[pk])

    def test_a_row_that_the_list_shows(self, client_of: Any, study: Any) -> None:
        response = client_of.get(self.url(study.pk))
        assert shown(response) == [study.pk]
        assert response["X-Unread-Stat"] == "0"
        assert response.content.decode().strip().startswith("<tr")

    def test_204_where_the_filters_do_not_match(self, client_of: Any, study: Any) -> None:
        assert client_of.get(self.url(study.pk) + "?modality=MR").status_code == 204
        assert client_of.post(self.url(study.pk), {"q": "nobody"}).status_code == 204
        assert client_of.post(self.url(study.pk), {"q": "nobody", "state": "all"}).content == b""

    @pytest.mark.parametrize("actor", ["stranger", "referrer"])
    def test_204_for_those_who_may_not_see_it(
        self, request: Any, logged_in: Any, study: Any, actor: str
    ) -> None:
        client = logged_in(request.getfixturevalue(actor))
        assert client.get(self.url(study.pk) + "?state=all").status_code == 204

    def test_a_study_that_is_not_there_looks_the_same(self, client_of: Any) -> None:
        assert client_of.get(self.url(987654)).status_code == 204

    def test_the_key_orders_as_the_database_does(self, client_of: Any, add: Any) -> None:
        for minutes in (5, 3, 9):
            add(minutes=minutes, priority=minutes % 2)
        for sort in ("priority", "state", "study", "images", "site", "patient"):
            text = client_of.get(f"/?sort={sort}").content.decode()
            keys = [
                json.loads(html.unescape(key)) for key in re.findall(r'data-key="([^"]*)"', text)
            ]
            assert keys == sorted(keys)
            assert len(keys) == 3


class TestWords:
    def test_what_a_row_says(self, client_of: Any, add: Any) -> None:
        study = add(
            patient_name="YAMADA^Tarou",
            patient_name_ideographic="山田^太郎",
            patient_id="4711",
            patient_sex="M",
            patient_age="054Y",
            study_date="20261124",
            study_time="101530.25",
            modalities="CT/SR",
            body_part_examined="CHEST",
            accession_number="ACC1",
            number_of_instances=312,
            late_instances=4,
            arrival=Arrival.COMPLETE,
            priority=Priority.STAT,
            name_conflict=True,
        )
        text = row_text(client_of.get("/"), study.pk)
        for words in (
            "STAT YAMADA, Tarou 山田 太郎 4711 M 54 y 2026-11-24 10:15 CT/SR CT chest CHEST ACC1",
            "Main Hospital +4 late 312 Complete 312 Read Unread 00:0",
        ):
            assert words in text
        assert "Name conflict" in client_of.get("/").content.decode()

    def test_receipt_is_on_the_clock_of_the_site(self, client_of: Any, add: Any) -> None:
        add()
        type(add()).objects.update(received_at=datetime(2026, 1, 5, 23, 30, tzinfo=UTC))
        assert "Received 2026-01-06 00:30:00 Europe/Berlin" in client_of.get("/").content.decode()

    def test_what_is_missing_is_a_dash_never_a_blank(self, client_of: Any, add: Any) -> None:
        study = add(patient_name="", patient_id="", modalities="", study_description="")
        assert "No name – – – – – – – Main Hospital 0 Receiving 0… Read Unread" in row_text(
            client_of.get("/"), study.pk
        )

    def test_markup_in_a_name_stays_text(self, client_of: Any, add: Any) -> None:
        add(patient_name="<img src=x onerror=alert(1)>^A", study_description='"><script>')
        text = client_of.get("/").content.decode()
        assert "<img" not in text
        assert '"><script>' not in text

    def test_the_numbers_of_the_sites_come_with_the_list(
        self, client_of: Any, site: Any, study: Any
    ) -> None:
        events.publish("study.received", site=site.pk, study=study.pk)
        text = html.unescape(client_of.get("/").content.decode())
        assert f'data-sequences="{{"{site.pk}":1}}"' in text

    def test_top_bar_counts_unread_stat_and_quarantine(
        self, logged_in: Any, technician: Any, radiologist: Any, add: Any
    ) -> None:
        add(priority=Priority.STAT)
        text = logged_in(technician).get("/").content.decode()
        assert 'id="stat-number">1<' in text
        assert reverse("quarantine") in text
        assert reverse("quarantine") not in logged_in(radiologist).get("/").content.decode()


class TestAudit:
    def test_opening_and_searching_are_recorded_without_the_text(
        self, client_of: Any, study: Any
    ) -> None:
        client_of.get("/")
        client_of.get("/")
        client_of.post("/worklist/table/", {"modality": "CT"}, headers=HTMX)
        client_of.post("/worklist/table/", {"q": "secret name"}, headers=HTMX)
        actions = list(AuditEvent.objects.order_by("id").values_list("action", "detail"))
        ours = [entry for entry in actions if entry[0].startswith("worklist.")]
        assert ours == [
            ("worklist.opened", {}),
            ("worklist.searched", {"words": 2, "found": 0}),
        ]
