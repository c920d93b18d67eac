"""Who is asking, for what runs outside Django's request: the data plane and sockets."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib import auth
from django.contrib.sessions.backends.base import SessionBase
from django.utils.crypto import constant_time_compare
from django.utils.module_loading import import_string

from pacs.accounts import sessions
from pacs.accounts.credentials import token_secret, use
from pacs.accounts.principal import Principal, principal_of

if TYPE_CHECKING:
    from pacs.accounts.models import ApiToken

CACHE_SECONDS = 5.0
CACHE_SIZE = 4096

_lock = threading.Lock()
_cache: dict[str, tuple[float, Principal]] = {}
_tokens: dict[str, tuple[float, ApiToken, Principal]] = {}
_generation = 0


# Other kinds of bearer secrets, by how they begin.
_others: dict[str, Callable[[str], tuple[Principal | None, float]]] = {}


def accept_secrets(prefix: str, resolver: Callable[[str], tuple[Principal | None, float]]) -> None:
    """Have the data plane and sockets ask `resolver` about secrets that begin with `prefix`.

    It answers as `resolve_and_end`. The principal's session_key begins with "token:".
    """
    _others[prefix] = resolver


def resolve(headers: Mapping[str, str], cookies: Mapping[str, str]) -> Principal | None:
    """The principal of a request's credentials now; None for nobody. Asks the database.

    `headers` has lower-case names. An Authorization header decides alone: a wrong token beside a
    good cookie is nobody. Never extends a session.
    """
    return resolve_and_end(headers, cookies)[0]


def resolve_and_end(
    headers: Mapping[str, str], cookies: Mapping[str, str]
) -> tuple[Principal | None, float]:
    """`resolve`, and in how many seconds the session or token ends unless it is used."""
    if authorization := headers.get("authorization"):
        secret = token_secret(authorization) or ""
        for prefix, resolver in _others.items():
            if secret.startswith(prefix):
                return resolver(secret)
        token = use(secret) if secret else None
        if token is None:
            return None, 0
        left = token.expires_at.timestamp() - time.time()
        return principal_of(token.user, token=token), left
    key = cookies.get(settings.SESSION_COOKIE_NAME)
    if not key:
        return None, 0
    session = _session(key)
    left = sessions.seconds_left(session)
    user = _user_of(session) if left > 0 else None
    if user is None:
        return None, 0
    return principal_of(user, session_key=key), left


def _session(key: str) -> SessionBase:
    engine = import_string(f"{settings.SESSION_ENGINE}.SessionStore")
    store: SessionBase = engine(key)
    return store


def _user_of(session: SessionBase) -> Any:
    """The active user of a session, checked as `django.contrib.auth.get_user` does, not writing."""
    backend_path = session.get(auth.BACKEND_SESSION_KEY)
    if backend_path not in settings.AUTHENTICATION_BACKENDS:
        return None
    user_id = auth.get_user_model()._meta.pk.to_python(session.get(auth.SESSION_KEY))
    user = auth.load_backend(backend_path).get_user(user_id)
    known = session.get(auth.HASH_SESSION_KEY)
    if user is None or not known:
        return None
    hashes = [user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()]
    return user if any(constant_time_compare(known, each) for each in hashes) else None


def cached_principal(headers: Mapping[str, str], cookies: Mapping[str, str]) -> Principal | None:
    """`resolve`, believed for at most 5 s and never beyond the end of the session or token."""
    credentials = headers.get("authorization") or ""
    if not credentials:
        credentials = cookies.get(settings.SESSION_COOKIE_NAME) or ""
        if not credentials:
            return None
        credentials = f"session {credentials}"
    key = hashlib.sha256(credentials.encode()).hexdigest()
    now = time.monotonic()
    with _lock:
        entry = _cache.get(key)
        if entry is not None and entry[0] > now:
            return entry[1]
        generation = _generation
    principal, left = resolve_and_end(headers, cookies)
    if principal is None:
        return None
    with _lock:
        # What was read before a revocation must not be kept after it.
        if generation == _generation:
            if len(_cache) >= CACHE_SIZE:
                _cache.clear()
            _cache[key] = (now + min(CACHE_SECONDS, left), principal)
    return principal


def cached_token(secret: str) -> tuple[ApiToken, Principal] | None:
    """The usable token of this secret with its user, and the principal; believed as above.

    Many threads share what comes back: to be read only.
    """
    key = hashlib.sha256(secret.encode()).hexdigest()
    now = time.monotonic()
    with _lock:
        entry = _tokens.get(key)
        if entry is not None and entry[0] > now:
            return entry[1], entry[2]
        generation = _generation
    token = use(secret)
    if token is None:
        return None
    principal = principal_of(token.user, token=token)
    left = token.expires_at.timestamp() - time.time()
    with _lock:
        if generation == _generation:
            if len(_tokens) >= CACHE_SIZE:
                _tokens.clear()
            _tokens[key] = (now + min(CACHE_SECONDS, left), token, principal)
    return token, principal


def epoch() -> int:
    """Changes whenever a principal that was read earlier must not be believed any more."""
    return _generation


def drop_cache() -> None:
    """Forget every cached principal of this process."""
    global _generation
    with _lock:
        _generation += 1
        _cache.clear()
        _tokens.clear()
