"""The Django admin for two kinds of people: superusers, and administrators of a site.

Who may do what follows from roles, never from Django's model permissions or groups. A site
administrator sees the rows of the own sites only; everything else answers as if it did not exist.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, ClassVar

from django.core.exceptions import PermissionDenied
from django.db import models, transaction
from django.http import HttpRequest
from unfold.admin import ModelAdmin, TabularInline

from pacs import audit
from pacs.accounts.addresses import client_address
from pacs.accounts.errors import NotAllowed
from pacs.accounts.models import Site, User
from pacs.accounts.services import administered_sites, administered_users


def sites_of(request: HttpRequest) -> set[int]:
    """The sites that the person administers, asked for once a request."""
    known: set[int] | None = getattr(request, "_administered_sites", None)
    if known is None:
        known = administered_sites(request.user)
        request._administered_sites = known  # type: ignore[attr-defined]
    return known


def is_superuser(request: HttpRequest) -> bool:
    return bool(request.user.is_active and request.user.is_superuser)


def changed_fields(message: Any) -> list[str]:
    """Names of the fields, and of the kinds of inline rows, that an admin's message mentions."""
    parts = json.loads(message) if isinstance(message, str) and message[:1] == "[" else message
    names: list[str] = []
    for part in parts if isinstance(parts, list) else []:
        for content in part.values():
            if name := content.get("name"):
                names.append(str(name))
            names.extend(str(field) for field in content.get("fields", []))
    return names


class Scoped:
    """Narrows rows and choices to the sites that the person administers."""

    site_lookup: ClassVar[str] = "site"
    may_add: ClassVar[bool] = True
    may_change: ClassVar[bool] = True
    may_delete: ClassVar[bool] = False
    only_superusers_write: ClassVar[bool] = False

    def scope(self, request: HttpRequest, rows: models.QuerySet[Any]) -> models.QuerySet[Any]:
        """The rows that the person may see."""
        if is_superuser(request):
            return rows
        return rows.filter(**{f"{self.site_lookup}__in": sites_of(request)})

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        rows: models.QuerySet[Any] = super().get_queryset(request)  # type: ignore[misc]
        return self.scope(request, rows)

    def _reaches(self, request: HttpRequest, obj: Any) -> bool:
        if is_superuser(request):
            return True
        if not sites_of(request):
            return False
        if obj is None or obj.pk is None:
            return True
        return self.scope(request, type(obj)._default_manager.all()).filter(pk=obj.pk).exists()

    def _writes(self, request: HttpRequest) -> bool:
        return is_superuser(request) or not self.only_superusers_write

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self._reaches(request, None)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._reaches(request, obj)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.may_add and self._writes(request) and self._reaches(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.may_change and self._writes(request) and self._reaches(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.may_delete and self._writes(request) and self._reaches(request, obj)

    def _choices(self, db_field: Any, request: HttpRequest) -> models.QuerySet[Any] | None:
        if is_superuser(request):
            return None
        if db_field.related_model is Site:
            return Site.objects.filter(pk__in=sites_of(request))
        if db_field.related_model is User:
            return self.user_choices(request)
        return None

    def user_choices(self, request: HttpRequest) -> models.QuerySet[User]:
        """The users that a site administrator may name in a form."""
        return administered_users(request.user)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        choices = self._choices(db_field, request)
        if choices is not None:
            kwargs["queryset"] = choices
        return super().formfield_for_foreignkey(db_field, request, **kwargs)  # type: ignore[misc]

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        choices = self._choices(db_field, request)
        if choices is not None:
            kwargs["queryset"] = choices
        return super().formfield_for_manytomany(db_field, request, **kwargs)  # type: ignore[misc]


class ScopedInline(Scoped, TabularInline):
    """Rows of another model on a scoped page."""

    extra = 0


class ScopedAdmin(Scoped, ModelAdmin):
    """A scoped page whose changes are audited in their transaction, by names of fields only."""

    show_full_result_count = False
    list_per_page = 50
    # Pages that change through a service leave the trail to it.
    audited_by_service: ClassVar[bool] = False
    # Pages that show who the patients are: whoever opens one is in the trail.
    shows_patients: ClassVar[bool] = False
    # Its form says by itself that it was opened.
    notes_opening: ClassVar[bool] = False

    def _note_read(self, request: HttpRequest, object_id: str | None = None) -> None:
        if not self.shows_patients or request.method != "GET":
            return
        name = self.model._meta.model_name
        if object_id is None:
            audit.record_read(f"admin.{name}.listed", request=request)
            return
        obj = self.get_object(request, object_id)
        if obj is not None:
            about = f"{name}:{obj.pk}"
            site = self.site_of(obj)
            audit.record_read(f"admin.{name}.opened", request=request, site=site, about=about)

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        answer = super().changelist_view(request, *args, **kwargs)
        self._note_read(request)
        return answer

    def history_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> Any:
        answer = super().history_view(request, object_id, *args, **kwargs)
        self._note_read(request, object_id)
        return answer

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions: dict[str, Any] = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    def site_of(self, obj: Any) -> int | None:
        """The site that a change is filed under."""
        return obj.pk if isinstance(obj, Site) else getattr(obj, "site_id", None)

    def _record(self, request: HttpRequest, obj: Any, verb: str, fields: list[str]) -> None:
        if self.audited_by_service:
            return
        audit.record(
            f"admin.{obj._meta.model_name}.{verb}",
            actor=request.user,
            site=self.site_of(obj),
            address=client_address(request),
            session_key=request.session.session_key or "",
            detail={"id": str(obj.pk), "fields": fields},
        )

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        self._record(request, obj, "added", changed_fields(message))
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        self._record(request, obj, "changed", changed_fields(message))
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: Iterable[Any]) -> Any:
        rows = list(queryset)
        for obj in rows:
            self._record(request, obj, "deleted", [])
        return super().log_deletions(request, rows)

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, *args: Any, **kwargs: Any
    ) -> Any:
        """What a service refuses is answered 403, with nothing changed."""
        try:
            with transaction.atomic():
                answer = super().changeform_view(request, object_id, *args, **kwargs)
                if object_id is not None and not self.notes_opening:
                    self._note_read(request, object_id)
                return answer
        except NotAllowed as error:
            raise PermissionDenied(str(error)) from error
