"""Agents and their keys in the admin: enrol, rotate, revoke, networks and commands."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminTextareaWidget

from agents import keys, wake
from agents import release_admin as release_admin
from agents.errors import NotPossible
from agents.models import (
    Agent,
    AgentCommand,
    AgentKey,
    AgentState,
    CommandKind,
    every_command,
    validate_networks,
)
from pacs.accounts.addresses import client_address
from pacs.accounts.scoped_admin import ScopedAdmin, ScopedInline


class AgentForm(forms.ModelForm):  # type: ignore[type-arg]
    """Networks line by line, commands as boxes."""

    networks = forms.CharField(
        required=False,
        max_length=4000,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        label="Allowed networks",
        help_text="One a line, such as 10.1.0.0/16 or 192.0.2.7. Empty: from anywhere.",
    )
    commands = forms.MultipleChoiceField(
        required=False,
        choices=CommandKind.choices,
        initial=every_command,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        label="Allowed commands",
    )

    class Meta:
        model = Agent
        fields = ("site", "name")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.fields["networks"].initial = "\n".join(self.instance.allowed_networks)
            self.fields["commands"].initial = self.instance.allowed_commands

    def clean_networks(self) -> list[str]:
        networks: list[str] = self.cleaned_data["networks"].split()
        try:
            validate_networks(networks)
        except ValidationError as error:
            raise forms.ValidationError(error.messages) from error
        return networks

    def save(self, commit: bool = True) -> Any:
        self.instance.allowed_networks = self.cleaned_data["networks"]
        self.instance.allowed_commands = self.cleaned_data["commands"]
        return super().save(commit)


class KeyInline(ScopedInline):
    """Keys, to look at: secrets are gone, and only actions change anything."""

    model = AgentKey
    site_lookup = "agent__site"
    may_add = may_change = False
    fields = ("prefix", "created_at", "expires_at", "revoked_at", "last_used_at")
    readonly_fields = fields

    def _reaches(self, request: HttpRequest, obj: Any) -> bool:
        """Django asks with the agent, which its page has checked."""
        return True


@admin.register(Agent)
class AgentAdmin(ScopedAdmin):
    """Site administrators keep the agents of their own sites."""

    form = AgentForm
    inlines: ClassVar = [KeyInline]
    change_form_template = "admin/agents/agent/change_form.html"
    list_display = ("name", "site", "state", "version", "last_seen_at")
    list_select_related = ("site",)
    list_filter = ("state", ("site", admin.RelatedOnlyFieldListFilter))
    search_fields = ("name",)
    fields: ClassVar = ["site", "name", "networks", "commands"]
    seen_fields = ("state", "version", "platform", "last_seen_at")

    def get_fields(self, request: HttpRequest, obj: Agent | None = None) -> Any:
        return self.fields if obj is None else [*self.fields, *self.seen_fields]

    def get_readonly_fields(self, request: HttpRequest, obj: Agent | None = None) -> Any:
        """What an agent brought belongs to its site: it never changes sites."""
        return () if obj is None else ("site", *self.seen_fields)

    def save_model(self, request: HttpRequest, obj: Agent, form: Any, change: bool) -> None:
        """Never what the agent itself writes meanwhile."""
        if not change:
            super().save_model(request, obj, form, change)
            return
        obj.save(update_fields=["name", "allowed_networks", "allowed_commands"])
        wake.look_again(obj.pk)

    def get_urls(self) -> list[Any]:
        own = [
            path(
                f"<int:pk>/{name}/",
                self.admin_site.admin_view(getattr(self, f"{name}_view")),
                name=f"agents_agent_{name}",
            )
            for name in ("code", "rotate", "revoke", "switch")
        ]
        return [*own, *super().get_urls()]

    def code_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """A one-time enrolment code, on the page that answers and nowhere else."""
        agent = self._agent(request, pk)
        code = keys.new_code(agent, actor=request.user, address=client_address(request))
        return self._secret(
            request,
            agent,
            "Enrolment code",
            code,
            "Enter it at the agent within 24 hours. It works once and ends other keys.",
        )

    def rotate_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        agent = self._agent(request, pk)
        try:
            key = keys.rotate(agent, actor=request.user, address=client_address(request))
        except NotPossible as error:
            self.message_user(request, str(error), "ERROR")
            return self._back(agent)
        return self._secret(
            request,
            agent,
            "New key",
            key,
            "Enter it at the agent. The keys before stay usable for 24 hours.",
        )

    def revoke_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Every key of the agent, at once."""
        agent = self._agent(request, pk)
        address = client_address(request)
        usable = agent.keys.filter(revoked_at=None, expires_at__gt=timezone.now())
        count = sum(keys.revoke(key, actor=request.user, address=address) for key in usable)
        self.message_user(request, f"{count} revoked.")
        return self._back(agent)

    def switch_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        agent = self._agent(request, pk)
        on = agent.state == AgentState.DISABLED
        if keys.switch(agent, on, actor=request.user, address=client_address(request)):
            self.message_user(request, "Switched on." if on else "Switched off.")
        return self._back(agent)

    def _agent(self, request: HttpRequest, pk: int) -> Agent:
        """The agent of a POST by who may change it; PermissionDenied for the rest."""
        agent: Agent | None = self.get_queryset(request).filter(pk=pk).first()
        if (
            request.method != "POST"
            or agent is None
            or not self.has_change_permission(request, agent)
        ):
            raise PermissionDenied
        return agent

    def _secret(
        self, request: HttpRequest, agent: Agent, title: str, secret: str, words: str
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": title,
            "agent": agent,
            "secret": secret,
            "words": words,
            "opts": self.opts,
        }
        return TemplateResponse(request, "admin/agents/agent/secret.html", context)

    @staticmethod
    def _back(agent: Agent) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:agents_agent_change", args=[agent.pk]))


@admin.register(AgentKey)
class AgentKeyAdmin(ScopedAdmin):
    """One key of several can be revoked here."""

    site_lookup = "agent__site"
    may_add = may_change = False
    audited_by_service = True
    list_display = ("prefix", "agent", "created_at", "expires_at", "revoked_at", "last_used_at")
    list_select_related = ("agent",)
    list_filter = ("revoked_at",)
    fields = ("agent", "prefix", "created_at", "expires_at", "revoked_at", "last_used_at")
    readonly_fields = fields
    actions: ClassVar = ["revoke"]

    @admin.action(description="Revoke: useless from now on")
    def revoke(self, request: HttpRequest, queryset: models.QuerySet[AgentKey]) -> None:
        address = client_address(request)
        count = sum(
            keys.revoke(key, actor=request.user, address=address)
            for key in queryset.select_related("agent")
        )
        self.message_user(request, f"{count} revoked.")


@admin.register(AgentCommand)
class AgentCommandAdmin(ScopedAdmin):
    """What agents were told, to look at; people command from the pages of agents."""

    shows_patients = True
    may_add = may_change = False
    site_lookup = "agent__site"
    list_display = ("id", "agent", "type", "state", "created_at", "finished_at")
    list_select_related = ("agent",)
    list_filter = ("state", "type")
    fields = (
        *("agent", "type", "state", "requester", "attempts", "code", "message"),
        *("created_at", "expires_at", "sent_at", "started_at", "finished_at"),
    )
    readonly_fields = fields

    def site_of(self, obj: AgentCommand) -> int:
        return int(obj.agent.site_id)
