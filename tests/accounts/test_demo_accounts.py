"""Production does not start while an account of the demo exists."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from pytest_django import Settings

from pacs.accounts.checks import check_demo_accounts, refuse_demo_accounts
from pacs.accounts.models import User
from pacs.audit.models import AuditEvent
from tests.servers import migrated

ROOT = Path(__file__).parents[2]


@pytest.fixture
def demo_account(radiologist: User) -> User:
    radiologist.is_demo = True
    radiologist.save()
    return radiologist


def found() -> list[str]:
    return [str(each.id) for each in checks.run_checks(databases=["default"])]


def test_the_check_is_registered_and_numbered(settings: Settings, demo_account: User) -> None:
    assert "accounts.E001" not in found()
    settings.REFUSE_DEMO_ACCOUNTS = True
    assert "accounts.E001" in found()
    User.objects.update(is_demo=False)
    assert "accounts.E001" not in found()


def test_other_commands_do_not_ask_the_database(settings: Settings, demo_account: User) -> None:
    settings.REFUSE_DEMO_ACCOUNTS = True
    assert check_demo_accounts(None, databases=None) == []


@pytest.mark.django_db(transaction=True)
def test_web_and_worker_refuse(settings: Settings, demo_account: User) -> None:
    refuse_demo_accounts()
    settings.REFUSE_DEMO_ACCOUNTS = True
    with pytest.raises(ImproperlyConfigured, match="remove_demo_accounts"):
        refuse_demo_accounts()
    User.objects.update(is_demo=False)
    refuse_demo_accounts()


@pytest.mark.django_db(transaction=True)
async def test_a_server_that_imports_inside_its_event_loop_is_refused_too(
    settings: Settings,
) -> None:
    await User.objects.acreate(username="demo", is_demo=True)
    settings.REFUSE_DEMO_ACCOUNTS = True
    with pytest.raises(ImproperlyConfigured):
        refuse_demo_accounts()


def test_the_command_removes_them(
    demo_account: User, technician: User, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("remove_demo_accounts")
    assert "Removed radiologist." in capsys.readouterr().out
    assert set(User.objects.values_list("username", flat=True)) == {"technician"}
    assert AuditEvent.objects.get(action="user.deleted").detail["demo"]
    call_command("remove_demo_accounts")


def test_the_command_retires_an_account_that_others_point_at(
    demo_account: User, referrer: User, study: object
) -> None:
    from studies.models import StudyGrant

    StudyGrant.objects.create(study=study, user=referrer, granted_by=demo_account)
    call_command("remove_demo_accounts")
    demo_account.refresh_from_db()
    assert not demo_account.is_demo
    assert not demo_account.is_active
    assert not demo_account.has_usable_password()
    assert not demo_account.memberships.exists()


def test_a_production_web_process_stops(tmp_path: Path) -> None:
    """The real thing: a data directory with a demo account, and `import pacs.asgi`."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PACS_")},
        "DJANGO_SETTINGS_MODULE": "pacs.settings.production",
        "PACS_DATA_DIR": str(tmp_path),
        "PACS_SECRET_KEY": "abcdefghijklmnop" * 4,
        "PACS_TRUSTED_PROXIES": "1",
        "PACS_FIELD_KEYS": "qrstuvwxyz012345" * 4,
        "PACS_ALLOWED_HOSTS": "pacs.example",
    }

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
        )

    migrated.sqlite(tmp_path / "lightbox.sqlite3")
    make = "from pacs.accounts.models import User; User.objects.create(username='d', is_demo=True)"
    made = run("manage.py", "shell", "-c", make)
    assert made.returncode == 0, made.stderr
    web = run("-c", "import pacs.asgi")
    assert web.returncode != 0
    assert "ImproperlyConfigured" in web.stderr
    check = run("manage.py", "check", "--database", "default")
    assert "accounts.E001" in check.stderr
    worker = run("-m", "celery", "-A", "pacs", "worker", "--pool", "solo")
    assert worker.returncode != 0
    assert "remove_demo_accounts" in worker.stderr + worker.stdout
    assert run("manage.py", "remove_demo_accounts").returncode == 0
    web = run("-c", "import pacs.asgi")
    assert web.returncode == 0, web.stderr
