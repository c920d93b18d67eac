"""Permissions of REST views. Every view names its own: the default denies."""

from __future__ import annotations

from typing import Any

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from pacs.accounts.addresses import client_address
from pacs.accounts.models import Role, Scope
from pacs.accounts.principal import Principal


def principal(request: Request) -> Principal | None:
    """The principal that authentication attached; None for nobody."""
    user = request.user
    if not user or not user.is_authenticated or not user.is_active:
        return None
    return getattr(request, "principal", None)


def origin(request: Request) -> dict[str, Any]:
    """Where a REST request comes from, as the audit trail keeps it: address and session."""
    who = principal(request)
    return {
        "address": client_address(request._request),
        "session_key": who.session_key if who else "",
    }


class DenyAll(BasePermission):
    """Nobody. The default, so that a view without a permission is closed."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return False


class IsMember(BasePermission):
    """Superusers and members of a site, reading; writing needs the scope "write" as well."""

    def has_permission(self, request: Request, view: Any) -> bool:
        who = principal(request)
        if who is None or not (who.is_superuser or who.sites):
            return False
        scope = Scope.READ if request.method in SAFE_METHODS else Scope.WRITE
        return scope.value in who.scopes


class CanUpload(BasePermission):
    """Who may send images to at least one site, with the scope "write"."""

    def has_permission(self, request: Request, view: Any) -> bool:
        who = principal(request)
        return (
            who is not None
            and Scope.WRITE.value in who.scopes
            and (who.is_superuser or bool(who.upload_sites))
        )


class IsSiteAdmin(BasePermission):
    """Superusers and administrators of a site."""

    def has_permission(self, request: Request, view: Any) -> bool:
        who = principal(request)
        return who is not None and (
            who.is_superuser or any(role == Role.SITE_ADMIN for _, role in who.roles)
        )
