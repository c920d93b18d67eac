"""Settings of the unit tests: a data directory of their own, quick password hashing."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

# One for each of pytest-xdist's workers; what a test starts shares its worker's.
if os.environ.get("PACS_TEST_DATA_OF") != os.environ.get("PYTEST_XDIST_WORKER", "alone"):
    os.environ["PACS_TEST_DATA_OF"] = os.environ.get("PYTEST_XDIST_WORKER", "alone")
    os.environ["PACS_TEST_DATA_DIR"] = tempfile.mkdtemp(prefix="lightbox-test-")
    atexit.register(shutil.rmtree, os.environ["PACS_TEST_DATA_DIR"], ignore_errors=True)
os.environ["PACS_DATA_DIR"] = os.environ["PACS_TEST_DATA_DIR"]

from pacs.settings.base import *  # noqa: F403
from pacs.settings.base import DATABASES, STORAGES

SECRET_KEY = "only-for-tests-" + "x" * 40
FIELD_KEYS = ["only-for-tests-field-key"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
DATABASES.pop("channels", None)
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
CELERY_BROKER_URL = "memory://"
CELERY_BROKER_TRANSPORT_OPTIONS = {}
