"""Orthanc servers, quarantine, studies and grants in the admin."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from cryptography.x509 import load_pem_x509_certificates
from django import forms
from django.contrib import admin
from django.core.validators import URLValidator
from django.db import models
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.html import format_html_join
from unfold.widgets import (
    UnfoldAdminPasswordWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminURLInputWidget,
)

from pacs import audit, events
from pacs.accounts.models import Membership, Role, User
from pacs.accounts.scoped_admin import ScopedAdmin, is_superuser, sites_of
from studies.models import OrthancServer, QuarantinedFile, Study, StudyGrant
from studies.orders.admin import OrderedFilter
from studies.services.quarantine import header_of


class OrthancServerForm(forms.ModelForm):  # type: ignore[type-arg]
    """Secrets can be written and never read back."""

    base_url = forms.URLField(
        max_length=300,
        assume_scheme="http",
        validators=[URLValidator(schemes=["http", "https"])],
        widget=UnfoldAdminURLInputWidget,
        label="Address",
        help_text="Of Orthanc's REST API, such as http://orthanc.example:8042",
    )
    new_password = forms.CharField(
        required=False,
        label="Password",
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
        help_text="Empty: stays as it is.",
    )
    new_webhook_secret = forms.CharField(
        required=False,
        min_length=24,
        label="Webhook secret",
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
        help_text="The plugin signs its hints with it. Empty: stays as it is.",
    )

    tls_ca = forms.CharField(
        required=False,
        label="Certificate authority",
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 6, "spellcheck": "false"}),
        help_text="Certificates in PEM, for an https address whose certificate no public authority"
        " has signed. Empty: those that the system trusts.",
    )

    class Meta:
        model = OrthancServer
        fields = ("site", "slug", "name", "base_url", "tls_ca", "username", "is_enabled")

    def clean_tls_ca(self) -> str:
        text: str = self.cleaned_data["tls_ca"].strip()
        if text:
            try:
                load_pem_x509_certificates(text.encode())
            except ValueError:
                raise forms.ValidationError(
                    "These are no certificates in PEM: -----BEGIN CERTIFICATE----- and so on."
                ) from None
            if "PRIVATE KEY" in text:
                raise forms.ValidationError("Leave the private key where it is.")
        return text

    def clean_base_url(self) -> str:
        url: str = self.cleaned_data["base_url"]
        if urlsplit(url).username is not None:
            raise forms.ValidationError("User name and password have fields of their own.")
        return url.rstrip("/")

    def save(self, commit: bool = True) -> Any:
        for field in ("password", "webhook_secret"):
            if value := self.cleaned_data[f"new_{field}"]:
                setattr(self.instance, field, value)
        return super().save(commit)


@admin.register(OrthancServer)
class OrthancServerAdmin(ScopedAdmin):
    """Site administrators see how their servers do; only superusers say where the portal calls."""

    form = OrthancServerForm
    only_superusers_write = True
    list_display = ("name", "site", "is_enabled", "health", "last_contact_at", "lag", "last_error")
    list_select_related = ("site",)
    fieldsets = (
        (
            None,
            {"fields": ("site", "slug", "name", "base_url", "tls_ca", "username", "is_enabled")},
        ),
        ("Secrets", {"fields": ("new_password", "new_webhook_secret")}),
        ("Health", {"fields": ("health", "last_contact_at", "lag", "last_error", "cursor")}),
    )
    readonly_fields = ("health", "last_contact_at", "lag", "last_error", "cursor")

    def get_fieldsets(self, request: HttpRequest, obj: OrthancServer | None = None) -> Any:
        if is_superuser(request):
            return self.fieldsets
        return (self.fieldsets[0], self.fieldsets[2])

    def get_readonly_fields(
        self, request: HttpRequest, obj: OrthancServer | None = None
    ) -> tuple[str, ...]:
        """The images of a server that is followed belong to its site for good."""
        return self.readonly_fields if obj is None else ("site", *self.readonly_fields)

    @admin.display(description="Health")
    def health(self, server: OrthancServer) -> str:
        if not server.is_enabled:
            return "Switched off"
        if server.last_contact_at is None:
            return "Never reached"
        if server.failures:
            return f"Failing since {server.failures} attempts"
        return "Good" if not server.lag else "Catching up"

    @admin.display(description="Changes behind")
    def lag(self, server: OrthancServer) -> int:
        return server.lag


@admin.register(QuarantinedFile)
class QuarantinedFileAdmin(ScopedAdmin):
    shows_patients = notes_opening = True
    may_add = may_change = False
    list_display = ("received_at", "site", "words", "source", "file_size", "times_received")
    list_select_related = ("site",)
    list_filter = ("is_open", ("site", admin.RelatedOnlyFieldListFilter))
    search_fields = ("=file_sha256", "=sop_instance_uid", "=study_instance_uid")
    fields = (
        *("words", "site", "source", "received_at", "times_received", "is_open", "file_size"),
        *("file_sha256", "study_instance_uid", "sop_instance_uid", "summary"),
    )

    @admin.display(description="Reason")
    def words(self, file: QuarantinedFile) -> str:
        return file.words

    @admin.display(description="Header")
    def summary(self, file: QuarantinedFile) -> str:
        rows = header_of(file)
        if not file.archive_key:
            return "The portal does not have the file."
        if not rows:
            return "The header cannot be read safely."
        return format_html_join("", "<div>{}: {}</div>", rows)

    def change_view(
        self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any
    ) -> HttpResponseBase:
        response: HttpResponseBase = super().change_view(request, object_id, *args, **kwargs)
        file = self.get_object(request, object_id)
        if file is not None:
            audit.record_read(
                "quarantine.opened",
                request=request,
                site=file.site_id,
                detail={"file": str(file.pk)},
            )
        return response


@admin.register(Study)
class StudyAdmin(ScopedAdmin):
    """Read-mostly: what images say is changed by corrections, never here."""

    shows_patients = notes_opening = True
    may_add = False
    list_display = (
        *("id", "site", "study_day", "modalities", "accession_number", "number_of_instances"),
        *("arrival", "reading_state", "priority", "received_at"),
    )
    list_select_related = ("site",)
    list_filter = (
        "arrival",
        "reading_state",
        "priority",
        OrderedFilter,
        ("site", admin.RelatedOnlyFieldListFilter),
    )
    search_fields = ("=study_instance_uid", "=accession_number", "=patient_id")
    ordering = ("-id",)
    exclude = ("search_text", "patient_ref")

    def get_readonly_fields(self, request: HttpRequest, obj: Study | None = None) -> list[str]:
        hidden = {"priority", *self.exclude}
        return [field.name for field in Study._meta.fields if field.name not in hidden]

    def save_model(self, request: HttpRequest, obj: Study, form: Any, change: bool) -> None:
        """Only what the form changes is written: images may be arriving meanwhile."""
        if form.changed_data:
            obj.save(update_fields=form.changed_data)
            events.publish("study.changed", site=obj.site_id, study=obj.pk)

    def change_view(
        self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any
    ) -> HttpResponseBase:
        response: HttpResponseBase = super().change_view(request, object_id, *args, **kwargs)
        study = self.get_object(request, object_id)
        if study is not None:
            audit.record_read("study.described", request=request, study=study)
        return response


@admin.register(StudyGrant)
class StudyGrantAdmin(ScopedAdmin):
    """Shows a study to a referrer of its site."""

    shows_patients = True
    site_lookup = "study__site"
    may_change = False
    may_delete = True
    list_display = ("study", "user", "granted_by", "created_at", "expires_at")
    list_select_related = ("user", "granted_by")
    fields = ("study", "user", "expires_at")
    raw_id_fields = ("study",)
    search_fields = ("=study__study_instance_uid", "user__username")

    def site_of(self, obj: StudyGrant) -> int:
        return obj.study.site_id

    def user_choices(self, request: HttpRequest) -> models.QuerySet[User]:
        here = Membership.objects.filter(site__in=sites_of(request), role=Role.REFERRER)
        return User.objects.filter(is_superuser=False, pk__in=here.values("user"))

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "study":
            kwargs["queryset"] = Study.objects.visible_to(request.user).filter(
                site__in=sites_of(request)
            )
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: StudyGrant, form: Any, change: bool) -> None:
        actor: Any = request.user
        obj.granted_by = actor
        obj.created_at = timezone.now()
        super().save_model(request, obj, form, change)


# Pages of packages of this app.
from studies.reading import admin as reading_admin  # noqa: E402, F401
from studies.retention import admin as retention_admin  # noqa: E402, F401
from studies.sending import admin as sending_admin  # noqa: E402, F401
