"""Rules and quotas in the admin, each site's by its administrators. Off until somebody adds one."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminTextInputWidget

from pacs.accounts.scoped_admin import ScopedAdmin
from studies.retention.models import RetentionRule, SiteUsage


class RuleForm(forms.ModelForm):  # type: ignore[type-arg]
    """A modality as DICOM writes it; an age with the years that follow it."""

    class Meta:
        model = RetentionRule
        fields = (
            *("site", "modality", "years", "minor_age", "minor_years", "takes_unneeded"),
            *("takes_unsafe", "removes_backups", "is_enabled"),
        )

    def clean_modality(self) -> str:
        return str(self.cleaned_data["modality"]).strip().upper()

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if cleaned.get("minor_years") is not None and cleaned.get("minor_age") is None:
            self.add_error("minor_age", "Say from which age the years count.")
        return cleaned


@admin.register(RetentionRule)
class RetentionRuleAdmin(ScopedAdmin):
    """A rule deletes nothing: people propose and approve what it makes due."""

    form = RuleForm
    may_delete = True
    list_display = ("site", "modality", "years", "minor_age", "minor_years", "is_enabled")
    list_display_links = ("site", "modality")
    list_select_related = ("site",)
    list_filter = ("is_enabled", ("site", admin.RelatedOnlyFieldListFilter))


class UsageForm(forms.ModelForm):  # type: ignore[type-arg]
    """The quota in gigabytes, as people say it."""

    quota_gigabytes = forms.DecimalField(
        required=False,
        min_value=0,
        max_digits=10,
        decimal_places=3,
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal"}),
        label="Quota in GB",
        help_text="Of 10^9 bytes. Empty: no warnings. Images are taken in any case.",
    )

    class Meta:
        model = SiteUsage
        fields = ("site",)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if self.instance.quota_bytes:
            self.initial["quota_gigabytes"] = self.instance.quota_bytes / 10**9

    def save(self, commit: bool = True) -> Any:
        size = self.cleaned_data["quota_gigabytes"]
        self.instance.quota_bytes = int(size * 10**9) if size else None
        return super().save(commit)


@admin.register(SiteUsage)
class SiteUsageAdmin(ScopedAdmin):
    """Superusers set quotas; site administrators see theirs."""

    form = UsageForm
    only_superusers_write = True
    list_display = ("site", "quota_bytes", "used_bytes", "counted_at")
    list_select_related = ("site",)
    fields = ("site", "quota_gigabytes", "used_bytes", "counted_at")
    readonly_fields = ("used_bytes", "counted_at")

    def get_fields(self, request: HttpRequest, obj: SiteUsage | None = None) -> Any:
        if self.has_change_permission(request, obj):
            return self.fields
        return ("site", "quota_bytes", "used_bytes", "counted_at")

    def get_readonly_fields(self, request: HttpRequest, obj: SiteUsage | None = None) -> Any:
        return (*self.readonly_fields, "site") if obj is not None else self.readonly_fields
