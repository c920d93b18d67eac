"""The audit trail in the admin: read only."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest

from pacs.accounts.scoped_admin import ScopedAdmin, is_superuser, sites_of
from pacs.accounts.services import administered_users
from pacs.audit.models import AuditEvent

# Of a person, not of a study: filed under a site only where the person has no other.
ACCOUNT_ACTIONS = ("login", "login.locked", "logout")


class OutcomeFilter(admin.SimpleListFilter):
    """Asks the table for nothing: it may hold years."""

    title = "outcome"
    parameter_name = "outcome"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("ok", "Done"), ("refused", "Refused"), ("failed", "Failed")]

    def queryset(
        self, request: HttpRequest, queryset: models.QuerySet[Any]
    ) -> models.QuerySet[Any]:
        return queryset.filter(outcome=self.value()) if self.value() else queryset


@admin.register(AuditEvent)
class AuditEventAdmin(ScopedAdmin):
    """Superusers read everything, site administrators what is filed under their sites.

    Who works at several sites logs in to none of them: such events are shown to administrators of
    all these sites, not to those of one, who would learn when the person works elsewhere.
    """

    site_lookup = "site_id"
    may_add = may_change = may_delete = False
    list_display = ("at", "action", "outcome", "actor_name", "site_id", "study_id", "address")
    list_filter = (OutcomeFilter, ("at", admin.DateFieldListFilter))
    search_fields = ("=actor_name", "=action", "=study_id", "=address")
    ordering = ("-id",)
    fields = (
        *("at", "action", "outcome", "actor_id", "actor_name", "site_id", "study_id"),
        *("patient_id", "address", "session_digest", "particulars"),
    )

    def scope(self, request: HttpRequest, rows: models.QuerySet[Any]) -> models.QuerySet[Any]:
        if is_superuser(request):
            return rows
        users = administered_users(request.user).values("pk")
        accounts = models.Q(site_id=None, action__in=ACCOUNT_ACTIONS, actor_id__in=users)
        return rows.filter(models.Q(site_id__in=sites_of(request)) | accounts)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return super().get_queryset(request).defer("detail")

    @admin.display(description="Particulars")
    def particulars(self, event: AuditEvent) -> str:
        return json.dumps(event.detail, ensure_ascii=False, sort_keys=True)
