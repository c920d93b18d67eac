"""What triggers keep for searches, and that searches go by indexes."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from django.db import connection
from django.db.models import Sum
from django.test.utils import CaptureQueriesContext

from pacs.accounts.models import Role
from pacs.accounts.principal import principal_of
from studies import searchindex
from studies.dicomweb.search import plan
from studies.dicomweb.search.keys import Level
from studies.dicomweb.search.parse import parse
from studies.dicomweb.search.plan import Scope
from studies.models import Study, StudyDayCount, StudyModality
from studies.searchindex import NO_DAY

DAY = date(2026, 1, 2)


def modalities() -> set[tuple[int, str, date]]:
    return set(StudyModality.objects.values_list("study_id", "modality", "sort_day"))


def days() -> dict[date, int]:
    rows = StudyDayCount.objects.values_list("sort_day").annotate(Sum("number"))
    return {day: number for day, number in rows if number}


def test_rows_follow_the_studies(make_study: Any, site: Any) -> None:
    one = make_study(site, study_day=DAY, modalities="CT/SR")
    two = make_study(site, modalities="")
    assert modalities() == {(one.pk, "CT", DAY), (one.pk, "SR", DAY)}
    assert days() == {DAY: 1, NO_DAY: 1}
    Study.objects.filter(pk=two.pk).update(study_day=DAY, modalities="MR")
    assert modalities() == {(one.pk, "CT", DAY), (one.pk, "SR", DAY), (two.pk, "MR", DAY)}
    assert days() == {DAY: 2}
    one.modalities = "CT"
    one.save(update_fields=["modalities"])
    assert modalities() == {(one.pk, "CT", DAY), (two.pk, "MR", DAY)}
    two.delete()
    assert modalities() == {(one.pk, "CT", DAY)}
    assert days() == {DAY: 1}


def test_a_modality_that_is_no_code_is_kept_as_it_is(make_study: Any, site: Any) -> None:
    study = make_study(site, study_day=DAY, modalities='A"\\B/C\n/"')
    assert {row[1] for row in modalities()} == set(study.modality_list)


def test_names_are_folded_with_every_save(make_study: Any, site: Any) -> None:
    study = make_study(
        site, patient_name="MÜLLER^Jörg", patient_name_phonetic="みゅら", modalities="CT"
    )
    assert study.name_key == "\n muller jorg\n みゅら\n"
    study.patient_name = ""
    study.referring_physician_name = "Ångström^A"
    study.save(update_fields=["patient_name", "referring_physician_name"])
    study.refresh_from_db()
    assert study.name_key == "\n みゅら\n"
    assert study.referring_key == "\n angstrom a\n"


@pytest.mark.skipif(connection.vendor != "sqlite", reason="SQLite's index of text")
class TestText:
    def found(self, *words: str) -> set[int]:
        candidates = searchindex.text_candidates(list(words), 100, connection)
        return set(Study.objects.filter(pk__in=candidates).values_list("pk", flat=True))

    def test_it_follows_the_studies(self, make_study: Any, site: Any) -> None:
        one = make_study(site, search_text="doe jane p1 ct chest")
        two = make_study(site, search_text="roe jane 'p2' \"quoted\"")
        assert self.found("jane") == {one.pk, two.pk}
        assert self.found("jan", "hes") == {one.pk}
        assert self.found('"quo') == {two.pk}
        Study.objects.filter(pk=one.pk).update(search_text="smith john")
        assert self.found("jane") == {two.pk}
        assert self.found("smith") == {one.pk}
        two.delete()
        assert self.found("jane") == set()

    def test_short_words_and_many_hits_are_left_to_the_order(
        self, make_study: Any, site: Any
    ) -> None:
        make_study(site, search_text="doe jane")
        make_study(site, search_text="doe john")
        assert searchindex.text_candidates(["do"], 100, connection) is None
        assert searchindex.text_candidates(["doe"], 1, connection) is None
        assert searchindex.text_candidates(["doe"], 2, connection) is not None

    def test_lost_triggers_come_back_with_what_was_missed(self, make_study: Any, site: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("DROP TRIGGER study_search_insert")
        study = make_study(site, study_day=DAY, search_text="missed meanwhile", modalities="CT")
        assert days() == {}
        searchindex.install(connection)
        assert self.found("meanwhile") == {study.pk}
        assert modalities() == {(study.pk, "CT", DAY)}
        assert days() == {DAY: 1}


@pytest.mark.parametrize("offset", [0, 1, 4, 5, 8, 9, 10, 11, 50])
@pytest.mark.parametrize("query", ["", "StudyDate=20260102-20260104", "StudyDate=-20260103"])
def test_counted_days_lead_to_the_same_page(
    make_study: Any,
    site: Any,
    other_site: Any,
    radiologist: Any,
    monkeypatch: pytest.MonkeyPatch,
    offset: int,
    query: str,
) -> None:
    radiologist.memberships.create(site=other_site, role=Role.RADIOLOGIST)
    for number in range(12):
        day = date(2026, 1, 1 + number % 5) if number % 6 else None
        make_study(other_site if number % 4 == 0 else site, study_day=day)
    scope = Scope(principal_of(radiologist))
    asked = parse(query.encode(), Level.STUDY)
    plain = plan.ordered_ids(scope, asked, offset, 3)
    monkeypatch.setattr(plan, "JUMP_FROM", 0)
    assert plan.ordered_ids(scope, asked, offset, 3) == plain
    assert plain == plan.ordered_ids(scope, asked, 0, 100)[offset : offset + 3]


def plans(user: Any, query: str, level: Level = Level.STUDY) -> str:
    """How SQLite finds the ids."""
    with CaptureQueriesContext(connection) as queries:
        plan.ordered_ids(Scope(principal_of(user)), parse(query.encode(), level), 0, 101)
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {queries[-1]['sql']}")
        return "\n".join(str(row[-1]) for row in cursor.fetchall())


@pytest.mark.skipif(connection.vendor != "sqlite", reason="reads SQLite's plan")
class TestPlans:
    @pytest.mark.parametrize(
        ("query", "index"),
        [
            ("", "INDEX study_by_day (site_id=?)"),
            ("PatientName=d*", "INDEX study_by_day (site_id=?)"),
            ("StudyDate=20260101-20260201", "INDEX study_by_day (site_id=? AND sort_day"),
            ("PatientID=A", "study_by_patient (site_id=? AND patient_id=?)"),
            ("AccessionNumber=A", "study_by_accession (site_id=? AND accession_number=?)"),
            ("StudyID=A", "study_by_study_id (site_id=? AND study_id=?)"),
            ("PatientBirthDate=19700101", "study_by_birth_date (site_id=?"),
            ("ModalitiesInStudy=CT", "COVERING INDEX modality_by_day (site_id=? AND modality=?)"),
        ],
    )
    @pytest.mark.parametrize("sites", [1, 2])
    def test_the_index_gives_the_order(
        self, radiologist: Any, other_site: Any, query: str, index: str, sites: int
    ) -> None:
        if sites == 2:
            radiologist.memberships.create(site=other_site, role=Role.RADIOLOGIST)
        found = plans(radiologist, query)
        assert found.count(index) == sites
        assert "TEMP B-TREE" not in found

    def test_few_names_are_looked_up(self, radiologist: Any, study: Any) -> None:
        found = plans(radiologist, "PatientName=*doe*")
        assert "studies_study USING INTEGER PRIMARY KEY (rowid=?)" in found
        assert "studies_study_text VIRTUAL TABLE INDEX" in found

    @pytest.mark.parametrize("level", [Level.SERIES, Level.INSTANCE])
    def test_lower_levels_come_by_study(self, radiologist: Any, level: Level) -> None:
        found = plans(radiologist, "", level).splitlines()
        assert "study_by_day (site_id=?)" in found[0]
        assert "FOR RIGHT PART OF ORDER BY" in found[-1]

    def test_uids_are_looked_up(self, radiologist: Any) -> None:
        found = plans(radiologist, "SeriesInstanceUID=1.2", Level.INSTANCE)
        assert "series_uid (series_instance_uid=?)" in found
        found = plans(radiologist, "SOPInstanceUID=1.2", Level.INSTANCE)
        assert "(site_id=? AND sop_instance_uid=?)" in found
