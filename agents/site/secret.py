"""A value that no log, error or traceback shows."""

from __future__ import annotations

import os
import stat
from pathlib import Path


class SecretError(ValueError):
    """A secret that cannot be had; the words say why and never what."""


class Secret:
    """A password or key. `reveal` gives it; everything else shows asterisks."""

    __slots__ = ("_value",)

    def __init__(self, value: str = "") -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself, for the header or call that needs it."""
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __repr__(self) -> str:
        return "Secret(***)" if self._value else "Secret()"

    __str__ = __repr__


def from_file(path: Path) -> Secret:
    """The first line of a file that only its owner may read. Raises SecretError."""
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise SecretError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SecretError(f"{path} is not a text file") from None
    if mode & (stat.S_IRWXO | stat.S_IWGRP):
        raise SecretError(f"{path} can be read by everybody: chmod 640 or 600 it")
    return _checked(text.strip(), str(path))


def from_environment(name: str) -> Secret:
    """The value of a variable. Raises SecretError where it is not set."""
    value = os.environ.get(name)
    if value is None:
        raise SecretError(f"the variable {name} is not set")
    return _checked(value.strip(), f"the variable {name}")


def _checked(value: str, where: str) -> Secret:
    if not value:
        raise SecretError(f"{where} is empty")
    if not (value.isascii() and value.isprintable()) or "\n" in value:
        raise SecretError(f"{where} is not one line of plain ASCII")
    return Secret(value)
