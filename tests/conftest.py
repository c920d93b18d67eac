"""Sites, the people who work there, and studies of both sites."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client, TransactionTestCase

from pacs import audit, collector
from pacs.accounts import access
from pacs.accounts.models import ApiToken, Membership, Role, Site, User
from pacs.audit import triggers as audit_triggers
from pacs.immutable import Guard
from tests.servers import migrated

pytest_plugins = ["tests.servers.fixtures"]

PASSWORD = "a-long-enough-password"


@pytest.fixture(scope="session", autouse=True)
def _folders() -> None:
    """Folders that an installation makes before it starts."""
    settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)


SERVERS = {"integration", "agents_site"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that start servers first, those with a browser last, and of these the long ones first.

    Playwright's event loop stays in the thread, where Django's ORM minds. What is long at the very
    end would keep one process busy and the others idle.
    """

    def place(item: pytest.Item) -> tuple[int, int]:
        if "browser" in item.path.parts:
            return 2, -item.path.stat().st_size
        return (0, 0) if SERVERS.intersection(item.path.parts) else (1, 0)

    items.sort(key=place)


def pytest_collection_finish() -> None:
    """Half a million objects that stay to the end are not looked through again and again."""
    collector.past_the_start()


@pytest.fixture(scope="session", autouse=True)
def _migrated(tmp_path_factory: pytest.TempPathFactory) -> None:
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    migrated.keep_in(shared / "migrated")


@pytest.fixture(scope="session")
def django_db_keepdb() -> bool:
    """The file is there already, migrated."""
    return True


@pytest.fixture(scope="session")
def django_db_modify_db_settings(_migrated: None) -> None:
    """Tests use a file as the portal does: threads share it, and locks are real."""
    database = settings.DATABASES["default"]
    if database["ENGINE"].endswith("sqlite3"):
        place = settings.DATA_DIR / "test.sqlite3"
        database["TEST"] = {**database.get("TEST", {}), "NAME": str(place)}
        migrated.sqlite(place)


_plain_teardown = TransactionTestCase._fixture_teardown


def _teardown_past_triggers(self: TransactionTestCase) -> None:
    """Flushing between transactional tests is the one thing that may empty immutable tables."""
    guards = immutable_tables()
    for guard in guards:
        guard.remove(connection)
    try:
        _plain_teardown(self)
    finally:
        for guard in guards:
            guard.install(connection)


def immutable_tables() -> tuple[Guard, ...]:
    """The guards of every table that the database keeps from changing."""
    from reports.signing import triggers

    return (audit_triggers.GUARD, *triggers.GUARDS)


@pytest.fixture(scope="session", autouse=True)
def _flush_past_audit_triggers() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", _teardown_past_triggers)
        yield


@pytest.fixture(autouse=True)
def _nothing_remembered() -> Iterator[None]:
    """What a process remembers of access and reads does not pass from test to test."""
    access.drop_cache()
    audit.forget_reads()
    yield
    access.drop_cache()
    audit.forget_reads()


@pytest.fixture
def site(db: None) -> Site:
    return Site.objects.create(name="Main Hospital", slug="main", timezone="Europe/Berlin")


@pytest.fixture
def other_site(db: None) -> Site:
    return Site.objects.create(name="North Clinic", slug="north", timezone="America/New_York")


def person(username: str, site: Site | None = None, role: str = "", **fields: Any) -> User:
    """A user, with one role where a site is given."""
    user = User.objects.create_user(username, password=PASSWORD, **fields)
    if site is not None:
        Membership.objects.create(user=user, site=site, role=role)
    return user


@pytest.fixture
def radiologist(site: Site) -> User:
    return person("radiologist", site, Role.RADIOLOGIST)


@pytest.fixture
def technician(site: Site) -> User:
    return person("technician", site, Role.TECHNICIAN)


@pytest.fixture
def referrer(site: Site) -> User:
    return person("referrer", site, Role.REFERRER)


@pytest.fixture
def site_admin(site: Site) -> User:
    return person("site_admin", site, Role.SITE_ADMIN, is_staff=True)


@pytest.fixture
def admin(db: None) -> User:
    return person("admin", is_superuser=True, is_staff=True)


@pytest.fixture
def stranger(other_site: Site) -> User:
    """A radiologist of the other site."""
    return person("stranger", other_site, Role.RADIOLOGIST)


@pytest.fixture
def password() -> str:
    """The password of every actor."""
    return PASSWORD


@pytest.fixture
def logged_in() -> Callable[[User], Client]:
    """`logged_in(user)`: a browser in which the user has just logged in."""

    def log_in(user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return log_in


@pytest.fixture
def bearer() -> Callable[..., dict[str, str]]:
    """`bearer(user, scopes=[...], sites=[...])`: the header of a new token, for `headers=`."""

    def header(user: User, **options: Any) -> dict[str, str]:
        _, secret = ApiToken.issue(user, "test", **options)
        return {"Authorization": f"Bearer {secret}"}

    return header


_numbers = itertools.count(1)


@pytest.fixture
def make_study(db: None) -> Callable[..., Any]:
    """`make_study(site, patient_name="DOE^Jane", ...)`: an empty study with its patient."""
    from studies.models import Patient, Study

    def make(site: Site, **fields: Any) -> Study:
        number = next(_numbers)
        patient_fields = {
            "patient_id": fields.setdefault("patient_id", f"P{number}"),
            "patient_name": fields.setdefault("patient_name", "DOE^Jane"),
        }
        if "patient_ref" not in fields:
            fields["patient_ref"] = Patient.objects.create(site=site, **patient_fields)
        fields.setdefault("study_instance_uid", f"1.2.826.0.1.3680043.10.1.{number}")
        fields.setdefault("study_description", "CT chest")
        fields.setdefault("modalities", "CT")
        return Study.objects.create(site=site, **fields)

    return make


@pytest.fixture
def study(site: Site, make_study: Callable[..., Any]) -> Any:
    """A study of the first site."""
    return make_study(site)


@pytest.fixture
def other_study(other_site: Site, make_study: Callable[..., Any]) -> Any:
    """A study of the other site."""
    return make_study(other_site, patient_name="ROE^Richard")
