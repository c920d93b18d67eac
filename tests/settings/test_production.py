"""Production refuses to start where it would be unsafe; `check --deploy` has nothing to say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
KEY = "Qm7-pz2Lw9_xR4tVb8sNc1yKd6hGf3jUe5aXo0iTqWrZ-8uYk3Lp5"
GOOD = {
    "DJANGO_SETTINGS_MODULE": "pacs.settings.production",
    "PACS_SECRET_KEY": KEY,
    "PACS_FIELD_KEYS": KEY[::-1],
    "PACS_ALLOWED_HOSTS": "pacs.example",
    "PACS_TRUSTED_PROXIES": "1",
}


def started(folder: Path, arguments: list[str], **changes: str) -> subprocess.CompletedProcess[str]:
    env = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PACS_", "DATABASE_URL", "REDIS_URL", "DJANGO_"))
    }
    env |= GOOD | {"PACS_DATA_DIR": str(folder)} | changes
    return subprocess.run(
        [sys.executable, *arguments], cwd=CHECKOUT, env=env, capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"PACS_DEBUG": "1"}, "PACS_DEBUG"),
        ({"PACS_SECRET_KEY": "short"}, "PACS_SECRET_KEY"),
        ({"PACS_SECRET_KEY": "x" * 60}, "PACS_SECRET_KEY"),
        ({"PACS_SECRET_KEY": "django-insecure-" + KEY}, "PACS_SECRET_KEY"),
        ({"PACS_FIELD_KEYS": ""}, "PACS_FIELD_KEYS"),
        ({"PACS_FIELD_KEYS": f"{KEY},only-for-tests-{KEY}"}, "PACS_FIELD_KEYS"),
        ({"PACS_ALLOWED_HOSTS": ""}, "PACS_ALLOWED_HOSTS"),
        ({"PACS_ALLOWED_HOSTS": "*"}, "PACS_ALLOWED_HOSTS"),
        ({"PACS_TRUSTED_PROXIES": "0"}, "PACS_TRUSTED_PROXIES"),
        ({"PACS_BEHIND_TLS_PROXY": "0"}, "PACS_BEHIND_TLS_PROXY"),
    ],
)
def test_refused(changes: dict[str, str], words: str, tmp_path: Path) -> None:
    done = started(tmp_path, ["-c", "import pacs.settings.production"], **changes)
    assert done.returncode != 0
    last = done.stderr.strip().splitlines()[-1]
    assert "ImproperlyConfigured" in last
    assert words in last
    assert KEY not in done.stderr


def test_check_deploy_is_clean(tmp_path: Path) -> None:
    (tmp_path / "static").mkdir()
    done = started(tmp_path, ["manage.py", "check", "--deploy", "--fail-level", "WARNING"])
    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout
