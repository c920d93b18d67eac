"""For whom a page was rendered: what it keeps until it can be saved is saved for nobody else.

Scripts that try again after a session has ended, and take the token of the next one, say whose the
page is.
"""

from __future__ import annotations

HEADER = "X-Lightbox-User"
WORDS = "Somebody else has logged in. What this page holds is saved when its person is back."


def is_other(said: str | None, user_id: int | None) -> bool:
    """Whether the page that `said` whose it is belongs to somebody else than the session."""
    return said is not None and said != str(user_id)
