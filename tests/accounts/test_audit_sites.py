"""Logins in the trails of site administrators: of people who work at their sites only."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from pacs.accounts.models import Membership, Role, Site, User
from pacs.audit.models import AuditEvent
from tests.conftest import PASSWORD, person


def log_in(username: str, password: str = PASSWORD) -> Client:
    client = Client()
    client.post(reverse("login"), {"username": username, "password": password})
    return client


def seen(client: Client) -> set[tuple[str, str, str]]:
    """Action, outcome and name of every event on the trail's page."""
    page = client.get(reverse("admin:audit_auditevent_changelist"))
    assert page.status_code == 200
    return {(one.action, one.outcome, one.actor_name) for one in page.context["cl"].result_list}


@pytest.fixture
def at_both(site: Site, other_site: Site) -> User:
    """A radiologist of both sites."""
    user = person("both", site, Role.RADIOLOGIST)
    Membership.objects.create(user=user, site=other_site, role=Role.RADIOLOGIST)
    return user


@pytest.fixture
def theirs(site_admin: User, logged_in: Callable[[User], Client]) -> Client:
    return logged_in(site_admin)


@pytest.fixture
def of_the_other(other_site: Site, logged_in: Callable[[User], Client]) -> Client:
    return logged_in(person("north_admin", other_site, Role.SITE_ADMIN, is_staff=True))


@pytest.fixture
def of_both(site: Site, other_site: Site, logged_in: Callable[[User], Client]) -> Client:
    user = person("wide_admin", site, Role.SITE_ADMIN, is_staff=True)
    Membership.objects.create(user=user, site=other_site, role=Role.SITE_ADMIN)
    return logged_in(user)


def test_login_logout_failure_of_somebody_of_one_site(
    radiologist: User, site: Site, theirs: Client, of_the_other: Client
) -> None:
    log_in("radiologist").post(reverse("logout"))
    log_in("radiologist", "wrong")
    wanted = {
        ("login", "ok", "radiologist"),
        ("logout", "ok", "radiologist"),
        ("login", "refused", "radiologist"),
    }
    assert wanted <= seen(theirs)
    assert not wanted & seen(of_the_other)
    assert set(
        AuditEvent.objects.filter(actor_id=radiologist.pk).values_list("site_id", flat=True)
    ) == {site.pk}


def test_a_locked_account(radiologist: User, theirs: Client, of_the_other: Client) -> None:
    for _ in range(5):
        log_in("radiologist", "wrong")
    locked = ("login.locked", "refused", "radiologist")
    assert locked in seen(theirs)
    assert locked not in seen(of_the_other)


def test_somebody_of_two_sites(
    at_both: User, theirs: Client, of_the_other: Client, of_both: Client
) -> None:
    """Neither site learns when the person works for the other; who administers both sees it."""
    log_in("both").post(reverse("logout"))
    wanted = {("login", "ok", "both"), ("logout", "ok", "both")}
    assert not wanted & seen(theirs)
    assert not wanted & seen(of_the_other)
    assert wanted <= seen(of_both)
    event = AuditEvent.objects.get(action="logout")
    view = reverse("admin:audit_auditevent_change", args=[event.pk])
    assert of_both.get(view).status_code == 200
    assert theirs.get(view).status_code == 302


def test_superusers_and_unknown_names_stay_with_superusers(
    admin: User, site: Site, theirs: Client, logged_in: Callable[[User], Client]
) -> None:
    Membership.objects.create(user=admin, site=site, role=Role.RADIOLOGIST)
    log_in("admin")
    log_in("nobody-of-that-name", "wrong")
    hidden = {("login", "ok", "admin"), ("login", "refused", "")}
    assert not hidden & seen(theirs)
    assert hidden <= seen(logged_in(admin))


def test_other_events_without_a_site_are_not_opened(
    radiologist: User, theirs: Client, at_both: User
) -> None:
    AuditEvent.objects.create(
        action="worklist.opened", actor_id=radiologist.pk, actor_name="radiologist"
    )
    assert ("worklist.opened", "ok", "radiologist") not in seen(theirs)
