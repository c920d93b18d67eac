"""Next unread, assignment by hand and by rules, and what the sweep undoes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from pacs.accounts.models import Membership, Role
from pacs.audit.models import AuditEvent
from pacs.events.models import SiteEvent
from studies.models import AssignmentRule, Priority, ReadingState, Study
from studies.reading import assignment, services, sweeps
from studies.reading.errors import NotAllowed, Refused
from studies.services import arrival
from tests.conftest import person


@pytest.fixture
def colleague(site: Any) -> Any:
    return person("colleague", site, Role.RADIOLOGIST)


@pytest.fixture
def add(site: Any, make_study: Any) -> Any:
    """`add(minutes, ...)`: a quiet study that was received minutes ago."""

    def make(minutes: float, **fields: Any) -> Any:
        received = timezone.now() - timedelta(minutes=minutes)
        fields.setdefault("arrival", "quiet")
        return make_study(fields.pop("site", site), received_at=received, **fields)

    return make


def next_of(who: Any, **options: Any) -> int | None:
    found = services.next_unread(who, **options)
    return found.pk if found else None


class TestNextUnread:
    def test_stat_then_mine_then_the_oldest(
        self, radiologist: Any, colleague: Any, add: Any
    ) -> None:
        young, old = add(5), add(60)
        urgent = add(1, priority=Priority.URGENT)
        mine = add(2, assigned_to=radiologist)
        add(90, assigned_to=colleague)
        stat_young = add(1, priority=Priority.STAT)
        stat_old = add(9, priority=Priority.STAT)
        stat_mine = add(2, priority=Priority.STAT, assigned_to=radiologist)
        stat_others = add(99, priority=Priority.STAT, assigned_to=colleague)
        order = [stat_mine, stat_old, stat_young, stat_others, mine, urgent, old, young]
        assert [next_of(radiologist) for _ in order] == [study.pk for study in order]
        assert next_of(radiologist) is None
        assert Study.objects.filter(reader=radiologist).count() == len(order)

    def test_images_that_still_come_wait_unless_stat(self, radiologist: Any, add: Any) -> None:
        coming = add(60, arrival="receiving")
        quiet = add(1)
        stat = add(1, arrival="receiving", priority=Priority.STAT)
        assert [next_of(radiologist) for _ in range(3)] == [stat.pk, quiet.pk, coming.pk]

    def test_what_others_read_is_passed_over(
        self, radiologist: Any, colleague: Any, add: Any
    ) -> None:
        add(60, reading_state="draft", reader=colleague)
        add(50, reading_state="final")
        assert next_of(radiologist) is None

    def test_after_sites_and_modalities(
        self, radiologist: Any, other_site: Any, add: Any
    ) -> None:
        Membership.objects.create(user=radiologist, site=other_site, role=Role.RADIOLOGIST)
        first, mr, north = add(60), add(50, modalities="MR/SR"), add(40, site=other_site)
        assert next_of(radiologist, modalities=["US"]) is None
        assert next_of(radiologist, sites=[other_site.pk]) == north.pk
        assert next_of(radiologist, after=first.pk) == mr.pk
        assert next_of(radiologist, modalities=["CT"]) == first.pk

    @pytest.mark.parametrize("actor", ["technician", "referrer", "site_admin", "stranger"])
    def test_nothing_for_those_who_do_not_read_here(
        self, request: Any, actor: str, add: Any
    ) -> None:
        study = add(1)
        assert next_of(request.getfixturevalue(actor)) is None
        study.refresh_from_db()
        assert study.reading_state == ReadingState.UNREAD


class TestAssignByHand:
    def test_an_administrator_names_a_radiologist(
        self, site_admin: Any, radiologist: Any, study: Any
    ) -> None:
        assert services.assign(study.pk, radiologist, site_admin).assigned_to == radiologist
        event = AuditEvent.objects.get(action="study.assigned")
        assert (event.actor_name, event.detail) == ("site_admin", {"user": radiologist.pk})
        services.assign(study.pk, radiologist, site_admin)
        assert AuditEvent.objects.filter(action="study.assigned").count() == 1
        assert services.assign(study.pk, None, site_admin).assigned_to is None

    def test_a_radiologist_takes_and_gives_back(
        self, radiologist: Any, colleague: Any, study: Any
    ) -> None:
        services.assign(study.pk, radiologist, radiologist)
        assert services.assign(study.pk, None, radiologist).assigned_to is None
        with pytest.raises(NotAllowed):
            services.assign(study.pk, colleague, radiologist)
        Study.objects.update(assigned_to=colleague)
        with pytest.raises(NotAllowed):
            services.assign(study.pk, None, radiologist)

    def test_not_to_those_who_do_not_read_there(
        self, site_admin: Any, technician: Any, stranger: Any, study: Any
    ) -> None:
        for who in (technician, stranger):
            with pytest.raises(Refused):
                services.assign(study.pk, who, site_admin)
        Study.objects.update(reading_state="final")
        with pytest.raises(Refused):
            services.assign(study.pk, None, site_admin)

    def test_technicians_do_not_assign(self, technician: Any, radiologist: Any, study: Any) -> None:
        with pytest.raises(NotAllowed):
            services.assign(study.pk, radiologist, technician)


@pytest.fixture
def rule(site: Any) -> Any:
    def make(*people: Any, **fields: Any) -> AssignmentRule:
        made = AssignmentRule.objects.create(site=site, name="rule", **fields)
        made.radiologists.set(people)
        return made

    return make


def settle() -> None:
    """Every study's quiet timer has run out, and the sweep has come by."""
    Study.objects.update(quiet_at=timezone.now())
    arrival.settle_quiet()
    sweeps.sweep()


