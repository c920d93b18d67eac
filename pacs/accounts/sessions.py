"""The server-side limits of a session: idle since the last key or click, and absolute.

Both clocks are kept in the session itself. Only a person moves the idle clock: logging in, opening
a page, or a key or pointer that the browser reports. Sockets, background requests and pixels never.

When the idle clock has run out, or its person asks for it, a session is locked: nothing is answered
but the password, until the absolute limit ends it.
"""

from __future__ import annotations

import time
from typing import Any

from django.conf import settings

LOGIN_AT = "login_at"
ACTIVE_AT = "active_at"
LOCKED = "locked"
UNLOCKS = "unlocks"
EVERY = 5
"""Seconds within which the idle clock is not written again: opening a page need not write."""


def start(session: Any) -> None:
    """Start both clocks."""
    session[LOGIN_AT] = session[ACTIVE_AT] = int(time.time())


def touch(session: Any) -> None:
    """A person did something: the idle clock starts again."""
    now = int(time.time())
    if now - session.get(ACTIVE_AT, 0) >= EVERY:
        session[ACTIVE_AT] = now


def lock(session: Any) -> None:
    """Lock at once, as the idle clock does when it has run out."""
    session[LOCKED] = True


def unlock(session: Any) -> None:
    """The person gave the password: the idle clock starts again."""
    session.pop(LOCKED, None)
    session[UNLOCKS] = unlocks(session) + 1
    session[ACTIVE_AT] = int(time.time())


def unlocks(session: Any) -> int:
    """How often the session was unlocked: what a lock takes away is kept with this number."""
    return int(session.get(UNLOCKS, 0))


def is_locked(session: Any) -> bool:
    """Whether the session waits for the password of its person."""
    login_at = session.get(LOGIN_AT)
    if not isinstance(login_at, int) or not isinstance(session.get(ACTIVE_AT), int):
        return False
    within = login_at + settings.SESSION_ABSOLUTE_SECONDS > time.time()
    return within and seconds_left(session) == 0


def seconds_left(session: Any) -> int:
    """Seconds until the session is locked without further activity; 0 when it is locked or over.

    A session without clocks was not started by a login of this portal: over.
    """
    login_at, active_at = session.get(LOGIN_AT), session.get(ACTIVE_AT)
    if not isinstance(login_at, int) or not isinstance(active_at, int):
        return 0
    if session.get(LOCKED):
        return 0
    now = time.time()
    idle = active_at + settings.SESSION_IDLE_SECONDS - now
    absolute = login_at + settings.SESSION_ABSOLUTE_SECONDS - now
    return max(0, int(min(idle, absolute)))
