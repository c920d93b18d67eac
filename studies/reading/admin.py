"""Turnarounds and rules of assignment in the admin, each site's by its administrators."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminTextInputWidget

from pacs.accounts.models import User
from pacs.accounts.scoped_admin import ScopedAdmin, sites_of
from studies.reading import assignment
from studies.reading.models import AssignmentRule, Turnaround
from studies.reading.people import READER, radiologists

MOST = 40


class WordsField(forms.Field):
    """Words with commas between them, kept as a list."""

    widget = UnfoldAdminTextInputWidget

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> list[str]:
        """Raises ValidationError for more words, or longer ones, than anybody means."""
        parts = value if isinstance(value, list) else str(value or "").split(",")
        words = [word.strip() for word in parts if word.strip()]
        if len(words) > MOST or any(len(word) > 64 for word in words):
            raise forms.ValidationError(f"At most {MOST} words of at most 64 characters.")
        return words

    def has_changed(self, initial: Any, data: Any) -> bool:
        return (initial or []) != self.to_python(data)


class RuleForm(forms.ModelForm):  # type: ignore[type-arg]
    """What a rule is about, in words; whom it names must read at its site."""

    modalities = WordsField(required=False, help_text="CT, MR. Empty: any.")
    body_parts = WordsField(
        required=False,
        help_text="CHEST, knee: in the body part or the description. Empty: any.",
    )
    words = WordsField(
        required=False,
        help_text="Words of a subspecialty in the description: neuro, spine. Empty: any.",
    )

    class Meta:
        model = AssignmentRule
        fields = (
            *("site", "name", "position", "is_enabled", "modalities", "body_parts", "words"),
            *("radiologists", "max_open"),
        )

    def clean_modalities(self) -> list[str]:
        return [word.upper() for word in self.cleaned_data["modalities"]]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        site, people = cleaned.get("site"), cleaned.get("radiologists")
        if site is not None and people is not None:
            there = set(radiologists(site).values_list("pk", flat=True))
            if others := [str(person) for person in people if person.pk not in there]:
                self.add_error(
                    "radiologists", f"Does not read studies of this site: {', '.join(others)}"
                )
        return cleaned


@admin.register(AssignmentRule)
class AssignmentRuleAdmin(ScopedAdmin):
    """The first rule of a site that fits a study decides; a change counts for waiting studies."""

    form = RuleForm
    may_delete = True
    list_display = ("name", "site", "position", "is_enabled", "max_open")
    list_select_related = ("site",)
    list_filter = ("is_enabled", ("site", admin.RelatedOnlyFieldListFilter))

    def user_choices(self, request: HttpRequest) -> models.QuerySet[User]:
        return User.objects.filter(
            is_active=True,
            memberships__role=READER,
            memberships__site__in=sites_of(request),
        ).distinct()

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "radiologists":
            kwargs["queryset"] = self.user_choices(request)
        return super(ScopedAdmin, self).formfield_for_manytomany(db_field, request, **kwargs)

    def save_related(self, request: HttpRequest, form: Any, *args: Any, **kwargs: Any) -> None:
        super().save_related(request, form, *args, **kwargs)
        assignment.rules_changed(form.instance.site_id)


@admin.register(Turnaround)
class TurnaroundAdmin(ScopedAdmin):
    """Where a site names none: 60 minutes for STAT, 240 for urgent, 1440 for routine."""

    may_delete = True
    list_display = ("site", "priority", "minutes")
    list_select_related = ("site",)
    list_filter = ("priority", ("site", admin.RelatedOnlyFieldListFilter))
    fields = ("site", "priority", "minutes")
