"""Letterheads in the admin."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html

from pacs.accounts.scoped_admin import ScopedAdmin
from reports.errors import BadContent, ReportError
from reports.letterhead import services
from reports.letterhead.models import Letterhead
from reports.output import pdf


class LetterheadForm(forms.ModelForm):  # type: ignore[type-arg]
    """A letterhead; the logo is a file that is looked into."""

    new_logo = forms.FileField(
        required=False, label="Logo", help_text="PNG or JPEG, at most 256 KB. Empty: as it is."
    )
    remove_logo = forms.BooleanField(required=False, label="No logo")

    class Meta:
        model = Letterhead
        fields: ClassVar = ("site", "heading", "address", "footer", "paper", "language")

    def clean_language(self) -> str:
        language = str(self.cleaned_data["language"]).strip()
        if not language.replace("-", "").isalnum() or not language.isascii():
            raise forms.ValidationError("A language as BCP 47 names it, such as de or pt-BR.")
        return language

    def clean_new_logo(self) -> bytes | None:
        file = self.cleaned_data.get("new_logo")
        if not file:
            return None
        try:
            return services.checked_logo(file.read(services.MOST_LOGO + 1))
        except BadContent as error:
            raise forms.ValidationError(error.words) from None

    def save(self, commit: bool = True) -> Letterhead:
        if logo := self.cleaned_data.get("new_logo"):
            self.instance.logo = logo
        elif self.cleaned_data.get("remove_logo"):
            self.instance.logo = None
        letterhead: Letterhead = super().save(commit)
        return letterhead


@admin.register(Letterhead)
class LetterheadAdmin(ScopedAdmin):
    """Of reports that are made from now on; PDFs that are made stay as they are."""

    form = LetterheadForm
    list_display = ("site", "heading", "paper", "language")
    list_select_related = ("site",)
    fields = (
        *("site", "heading", "address", "footer"),
        *("new_logo", "remove_logo", "paper", "language", "shown"),
    )
    readonly_fields = ("shown",)

    @admin.display(description="Preview")
    def shown(self, letterhead: Letterhead) -> str:
        if letterhead.pk is None:
            return "After it is saved."
        url = reverse("admin:reports_letterhead_preview", args=[letterhead.pk])
        return format_html('<a href="{}">A page with this letterhead</a>', url)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """A letterhead stays its site's."""
        return self.readonly_fields if obj is None else ("site", *self.readonly_fields)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.preview)
        mine = path("<int:pk>/preview/", view, name="reports_letterhead_preview")
        return [mine, *super().get_urls()]

    def preview(self, request: HttpRequest, pk: int) -> HttpResponse:
        """A page with the letterhead, as PDF."""
        letterhead = self.get_queryset(request).select_related("site").filter(pk=pk).first()
        if letterhead is None or not self.has_view_permission(request, letterhead):
            raise Http404
        try:
            found = pdf.sample(letterhead)
        except ReportError as error:
            return HttpResponse(error.words, status=503, content_type="text/plain; charset=utf-8")
        return HttpResponse(
            found, content_type="application/pdf", headers={"Cache-Control": "no-store"}
        )
