"""Which deliveries a signed version makes: rules, newer versions, withdrawals."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction

from pacs.accounts.models import User
from pacs.audit.models import AuditEvent
from reports.delivery import planning, registry
from reports.delivery.models import Delivery, DeliveryPlace, DeliveryRule, DeliveryState
from reports.delivery.registry import Base, Outcome, Target
from reports.models import Report
from studies.models import OrthancServer, StudyGrant
from tests.conftest import person
from tests.reports.factories_delivery import sign

pytestmark = pytest.mark.django_db


class Paper(Base):
    """As a printer is: nothing newer takes the place of what waits; cannot be called back."""

    title = "Paper"
    follows_versions = False
    recall_words = "Collect it by hand."
    taken_back = True

    def describe(self, site_id: int, data: dict[str, Any]) -> Target:
        return Target("Ward", data, "ward", "Ward")

    def deliver(self, delivery: Delivery) -> Outcome:
        return Outcome(is_done=False, reference="7", progress="Queued")

    def cancel(self, delivery: Delivery) -> bool:
        return self.taken_back


@pytest.fixture
def paper(monkeypatch: pytest.MonkeyPatch) -> Paper:
    transport = Paper()
    monkeypatch.setitem(registry._transports, "paper", transport)
    return transport


@pytest.fixture
def orthanc(site: Any) -> OrthancServer:
    return OrthancServer.objects.create(
        site=site, slug="main", name="Main", base_url="http://127.0.0.1:9"
    )


def rule(site: Any, transport: str, target: Any, **fields: Any) -> DeliveryRule:
    name = f"{transport} {DeliveryRule.objects.count()}"
    return DeliveryRule.objects.create(
        site=site, name=name, transport=transport, target=target, **fields
    )


def rows() -> list[tuple[int, str, str, bool]]:
    return [
        (each.version.number, each.transport, each.state, each.is_recall)
        for each in Delivery.objects.order_by("id").select_related("version")
    ]


def set_all(**fields: Any) -> None:
    Delivery.objects.update(**fields)


def test_rules_of_the_site_modality_and_kind(
    study: Any, radiologist: User, other_site: Any, orthanc: OrthancServer
) -> None:
    target = {"server": orthanc.pk}
    rule(study.site, "orthanc", target)
    rule(study.site, "orthanc", {"server": 10**6}, modalities=["MR"])
    rule(study.site, "orthanc", {"server": 10**6}, is_enabled=False)
    rule(other_site, "orthanc", {"server": 10**6})
    sign(study, radiologist, "preliminary")
    assert rows() == []
    final = sign(study, radiologist, "final")
    assert rows() == [(2, "orthanc", "queued", False)]
    delivery = Delivery.objects.get()
    assert (delivery.label, delivery.place.name) == ("Main", "Main")
    assert delivery.requester == radiologist
    assert delivery.site == study.site
    event = AuditEvent.objects.get(action="delivery.requested")
    assert event.detail["delivery"] == delivery.pk
    assert event.study_id == study.pk
    planning.plan(final)
    assert len(rows()) == 1


def test_signing_that_fails_leaves_nothing(
    study: Any, radiologist: User, orthanc: OrthancServer
) -> None:
    rule(study.site, "orthanc", {"server": orthanc.pk})
    with transaction.atomic():
        sign(study, radiologist)
        transaction.set_rollback(True)
    assert rows() == []


def test_a_place_that_is_gone_is_seen_and_stops_no_signature(study: Any, radiologist: User) -> None:
    rule(study.site, "orthanc", {"server": 10**6})
    rule(study.site, "carrier-pigeon", {})
    sign(study, radiologist)
    assert [state for _, _, state, _ in rows()] == ["failed", "failed"]
    assert [each.last_error for each in Delivery.objects.order_by("id")] == [
        "This way of delivery is no longer there.",
        "This Orthanc is no longer one of the site's.",
    ]


def test_another_sites_orthanc_is_no_target(study: Any, other_site: Any, radiologist: User) -> None:
    server = OrthancServer.objects.create(
        site=other_site, slug="north", name="North", base_url="http://127.0.0.1:9"
    )
    rule(study.site, "orthanc", {"server": server.pk})
    sign(study, radiologist)
    assert rows() == [(1, "orthanc", "failed", False)]


def test_the_newer_version_goes_instead_of_the_one_that_waits(
    study: Any, radiologist: User, orthanc: OrthancServer, paper: Paper
) -> None:
    """Also where no rule speaks of addenda: a machine that waits gets the newest. Paper does not:
    nothing is printed by surprise."""
    rule(study.site, "orthanc", {"server": orthanc.pk}, on_addendum=False)
    rule(study.site, "paper", {}, on_addendum=False)
    sign(study, radiologist)
    sign(study, radiologist, "addendum")
    assert rows() == [
        (1, "orthanc", "cancelled", False),
        (1, "paper", "cancelled", False),
        (2, "orthanc", "queued", False),
    ]
    assert Delivery.objects.filter(state="cancelled").first().last_error == planning.SUPERSEDED  # type: ignore[union-attr]


def test_what_is_done_stays_done(study: Any, radiologist: User, orthanc: OrthancServer) -> None:
    rule(study.site, "orthanc", {"server": orthanc.pk}, on_addendum=False)
    sign(study, radiologist)
    set_all(state=DeliveryState.DONE, may_have_arrived=True)
    sign(study, radiologist, "addendum")
    assert rows() == [(1, "orthanc", "done", False)]


def test_withdrawal_recalls_from_who_got_it(
    study: Any, radiologist: User, orthanc: OrthancServer, paper: Paper
) -> None:
    rule(study.site, "orthanc", {"server": orthanc.pk})
    rule(study.site, "paper", {})
    sign(study, radiologist)
    set_all(state=DeliveryState.DONE, may_have_arrived=True)
    sign(study, radiologist, "addendum")
    sign(study, radiologist, "withdrawal")
    assert rows() == [
        (1, "orthanc", "done", False),
        (1, "paper", "done", False),
        (2, "orthanc", "cancelled", False),
        (2, "paper", "cancelled", False),
        (3, "orthanc", "queued", True),
        (3, "paper", "failed", True),
    ]
    assert Delivery.objects.get(transport="paper", is_recall=True).last_error == (
        "Collect it by hand."
    )


def test_withdrawal_recalls_nothing_that_never_left(
    study: Any, radiologist: User, orthanc: OrthancServer
) -> None:
    rule(study.site, "orthanc", {"server": orthanc.pk})
    sign(study, radiologist)
    sign(study, radiologist, "withdrawal")
    assert rows() == [(1, "orthanc", "cancelled", False)]
    assert Delivery.objects.get().last_error == planning.WITHDRAWN


@pytest.mark.parametrize(
    ("fields", "recalled"),
    [
        ({"state": "sending"}, True),
        ({"state": "failed", "may_have_arrived": True}, True),
        ({"state": "failed", "may_have_arrived": False}, False),
        ({"state": "cancelled", "may_have_arrived": True}, True),
    ],
)
def test_withdrawal_recalls_what_may_have_arrived(
    study: Any, radiologist: User, orthanc: OrthancServer, fields: dict[str, Any], recalled: bool
) -> None:
    rule(study.site, "orthanc", {"server": orthanc.pk})
    sign(study, radiologist)
    set_all(**fields)
    sign(study, radiologist, "withdrawal")
    assert Delivery.objects.filter(is_recall=True).exists() is recalled


@pytest.mark.parametrize("taken_back", [True, False])
def test_withdrawal_of_what_somebody_else_has(
    study: Any, radiologist: User, paper: Paper, taken_back: bool
) -> None:
    paper.taken_back = taken_back
    rule(study.site, "paper", {})
    sign(study, radiologist)
    set_all(state=DeliveryState.HANDED_OVER, reference="7")
    sign(study, radiologist, "withdrawal")
    assert Delivery.objects.filter(is_recall=True).exists() is not taken_back


def test_email_goes_to_referrers_who_may_see_the_study(
    study: Any, radiologist: User, site: Any
) -> None:
    reader = person("reader", site, "referrer", email="reader@example.org")
    person("silent", site, "referrer")
    person("without", site, "referrer", email="without@example.org")
    StudyGrant.objects.create(study=study, user=reader, granted_by=radiologist)
    rule(site, "email", {"to": "granted"}, on_preliminary=True)
    sign(study, radiologist, "preliminary")
    assert rows() == []
    sign(study, radiologist)
    assert [each.target for each in Delivery.objects.all()] == [{"user": reader.pk}]
    assert DeliveryPlace.objects.get().key == "mail"


@pytest.mark.parametrize(
    ("name", "granted"),
    [
        ("MÜLLER^Jürgen", True),
        ("Muller^Juergen", False),
        ("MÜLLER", False),
        ("", False),
        ("MÜLLER^Hans", False),
    ],
)
def test_access_for_the_referring_physician_is_an_option_of_the_rule(
    make_study: Any, radiologist: User, site: Any, other_site: Any, name: str, granted: bool
) -> None:
    study = make_study(site, referring_physician_name=name)
    names = {"first_name": "Jürgen", "last_name": "Müller"}
    doctor = person("mueller", site, "referrer", email="m@example.org", **names)
    person("elsewhere", other_site, "referrer", email="e@example.org", **names)
    rule(site, "email", {"to": "referring"})
    sign(study, radiologist)
    assert StudyGrant.objects.filter(study=study, user=doctor).exists() is granted
    assert Delivery.objects.exists() is granted
    assert (
        AuditEvent.objects.filter(action="grant.added", actor_id=radiologist.pk).exists() is granted
    )


def test_two_of_the_same_name_are_given_nothing(
    make_study: Any, radiologist: User, site: Any
) -> None:
    study = make_study(site, referring_physician_name="Smith^Ann")
    for username in ("smith1", "smith2"):
        person(
            username,
            site,
            "referrer",
            email=f"{username}@example.org",
            first_name="Ann",
            last_name="Smith",
        )
    rule(site, "email", {"to": "referring"})
    sign(study, radiologist)
    assert not StudyGrant.objects.exists()
    assert Report.objects.get().state == "final"
