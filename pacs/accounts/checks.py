"""Production refuses to start while an account of the demo exists."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.db import connections

MESSAGE = "Accounts of the demo exist, whose passwords others may know"
HINT = "Remove them with: manage.py remove_demo_accounts"


def demo_accounts(alias: str = "default") -> int:
    """How many accounts of the demo there are; 0 before the first migration."""
    from pacs.accounts.models import User

    connection = connections[alias]
    if User._meta.db_table not in connection.introspection.table_names():
        return 0
    with connection.cursor() as cursor:
        columns = connection.introspection.get_table_description(cursor, User._meta.db_table)
    if "is_demo" not in {column.name for column in columns}:
        return 0
    return User.objects.using(alias).filter(is_demo=True).count()


def check_demo_accounts(
    app_configs: Any, databases: Any = None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """accounts.E001. Needs the database, so it runs with `migrate` and `check --database`."""
    if not getattr(settings, "REFUSE_DEMO_ACCOUNTS", False) or "default" not in (databases or ()):
        return []
    if not demo_accounts():
        return []
    return [checks.Error(MESSAGE, hint=HINT, id="accounts.E001")]


def refuse_demo_accounts() -> None:
    """Called where web and worker start: raises ImproperlyConfigured while the demo is there."""
    if not getattr(settings, "REFUSE_DEMO_ACCOUNTS", False):
        return

    def count() -> int:
        try:
            return demo_accounts()
        finally:
            connections.close_all()

    # A thread of its own: some servers import the application inside their event loop.
    with ThreadPoolExecutor(1) as executor:
        found = executor.submit(count).result()
    if found:
        raise ImproperlyConfigured(f"{MESSAGE}. {HINT}")


def _stop_worker(**kwargs: Any) -> None:
    """Celery logs what a receiver raises and goes on; only an exit stops it."""
    try:
        refuse_demo_accounts()
    except ImproperlyConfigured as error:
        raise SystemExit(str(error)) from error


def register() -> None:
    """Register the checks, and refuse in worker and beat; called once at start."""
    from celery.signals import beat_init, celeryd_init

    checks.register(check_demo_accounts, checks.Tags.database)
    celeryd_init.connect(_stop_worker, dispatch_uid="refuse-demo-accounts")
    beat_init.connect(_stop_worker, dispatch_uid="refuse-demo-accounts")
