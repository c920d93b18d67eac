"""Production: secrets from the environment or files, TLS assumed, the demo refused."""

from __future__ import annotations

from django.core.exceptions import ImproperlyConfigured

from pacs.settings.base import *  # noqa: F403
from pacs.settings.base import FIELD_KEYS, SECRET_KEY
from pacs.settings.env import envbool, envint, envlist

if len(SECRET_KEY) < 40:
    raise ImproperlyConfigured("PACS_SECRET_KEY (or PACS_SECRET_KEY_FILE) needs 40 characters")
if not FIELD_KEYS:
    raise ImproperlyConfigured("PACS_FIELD_KEYS (or PACS_FIELD_KEYS_FILE) is missing")
ALLOWED_HOSTS = envlist("PACS_ALLOWED_HOSTS")
if not ALLOWED_HOSTS:
    raise ImproperlyConfigured("PACS_ALLOWED_HOSTS must name the portal's host names")

DEMO = False
REFUSE_DEMO_ACCOUNTS = True
SECURE_SSL_REDIRECT = envbool("PACS_SSL_REDIRECT", True)
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
SECURE_HSTS_SECONDS = envint("PACS_HSTS_SECONDS", 31536000)
# HSTS speaks for this host alone; its neighbours and the browsers' lists are others' to decide.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
if envbool("PACS_BEHIND_TLS_PROXY", True):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
