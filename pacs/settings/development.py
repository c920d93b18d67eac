"""The embedded shape on one machine: no server to install, secrets kept in the data directory."""

from __future__ import annotations

from pacs.settings.base import *  # noqa: F403
from pacs.settings.base import DATA_DIR, FIELD_KEYS, SECRET_KEY
from pacs.settings.env import envbool
from pacs.settings.local_secrets import read_or_create

SECRET_KEY = SECRET_KEY or read_or_create(DATA_DIR / "secrets" / "secret_key")
FIELD_KEYS = FIELD_KEYS or [read_or_create(DATA_DIR / "secrets" / "field_key")]
DEBUG = envbool("PACS_DEBUG", False)
DEMO = envbool("PACS_DEMO", True)