def assigned(study: Any) -> Any:
    study.refresh_from_db()
    return study.assigned_to


class TestRules:
    def test_when_a_study_is_quiet(self, radiologist: Any, study: Any, rule: Any) -> None:
        rule(radiologist, modalities=["CT"])
        sweeps.sweep()
        assert assigned(study) is None  # still receiving
        settle()
        assert assigned(study) == radiologist
        event = AuditEvent.objects.get(action="study.assigned")
        assert event.detail["user"] == radiologist.pk
        settle()
        assert AuditEvent.objects.filter(action="study.assigned").count() == 1

    def test_when_a_person_says_complete(
        self, radiologist: Any, technician: Any, study: Any, rule: Any
    ) -> None:
        rule(radiologist)
        arrival.mark_complete(study.pk, technician)
        sweeps.sweep()
        assert assigned(study) == radiologist

    @pytest.mark.parametrize(
        ("fields", "fit"),
        [
            ({"modalities": ["CT"]}, True),
            ({"modalities": ["MR"]}, False),
            ({"body_parts": ["chest"]}, True),
            ({"body_parts": ["KNEE", "thorax"]}, True),  # in the description
            ({"body_parts": ["KNEE"]}, False),
            ({"words": ["angio"]}, True),
            ({"words": ["cardiac"]}, False),
            ({"modalities": ["CT"], "body_parts": ["KNEE"], "words": ["angio"]}, False),
            ({"is_enabled": False}, False),
        ],
    )
    def test_what_a_rule_is_about(
        self, radiologist: Any, site: Any, make_study: Any, rule: Any, fields: Any, fit: bool
    ) -> None:
        study = make_study(
            site,
            modalities="CT/SR",
            body_part_examined="CHEST",
            study_description="Thorax ANGIO",
        )
        rule(radiologist, **fields)
        settle()
        assert assigned(study) == (radiologist if fit else None)

    def test_the_first_that_fits_decides(
        self, radiologist: Any, colleague: Any, study: Any, rule: Any
    ) -> None:
        rule(radiologist, position=20)
        rule(colleague, position=10, modalities=["CT"])
        settle()
        assert assigned(study) == colleague

    def test_least_load_and_limit(
        self, radiologist: Any, colleague: Any, site: Any, make_study: Any, rule: Any
    ) -> None:
        rule(radiologist, colleague, max_open=2)
        make_study(site, assigned_to=colleague)
        make_study(site, assigned_to=colleague, reading_state="final")
        studies = [make_study(site) for _ in range(4)]
        settle()
        people = [assigned(study) for study in studies]
        assert (people.count(radiologist), people.count(colleague)) == (2, 1)
        assert people[3] is None
        # Room again: the one that waits is assigned.
        Study.objects.filter(assigned_to=radiologist).update(reading_state="final")
        sweeps.sweep()
        assert assigned(studies[3]) == radiologist

    def test_what_a_person_settled_stays(
        self, radiologist: Any, site_admin: Any, study: Any, rule: Any
    ) -> None:
        rule(radiologist)
        services.assign(study.pk, None, site_admin)
        settle()
        assignment.rules_changed(study.site_id)
        sweeps.sweep()
        assert assigned(study) is None

    def test_a_new_rule_is_about_those_that_wait(
        self, radiologist: Any, study: Any, rule: Any
    ) -> None:
        settle()
        rule(radiologist)
        assignment.rules_changed(study.site_id)
        sweeps.sweep()
        assert assigned(study) == radiologist

    def test_what_is_read_already_is_left(
        self, radiologist: Any, colleague: Any, study: Any, rule: Any
    ) -> None:
        rule(radiologist)
        services.claim(study.pk, colleague)
        Study.objects.update(assignment="due")
        sweeps.sweep()
        assert assigned(study) is None
        assert study.assignment == "done"

    def test_only_people_who_read_there(
        self, radiologist: Any, technician: Any, stranger: Any, study: Any, rule: Any
    ) -> None:
        rule(technician, stranger)
        settle()
        assert assigned(study) is None


