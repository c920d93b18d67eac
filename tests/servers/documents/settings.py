"""The product of the tests: the embedded shape, with reports that can be printed."""

from __future__ import annotations

from pacs.settings.development import *  # noqa: F403
from pacs.settings.development import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.servers.documents"]
ROOT_URLCONF = "tests.servers.documents.urls"
