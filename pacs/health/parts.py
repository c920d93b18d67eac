"""Parts that apps add to `/healthz`: such as the portal does without for a while."""

from __future__ import annotations

from collections.abc import Callable, Mapping

_parts: dict[str, Callable[[], str | None]] = {}


def add(name: str, part: Callable[[], str | None]) -> None:
    """`part` gives "ok", or what is the matter; None where it is not configured."""
    _parts[name] = part


def added() -> Mapping[str, Callable[[], str | None]]:
    return _parts
