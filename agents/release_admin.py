"""Releases and their roll-outs in the admin."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.db import models
from django.http import HttpRequest

from agents import releases, rollouts
from agents.models import Agent, AgentCommand, AgentRelease, AgentRollout, CommandState
from pacs.accounts.addresses import client_address
from pacs.accounts.scoped_admin import ScopedAdmin, is_superuser, sites_of


@admin.register(AgentRelease)
class AgentReleaseAdmin(ScopedAdmin):
    """What `publish_agent` published. Administrators of sites choose among them."""

    may_add = may_change = False
    audited_by_service = True
    list_display = ("version", "seq", "published_at", "expires_at", "withdrawn_at")
    fields = (
        *("version", "seq", "size", "sha256", "key"),
        *("published_at", "expires_at", "withdrawn_at"),
    )
    readonly_fields = fields
    actions: ClassVar = ["withdraw"]

    def scope(self, request: HttpRequest, rows: models.QuerySet[Any]) -> models.QuerySet[Any]:
        """A program belongs to no site."""
        return rows if is_superuser(request) or sites_of(request) else rows.none()

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        found = super().get_actions(request)
        if not is_superuser(request):
            found.pop("withdraw", None)
        return found

    @admin.action(description="Withdraw: offered to no agent any more")
    def withdraw(self, request: HttpRequest, queryset: models.QuerySet[AgentRelease]) -> None:
        address = client_address(request)
        count = sum(
            releases.withdraw(each, actor=request.user, address=address) for each in queryset
        )
        self.message_user(request, f"{count} withdrawn.")


@admin.register(AgentRollout)
class AgentRolloutAdmin(ScopedAdmin):
    """Who takes a release by itself. Administrators of a site decide for their own site."""

    list_display = ("release", "site", "percent", "paused", "told", "done", "failed")
    list_select_related = ("release", "site")
    list_filter = ("paused",)
    fields = ("release", "site", "agents", "percent", "paused")
    filter_horizontal = ("agents",)
    actions: ClassVar = ["pause", "resume"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Another release or site is another roll-out."""
        return () if obj is None else ("release", "site")

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if db_field.name == "site" and field is not None and not is_superuser(request):
            field.required = True
        return field

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if not is_superuser(request):
            kwargs["queryset"] = Agent.objects.filter(site__in=sites_of(request))
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    @admin.display(description="told")
    def told(self, obj: AgentRollout) -> int:
        return self._commands(obj).count()

    @admin.display(description="taken")
    def done(self, obj: AgentRollout) -> int:
        """Agents that run it now."""
        told = self._commands(obj).values("agent")
        return Agent.objects.filter(pk__in=told, release_seq=obj.release.seq).count()

    @admin.display(description="failed")
    def failed(self, obj: AgentRollout) -> int:
        """Told, ended, and still at another release."""
        ended = self._commands(obj).exclude(
            state__in=[
                CommandState.QUEUED,
                CommandState.SENT,
                CommandState.ACCEPTED,
                CommandState.RUNNING,
            ]
        )
        return ended.exclude(agent__release_seq=obj.release.seq).count()

    @staticmethod
    def _commands(obj: AgentRollout) -> models.QuerySet[AgentCommand]:
        rows = AgentCommand.objects.filter(idempotency_key=rollouts.key_of(obj.release))
        return rows if obj.site_id is None else rows.filter(agent__site=obj.site_id)

    @admin.action(description="Pause")
    def pause(self, request: HttpRequest, queryset: models.QuerySet[AgentRollout]) -> None:
        self._set(request, queryset, paused=True)

    @admin.action(description="Go on")
    def resume(self, request: HttpRequest, queryset: models.QuerySet[AgentRollout]) -> None:
        self._set(request, queryset, paused=False)

    def _set(
        self, request: HttpRequest, queryset: models.QuerySet[AgentRollout], *, paused: bool
    ) -> None:
        for each in queryset.exclude(paused=paused):
            each.paused = paused
            each.save(update_fields=["paused"])
            self._record(request, each, "changed", ["paused"])
