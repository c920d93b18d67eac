"""Every address of the URLconf for every actor, and what of it is audited, as `declared` says."""

from __future__ import annotations

from typing import Any

import pytest

from pacs.accounts.models import Site
from tests.access import declared
from tests.access.addresses import BODIES, QUERIES, filled, spelled
from tests.access.world import ACTORS, World, ask, build, routes

pytestmark = pytest.mark.django_db
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
REASONS = {"(none)", "(session)", "(part)", "(leads)", "(nothing)", "(refused)"}
ADMIN_LOGIN = "admin/login/"
# These answer 405 to a GET before they look who asks.
ADMIN_POSTS = {"admin/logout/", "admin/reports/reporttemplate/<int:pk>/copy/"}


@pytest.fixture
def world(site: Site, other_site: Site, make_study: Any) -> World:
    return build(site, other_site, make_study(site, accession_number="A9"))


def application() -> dict[tuple[str, str], tuple[list[int], str]]:
    """(method, address) -> statuses and audit."""
    found = {}
    for line in declared.APPLICATION.strip().splitlines():
        head, statuses, audited = (part.strip() for part in line.split(" | "))
        method, route = head.split(None, 1)
        key = method, "" if route == "/" else route
        assert key not in found, f"declared twice: {line}"
        found[key] = [int(each) for each in statuses.split()], audited
    return found


def admin() -> dict[str, tuple[list[int], str]]:
    """Address -> statuses of site administrator and superuser, and audit."""
    found = {}
    for line in declared.ADMIN.strip().splitlines():
        route, statuses, audited = (part.strip() for part in line.rsplit(" | ", 2))
        found[route] = [int(each) for each in statuses.split()], audited
    return found


def addresses() -> set[str]:
    return {one for route, _ in routes() for one in spelled(route)}


def rest_methods() -> dict[str, set[str]]:
    """What the REST views have a handler for: the rest is 405 by Django REST framework."""
    return {
        route: {method for method in METHODS if hasattr(pattern.callback.cls, method.lower())}
        for route, pattern in routes()
        if hasattr(pattern.callback, "cls")
    }


def allowed(actor: str, status: int) -> bool:
    return status < 400 and not (actor == "anonymous" and status == 302)


def wrong(line: str, expected: Any, seen: Any) -> list[str]:
    return [] if expected == seen else [f"{line}: declared {expected}, is {seen}"]


def test_every_address_is_declared() -> None:
    known = {route for _, route in application()} | set(admin())
    assert addresses() - known == set(), "declare who gets what in tests/access/declared.py"
    assert known - addresses() == set(), "declared, but there is no such address"


def test_every_audit_is_events_or_a_known_exemption() -> None:
    for statuses, audited in [*application().values(), *admin().values()]:
        assert audited in REASONS or "(" not in audited
        if audited == "(refused)":
            assert all(status >= 300 for status in statuses)
    assert tuple(declared.ACTORS.split()) == ACTORS
    spellings = {f"{method} {route}" for method, route in application()}
    assert set(BODIES) <= spellings
    assert set(QUERIES) <= addresses()


def test_application(world: World) -> None:
    rows, faults, handled = application(), [], rest_methods()
    for route in sorted(each for each in addresses() if not each.startswith("admin/")):
        path = filled(route, world.values)
        for method in METHODS:
            line = f"{method} {route}"
            if (method, route) not in rows:
                if method not in handled.get(route, METHODS):
                    continue
                status = ask(world.sessions["admin"], method, path)[0]
                faults += wrong(f"{line}, which is not declared,", 405, status)
                continue
            expected, audited = rows[method, route]
            body = BODIES[line](world.values) if line in BODIES else None
            answers = [ask(world.sessions[actor], method, path, body) for actor in ACTORS]
            faults += wrong(line, expected, [status for status, _ in answers])
            done = next(
                (
                    events
                    for actor, (status, events) in zip(ACTORS, answers, strict=True)
                    if allowed(actor, status)
                ),
                [],
            )
            faults += wrong(f"{line}, audit", [] if "(" in audited else audited.split(), done)
    assert not faults, "\n".join(faults)


def test_admin(world: World) -> None:
    faults = []
    for route, (expected, audited) in admin().items():
        path = filled(route, world.values)
        answers = {actor: ask(world.sessions[actor], "GET", path) for actor in ACTORS}
        staff = [answers.pop(actor) for actor in ("site_admin", "admin")]
        faults += wrong(route, expected, [status for status, _ in staff])
        faults += wrong(f"{route}, audit", [] if "(" in audited else audited.split(), staff[0][1])
        for actor, (status, events) in answers.items():
            if route in ADMIN_POSTS:
                continue
            refused = 403 if route == ADMIN_LOGIN and actor != "anonymous" else 302
            faults += wrong(f"{route} for {actor}", (refused, []), (status, events))
    assert not faults, "\n".join(faults)


def test_a_new_address_has_to_be_declared(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check itself can fail."""
    line = next(each for each in declared.APPLICATION.splitlines() if "status/" in each)
    monkeypatch.setattr(declared, "APPLICATION", declared.APPLICATION.replace(f"{line}\n", ""))
    with pytest.raises(AssertionError, match=r"declare who gets what"):
        test_every_address_is_declared()