class TestSweep:
    def claimed(self, study: Any, who: Any, minutes: float) -> None:
        services.claim(study.pk, who)
        Study.objects.filter(pk=study.pk).update(
            reader_seen_at=timezone.now() - timedelta(minutes=minutes)
        )

    def test_idle_claims_are_released(self, radiologist: Any, study: Any) -> None:
        self.claimed(study, radiologist, 59)
        sweeps.sweep()
        study.refresh_from_db()
        assert study.reader == radiologist
        self.claimed(study, radiologist, 61)
        sweeps.sweep()
        study.refresh_from_db()
        assert (study.reading_state, study.reader) == ("unread", None)
        event = AuditEvent.objects.get(action="study.released")
        assert event.detail == {"reader": radiologist.pk, "why": "idle"}
        (notice,) = SiteEvent.objects.filter(type="reading.lost")
        assert notice.extra == {"former": radiologist.pk}

    def test_not_drafts_and_not_where_the_site_says_never(
        self, radiologist: Any, site: Any, make_study: Any
    ) -> None:
        draft, kept = make_study(site), make_study(site)
        self.claimed(draft, radiologist, 600)
        services.move(draft.pk, "draft", actor=radiologist)
        self.claimed(kept, radiologist, 600)
        site.auto_release_minutes = 0
        site.save()
        sweeps.sweep()
        assert Study.objects.filter(reader=radiologist).count() == 2

    @pytest.mark.parametrize("how", ["role", "account"])
    def test_who_reads_there_no_more_keeps_no_claim(
        self, radiologist: Any, colleague: Any, site: Any, make_study: Any, how: str
    ) -> None:
        claimed, draft, given = (make_study(site) for _ in range(3))
        others = make_study(site)
        services.claim(claimed.pk, radiologist)
        services.claim(draft.pk, radiologist)
        services.move(draft.pk, "draft", actor=radiologist)
        services.claim(others.pk, colleague)
        Study.objects.filter(pk=given.pk).update(assigned_to=radiologist)
        if how == "role":
            Membership.objects.filter(user=radiologist).delete()
        else:
            radiologist.is_active = False
            radiologist.save()
        sweeps.sweep()
        states = dict(Study.objects.values_list("pk", "reading_state"))
        assert states[claimed.pk] == "unread"
        assert states[draft.pk] == "draft"
        assert states[others.pk] == "claimed"
        assert assigned(given) is None
        assert services.take_over(draft.pk, colleague).reader == colleague
