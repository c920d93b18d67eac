"""Typed environment variables that fail loudly. `NAME_FILE` is read where `NAME` is absent."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

TRUE = {"1", "true", "yes", "on"}
FALSE = {"0", "false", "no", "off", ""}


def envstr(name: str, default: str = "") -> str:
    """The variable, else the text of the file that `NAME_FILE` names, else `default`."""
    if name in os.environ:
        return os.environ[name]
    if path := os.environ.get(f"{name}_FILE"):
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ImproperlyConfigured(f"{name}_FILE cannot be read: {error.strerror}") from error
    return default


def envbool(name: str, default: bool) -> bool:
    """A truth value; anything but 1/0, true/false, yes/no, on/off is refused."""
    value = envstr(name, "1" if default else "0").strip().lower()
    if value in TRUE:
        return True
    if value in FALSE:
        return False
    raise ImproperlyConfigured(f"{name} must be 1 or 0, not {value!r}")


def envint(name: str, default: int, minimum: int = 0) -> int:
    """A whole number of at least `minimum`."""
    value = envstr(name, str(default))
    try:
        number = int(value)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} must be a whole number, not {value!r}") from error
    if number < minimum:
        raise ImproperlyConfigured(f"{name} must be at least {minimum}, not {number}")
    return number


def envlist(name: str, default: str = "") -> list[str]:
    """Comma-separated values without empty ones."""
    return [part.strip() for part in envstr(name, default).split(",") if part.strip()]


def envorigins(name: str) -> list[str]:
    """Comma-separated origins such as https://viewer.example: scheme, host and port, no more."""
    found = envlist(name)
    for origin in found:
        parts = urlsplit(origin)
        whole = f"{parts.scheme}://{parts.netloc}".lower()
        if parts.scheme not in {"http", "https"} or not parts.hostname or origin != whole:
            raise ImproperlyConfigured(
                f"{name} takes origins such as https://viewer.example, one by one, not {origin!r}"
            )
        if "*" in origin or "@" in origin:
            raise ImproperlyConfigured(f"{name} takes no wildcard and no password: {origin!r}")
    return found
