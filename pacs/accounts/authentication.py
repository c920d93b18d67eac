"""How REST requests say who they are: a bearer token, or the browser's session."""

from __future__ import annotations

from typing import Any

from django.utils.functional import SimpleLazyObject
from rest_framework import authentication, exceptions
from rest_framework.request import Request

from pacs.accounts.access import cached_token
from pacs.accounts.credentials import token_secret, use
from pacs.accounts.models import ApiToken, User
from pacs.accounts.principal import principal_of

CHALLENGE = 'Bearer realm="Lightbox PACS"'


def _attach(request: Any, user: User, token: ApiToken | None, session_key: str = "") -> None:
    request.principal = SimpleLazyObject(
        lambda: principal_of(user, token=token, session_key=session_key)
    )


def _is_believed(request: Request) -> bool:
    view = (request.parser_context or {}).get("view")
    return bool(getattr(view, "believes_tokens", False))


def _refused() -> exceptions.AuthenticationFailed:
    return exceptions.AuthenticationFailed("The token is unknown, expired or revoked.")


class BearerAuthentication(authentication.BaseAuthentication):
    """`Authorization: Bearer TOKEN`, or Basic with the token as the password (RFC 6750, 7617).

    A view that programs ask many times a second says `believes_tokens = True`: there a token and
    its principal are believed for at most 5 s, as on the data plane. What is revoked in this
    process counts at once.
    """

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        header = request.META.get("HTTP_AUTHORIZATION", "")
        if not header:
            return None
        secret = token_secret(header)
        if secret and _is_believed(request):
            return self._believed(request, secret)
        token = use(secret) if secret else None
        if token is None:
            raise _refused()
        _attach(request, token.user, token)
        return token.user, token

    @staticmethod
    def _believed(request: Any, secret: str) -> tuple[User, ApiToken]:
        found = cached_token(secret)
        if found is None:
            raise _refused()
        token, request.principal = found
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return CHALLENGE


class SessionAuthentication(authentication.SessionAuthentication):
    """The browser's session; CSRF is enforced. Who is nobody gets 401, not 403."""

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        found = super().authenticate(request)
        if found is not None:
            session_key = request._request.session.session_key or ""
            _attach(request, found[0], None, session_key)
        return found

    def authenticate_header(self, request: Request) -> str:
        return CHALLENGE
