"""Destinations and sends in the admin."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminURLInputWidget

from pacs.accounts.scoped_admin import ScopedAdmin, is_superuser, sites_of
from studies.models import OrthancServer
from studies.sending.addresses import is_own_machine
from studies.sending.models import Destination, Send


class DestinationForm(forms.ModelForm):  # type: ignore[type-arg]
    """The authorization can be written and never read back, nor sent elsewhere."""

    may_name_own_machine = False
    url = forms.URLField(
        max_length=300,
        required=False,
        assume_scheme="https",
        widget=UnfoldAdminURLInputWidget,
        label="URL",
        help_text="Root of the service, above /studies: https://pacs.example/dicom-web",
    )
    new_authorization = forms.CharField(
        required=False,
        max_length=2000,
        label="Authorization",
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
        help_text='The header that the server asks for, such as "Bearer ...". Empty: stays.',
    )

    class Meta:
        model = Destination
        fields = (
            *("site", "name", "kind", "is_enabled", "orthanc_server", "ae_title", "host"),
            *("port", "url"),
        )

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if not self.may_name_own_machine:
            for field in ("host", "url"):
                value = cleaned.get(field) or ""
                host = (urlsplit(value).hostname or "") if field == "url" else value
                if host and is_own_machine(host):
                    self.add_error(field, "Only superusers may name the portal's own machine.")
        new = cleaned.get("new_authorization")
        if "url" in self.changed_data and self.instance.authorization and not new:
            # A secret never follows a change of address by itself.
            self.add_error("new_authorization", "Enter it again: the address has changed.")
        if new:
            self.instance.authorization = new
        return cleaned


@admin.register(Destination)
class DestinationAdmin(ScopedAdmin):
    """Site administrators keep the destinations of their own sites, through their own Orthanc."""

    form = DestinationForm
    list_display = ("name", "site", "kind", "is_enabled", "last_contact_at", "last_error")
    list_select_related = ("site",)
    list_filter = ("kind", "is_enabled", ("site", admin.RelatedOnlyFieldListFilter))
    readonly_fields = ("last_contact_at", "failures", "next_attempt_at", "last_error")
    fieldsets = (
        (None, {"fields": ("site", "name", "kind", "is_enabled")}),
        ("DICOM node", {"fields": ("orthanc_server", "ae_title", "host", "port")}),
        ("DICOMweb server", {"fields": ("url", "new_authorization")}),
        ("Health", {"fields": readonly_fields}),
    )

    def get_readonly_fields(
        self, request: HttpRequest, obj: Destination | None = None
    ) -> tuple[str, ...]:
        """What was sent there was sent by a site: a destination never changes sites."""
        return self.readonly_fields if obj is None else ("site", *self.readonly_fields)

    def get_form(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        form = super().get_form(request, *args, **kwargs)
        form.may_name_own_machine = is_superuser(request)
        return form

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "orthanc_server" and not is_superuser(request):
            kwargs["queryset"] = OrthancServer.objects.filter(site__in=sites_of(request))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)


@admin.register(Send)
class SendAdmin(ScopedAdmin):
    """What was sent, to look at; people cancel and retry on the page of sends."""

    shows_patients = True
    may_add = may_change = False
    site_lookup = "study__site"
    list_display = ("id", "study", "destination", "state", "done", "total", "created_at")
    list_select_related = ("study", "destination")
    list_filter = ("state",)
    readonly_fields = tuple(
        field.name for field in Send._meta.fields if field.name not in {"claim"}
    )
    fields = readonly_fields

    def site_of(self, obj: Send) -> int:
        return int(obj.study.site_id)
