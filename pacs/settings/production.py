"""Production: secrets from the environment or files, TLS in front, the demo refused."""

from __future__ import annotations

from django.core.exceptions import ImproperlyConfigured

from pacs.settings.base import *  # noqa: F403
from pacs.settings.base import FIELD_KEYS, PACS_TRUSTED_PROXIES, SECRET_KEY
from pacs.settings.env import envbool, envint, envlist

FEWEST_CHARACTERS = 10
# Words of keys that stand in examples and tests.
NO_SECRETS = ("django-insecure", "only-for-tests", "change-me", "changeme")


def _refuse_weak(name: str, key: str, length: int) -> None:
    if len(key) < length:
        raise ImproperlyConfigured(f"{name} (or {name}_FILE) needs {length} characters")
    if len(set(key)) < FEWEST_CHARACTERS or any(each in key.lower() for each in NO_SECRETS):
        raise ImproperlyConfigured(f"{name} is a default or no random text: make one of your own")


if envbool("PACS_DEBUG", False):
    raise ImproperlyConfigured("PACS_DEBUG shows patient data to strangers: not in production")
_refuse_weak("PACS_SECRET_KEY", SECRET_KEY, 50)
if not FIELD_KEYS:
    raise ImproperlyConfigured("PACS_FIELD_KEYS (or PACS_FIELD_KEYS_FILE) is missing")
for _key in FIELD_KEYS:
    _refuse_weak("PACS_FIELD_KEYS", _key, 32)
ALLOWED_HOSTS = envlist("PACS_ALLOWED_HOSTS")
if not ALLOWED_HOSTS or "*" in ALLOWED_HOSTS:
    raise ImproperlyConfigured("PACS_ALLOWED_HOSTS must name the portal's host names")
if not envbool("PACS_BEHIND_TLS_PROXY", True) or PACS_TRUSTED_PROXIES < 1:
    raise ImproperlyConfigured(
        "Production runs behind a proxy that ends TLS: set PACS_TRUSTED_PROXIES to how many there"
        " are, and leave PACS_BEHIND_TLS_PROXY at 1"
    )

DEMO = False
REFUSE_DEMO_ACCOUNTS = True
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_SSL_REDIRECT = envbool("PACS_SSL_REDIRECT", True)
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]
SECURE_HSTS_SECONDS = envint("PACS_HSTS_SECONDS", 31536000)
# HSTS speaks for this host alone; its neighbours and the browsers' lists are others' to decide.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
