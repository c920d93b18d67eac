"""Claims: who may, what follows, and that of many at once exactly one wins."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from pacs.accounts.models import Membership, Role, User
from pacs.audit.models import AuditEvent
from pacs.events.models import SiteEvent
from studies.models import ReadingState, Study
from studies.reading import services
from studies.reading.errors import AlreadyClaimed, NotAllowed, Refused
from studies.reading.states import ALLOWED
from tests.conftest import person

AT_ONCE = 50


@pytest.fixture
def colleague(site: Any) -> Any:
    return person("colleague", site, Role.RADIOLOGIST, first_name="Bo", last_name="Second")


def events_of(study: Any, kind: str = "study.changed") -> list[dict[str, Any]]:
    return [e.message() for e in SiteEvent.objects.filter(study_id=study.pk, type=kind)]


class TestClaim:
    def test_unread_becomes_claimed_with_trail_and_event(
        self, radiologist: Any, study: Any
    ) -> None:
        before = timezone.now()
        claimed = services.claim(study.pk, radiologist, address="10.0.0.1", session_key="s")
        assert (claimed.reading_state, claimed.reader) == ("claimed", radiologist)
        assert claimed.claimed_at >= before
        event = AuditEvent.objects.get(action="study.claimed")
        assert (event.actor_name, event.study_id, event.address) == (
            "radiologist",
            study.pk,
            "10.0.0.1",
        )
        assert len(events_of(study)) == 1

    def test_the_same_person_again_changes_nothing(self, radiologist: Any, study: Any) -> None:
        first = services.claim(study.pk, radiologist)
        again = services.claim(study.pk, radiologist)
        assert again.claimed_at == first.claimed_at
        assert again.reader_seen_at > first.reader_seen_at
        assert AuditEvent.objects.filter(action="study.claimed").count() == 1

    def test_a_second_reader_is_told_who_reads(
        self, radiologist: Any, colleague: Any, study: Any
    ) -> None:
        services.claim(study.pk, colleague)
        with pytest.raises(AlreadyClaimed, match="Bo Second is reading") as caught:
            services.claim(study.pk, radiologist)
        assert caught.value.reader == colleague

    @pytest.mark.parametrize("state", ["final", "addended"])
    def test_what_is_read_cannot_be_claimed(
        self, radiologist: Any, site: Any, make_study: Any, state: str
    ) -> None:
        with pytest.raises(Refused):
            services.claim(make_study(site, reading_state=state).pk, radiologist)

    @pytest.mark.parametrize("actor", ["technician", "site_admin", "admin"])
    def test_only_radiologists_read(self, request: Any, actor: str, study: Any) -> None:
        who = request.getfixturevalue(actor)
        for ask in (services.claim, services.take_over):
            with pytest.raises(NotAllowed):
                ask(study.pk, who)
        assert Study.objects.get().reading_state == ReadingState.UNREAD

    def test_strangers_see_no_study(self, stranger: Any, study: Any) -> None:
        for ask in (services.claim, services.take_over, services.release):
            with pytest.raises(Study.DoesNotExist):
                ask(study.pk, stranger)


class TestRelease:
    def test_back_to_unread(self, radiologist: Any, study: Any) -> None:
        services.claim(study.pk, radiologist)
        released = services.release(study.pk, radiologist)
        assert (released.reading_state, released.reader, released.claimed_at) == (
            "unread",
            None,
            None,
        )
        assert services.release(study.pk, radiologist).reading_state == "unread"
        assert AuditEvent.objects.filter(action="study.released").count() == 1
        assert not events_of(study, "reading.lost")

    def test_not_another_persons(self, radiologist: Any, colleague: Any, study: Any) -> None:
        services.claim(study.pk, colleague)
        with pytest.raises(NotAllowed):
            services.release(study.pk, radiologist)
        assert Study.objects.get().reader == colleague

    def test_administrators_release_and_the_reader_is_told(
        self, radiologist: Any, site_admin: Any, study: Any
    ) -> None:
        services.claim(study.pk, radiologist)
        assert services.release(study.pk, site_admin).reader is None
        assert [e["former"] for e in events_of(study, "reading.lost")] == [radiologist.pk]

    def test_a_draft_is_not_released(self, radiologist: Any, study: Any) -> None:
        services.claim(study.pk, radiologist)
        services.move(study.pk, "draft", actor=radiologist)
        with pytest.raises(Refused, match="draft"):
            services.release(study.pk, radiologist)


class TestTakeOver:
    @pytest.mark.parametrize("state", ["claimed", "draft", "preliminary"])
    def test_the_state_stays_and_the_former_reader_is_told(
        self, radiologist: Any, colleague: Any, study: Any, state: str
    ) -> None:
        Study.objects.update(reading_state=state, reader=radiologist)
        taken = services.take_over(study.pk, colleague)
        assert (taken.reading_state, taken.reader) == (state, colleague)
        (notice,) = events_of(study, "reading.lost")
        assert notice["former"] == radiologist.pk
        event = AuditEvent.objects.get(action="study.taken_over")
        assert event.detail == {"from": radiologist.pk}

    def test_one_s_own_and_an_unread_one(self, radiologist: Any, study: Any) -> None:
        assert services.take_over(study.pk, radiologist).reading_state == "claimed"
        services.take_over(study.pk, radiologist)
        assert not events_of(study, "reading.lost")
        assert not AuditEvent.objects.filter(action="study.taken_over").exists()

    def test_what_is_read_is_nobody_s(self, colleague: Any, study: Any) -> None:
        Study.objects.update(reading_state="final")
        with pytest.raises(Refused):
            services.take_over(study.pk, colleague)

    def test_seen_keeps_only_one_s_own(self, radiologist: Any, colleague: Any, study: Any) -> None:
        services.claim(study.pk, radiologist)
        assert services.seen(study.pk, radiologist)
        services.take_over(study.pk, colleague)
        assert not services.seen(study.pk, radiologist)


class TestMove:
    WAY = ("claimed", "draft", "preliminary", "final", "addended", "unread")

    def test_the_way_of_a_report(self, radiologist: Any, study: Any) -> None:
        for to in self.WAY:
            reader = radiologist if to == "claimed" else services.UNCHANGED
            moved = services.move(study.pk, to, actor=radiologist, reader=reader)
            assert moved.reading_state == to
            assert moved.reader == (None if to == "unread" else radiologist)
        found = AuditEvent.objects.filter(action="study.reading").order_by("id")
        assert [event.detail["to"] for event in found] == list(self.WAY)
        assert len(events_of(study)) == len(self.WAY)

    def test_the_same_state_is_no_change(self, radiologist: Any, study: Any) -> None:
        services.move(study.pk, "unread", actor=radiologist)
        assert not AuditEvent.objects.filter(action="study.reading").exists()

    @pytest.mark.parametrize("state", ReadingState.values)
    def test_nothing_else_is_allowed(self, radiologist: Any, study: Any, state: str) -> None:
        for to in set(ReadingState.values) - {state, *ALLOWED[state]}:
            Study.objects.update(reading_state=state)
            with pytest.raises(Refused):
                services.move(study.pk, to, actor=radiologist)
            assert Study.objects.get().reading_state == state

    def test_no_such_state(self, radiologist: Any, study: Any) -> None:
        with pytest.raises(ValueError, match="nonsense"):
            services.move(study.pk, "nonsense", actor=radiologist)


def at_once(people: list[Any], act: Any) -> list[Any]:
    """What each got; an AlreadyClaimed is an answer as well."""
    barrier = Barrier(len(people))

    def one(who: Any) -> Any:
        try:
            barrier.wait(30)
            return act(who)
        except (AlreadyClaimed, Refused) as error:
            return error
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(people)) as pool:
        return list(pool.map(one, people))


@pytest.mark.django_db(transaction=True)
class TestRace:
    """On SQLite as a file, as the portal runs it; test_reading_postgres has the other database."""

    @pytest.fixture
    def people(self, site: Any) -> list[Any]:
        # Nobody logs in: a password each would take longer than the race.
        found = User.objects.bulk_create(User(username=f"reader{n}") for n in range(AT_ONCE))
        Membership.objects.bulk_create(
            Membership(user=user, site=site, role=Role.RADIOLOGIST) for user in found
        )
        return found

    def test_fifty_claim_one_study(self, people: list[Any], study: Any) -> None:
        results = at_once(people, lambda who: services.claim(study.pk, who))
        winners = [each for each in results if isinstance(each, Study)]
        assert len(winners) == 1
        assert sum(isinstance(each, AlreadyClaimed) for each in results) == AT_ONCE - 1
        assert Study.objects.get().reader_id == winners[0].reader_id
        assert AuditEvent.objects.filter(action="study.claimed").count() == 1

    def test_many_ask_for_the_next(self, people: list[Any], site: Any, make_study: Any) -> None:
        for _ in range(10):
            make_study(site)
        some = people[:20]
        results = at_once(some, services.next_unread)
        got = [each.pk for each in results if each is not None]
        assert len(got) == len(set(got)) == 10
        assert Study.objects.filter(reading_state="claimed").count() == 10

    def test_two_take_over_at_once(self, people: list[Any], study: Any) -> None:
        services.claim(study.pk, people[0])
        results = at_once(people[1:9], lambda who: services.take_over(study.pk, who))
        # Each that won took it from the one before: the trail is one chain.
        won = [each for each in results if isinstance(each, Study)]
        trail = AuditEvent.objects.filter(action="study.taken_over").order_by("id")
        assert len(trail) == len(won) >= 1
        readers = [people[0].pk, *[event.actor_id for event in trail]]
        assert [event.detail["from"] for event in trail] == readers[:-1]
        assert Study.objects.get().reader_id == readers[-1]
