"""Rules, turnarounds and auto-release in the admin: each site's by its administrators."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from pacs.audit.models import AuditEvent
from studies.models import AssignmentRule, Study, Turnaround

RULES = "admin:studies_assignmentrule"
CLOCKS = "admin:studies_turnaround"


@pytest.fixture
def client_of(logged_in: Any, site_admin: Any) -> Any:
    return logged_in(site_admin)


def rule_of(site: Any, *people: Any, **fields: Any) -> dict[str, Any]:
    return {
        "site": site.pk,
        "name": "Neuro",
        "position": 10,
        "is_enabled": "on",
        "modalities": "ct, MR",
        "body_parts": "",
        "words": "head, brain , ",
        "radiologists": [person.pk for person in people],
        "max_open": 0,
        **fields,
    }


def test_a_rule_in_words(client_of: Any, site: Any, radiologist: Any, make_study: Any) -> None:
    study = make_study(site, arrival="quiet")
    answer = client_of.post(reverse(f"{RULES}_add"), rule_of(site, radiologist))
    assert answer.status_code == 302, answer.context["errors"]
    rule = AssignmentRule.objects.get()
    assert (rule.modalities, rule.body_parts, rule.words) == (["CT", "MR"], [], ["head", "brain"])
    assert list(rule.radiologists.all()) == [radiologist]
    assert AuditEvent.objects.filter(action="admin.assignmentrule.added", site_id=site.pk).exists()
    assert Study.objects.get(pk=study.pk).assignment == "due"
    page = client_of.get(reverse(f"{RULES}_change", args=[rule.pk])).content.decode()
    assert 'value="head, brain"' in page


@pytest.mark.parametrize(
    "fields", [{"words": "x" * 65}, {"words": ",".join(map(str, range(41)))}, {"position": "a"}]
)
def test_what_makes_no_sense(client_of: Any, site: Any, radiologist: Any, fields: Any) -> None:
    answer = client_of.post(reverse(f"{RULES}_add"), rule_of(site, radiologist, **fields))
    assert answer.status_code == 200
    assert not AssignmentRule.objects.exists()


def test_only_radiologists_of_the_site(
    client_of: Any, logged_in: Any, admin: Any, site: Any, technician: Any, stranger: Any
) -> None:
    for who in (technician, stranger):
        for client in (client_of, logged_in(admin)):
            answer = client.post(reverse(f"{RULES}_add"), rule_of(site, who))
            assert answer.status_code == 200
    assert not AssignmentRule.objects.exists()


def test_another_site_s_do_not_exist(
    client_of: Any, other_site: Any, stranger: Any, site: Any
) -> None:
    theirs = AssignmentRule.objects.create(site=other_site, name="theirs")
    clock = Turnaround.objects.create(site=other_site, priority=0, minutes=5)
    for name, pk in ((RULES, theirs.pk), (CLOCKS, clock.pk)):
        assert client_of.get(reverse(f"{name}_change", args=[pk])).status_code == 302
        assert client_of.get(reverse(f"{name}_change", args=[pk]))["Location"] == reverse(
            "admin:index"
        )
    assert client_of.post(reverse(f"{RULES}_add"), rule_of(other_site)).status_code == 200
    made = {"site": other_site.pk, "priority": 1, "minutes": 9}
    assert client_of.post(reverse(f"{CLOCKS}_add"), made).status_code == 200
    assert (AssignmentRule.objects.count(), Turnaround.objects.count()) == (1, 1)


def test_turnarounds_and_auto_release(client_of: Any, site: Any) -> None:
    made = {"site": site.pk, "priority": 0, "minutes": 30}
    assert client_of.post(reverse(f"{CLOCKS}_add"), made).status_code == 302
    assert Turnaround.objects.get().minutes == 30
    assert client_of.post(reverse(f"{CLOCKS}_add"), made | {"minutes": 0}).status_code == 200
    answer = client_of.post(
        reverse("admin:accounts_site_change", args=[site.pk]),
        {"name": site.name, "timezone": "UTC", "quiet_seconds": "", "auto_release_minutes": 15},
    )
    assert answer.status_code == 302
    site.refresh_from_db()
    assert site.auto_release_minutes == 15


@pytest.mark.parametrize("actor", ["radiologist", "technician", "referrer"])
def test_others_do_not_reach_it(request: Any, logged_in: Any, actor: str, site: Any) -> None:
    client = logged_in(request.getfixturevalue(actor))
    for name in (RULES, CLOCKS):
        assert client.get(reverse(f"{name}_add"), follow=True).status_code == 403
