"""The innermost middleware, and the only one that is plain synchronous code by its own wish.

Where the innermost can be awaited, Django awaits every one outside it, and each goes to the
request's thread and back twice for its synchronous half: a third of a small answer's time, and
under load a wait for the interpreter at each change. Behind a synchronous one the whole chain runs
in one go in that thread. Views may still be coroutines.
"""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase

GetResponse = Callable[[HttpRequest], HttpResponseBase]


def one_thread(get_response: GetResponse) -> GetResponse:
    """Middleware that does nothing. Last in MIDDLEWARE."""
    return get_response
