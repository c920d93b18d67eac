"""The server-side limits of a session: idle since the last key or click, and absolute.

Both clocks are kept in the session itself. Only a person moves the idle clock: logging in, opening
a page, or a key or pointer that the browser reports. Sockets, background requests and pixels never.
"""

from __future__ import annotations

import time
from typing import Any

from django.conf import settings

LOGIN_AT = "login_at"
ACTIVE_AT = "active_at"


def start(session: Any) -> None:
    """Start both clocks."""
    session[LOGIN_AT] = session[ACTIVE_AT] = int(time.time())


def touch(session: Any) -> None:
    """A person did something: the idle clock starts again."""
    session[ACTIVE_AT] = int(time.time())


def seconds_left(session: Any) -> int:
    """Seconds until the session ends without further activity; 0 when it is over.

    A session without clocks was not started by a login of this portal: over.
    """
    login_at, active_at = session.get(LOGIN_AT), session.get(ACTIVE_AT)
    if not isinstance(login_at, int) or not isinstance(active_at, int):
        return 0
    now = time.time()
    idle = active_at + settings.SESSION_IDLE_SECONDS - now
    absolute = login_at + settings.SESSION_ABSOLUTE_SECONDS - now
    return max(0, int(min(idle, absolute)))
