"""Templates and macros in the admin: site administrators keep their site's, superusers everybody's.

What is a person's own is nobody else's business: it is not here.
"""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.views.decorators.http import require_POST
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from pacs.accounts.addresses import page_origin
from pacs.accounts.models import Site
from pacs.accounts.principal import principal_of
from pacs.accounts.scoped_admin import ScopedAdmin, is_superuser, sites_of
from reports.errors import BadContent, Refused, ReportError
from reports.templating import services, source
from reports.templating.models import Macro, ReportTemplate

LISTS = ("modalities", "body_parts", "procedure_codes")
EXAMPLE = """title = ""

[[sections]]
key = "clinical_information"

[[sections]]
key = "findings"
required = true
html = \"\"\"
Lungs:
Pleura:
\"\"\"
normal = \"\"\"
Lungs: Clear.
Pleura: No effusion.
\"\"\"

  [[sections.fields]]
  key = "nodule"
  label = "Largest nodule"
  kind = "number"
  unit = "mm"
  minimum = 1
  maximum = 300

[[sections]]
key = "impression"
required = true
normal = "No abnormality."
"""


class CommaList(forms.CharField):
    """A list of words, shown and read with commas."""

    widget = UnfoldAdminTextInputWidget

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        if isinstance(value, list):
            return value
        return [part.strip() for part in str(value or "").split(",") if part.strip()]

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(self.to_python(initial) != self.to_python(data))

    def validate(self, value: Any) -> None:
        """Nothing: the service says what is wrong."""

    def run_validators(self, value: Any) -> None:
        """Nothing, either."""


class SharedForm(forms.ModelForm):  # type: ignore[type-arg]
    """Rows of a site, or of everybody for superusers."""

    of_everybody = False

    def clean_site(self) -> Site | None:
        site: Site | None = self.cleaned_data["site"]
        if site is None and not self.of_everybody:
            raise forms.ValidationError("Choose your site.")
        return site


class TemplateForm(SharedForm):
    """The details, and the newest version as text."""

    modalities = CommaList(required=False, help_text="CT, MR. Empty: every modality")
    body_parts = CommaList(
        required=False, help_text="Body Part Examined, or words of study descriptions"
    )
    procedure_codes = CommaList(required=False, help_text="Of the RIS: such orders prefer it")
    text = forms.CharField(
        label="Template",
        strip=False,
        widget=UnfoldAdminTextareaWidget(
            attrs={"rows": 32, "spellcheck": "false", "class": "font-mono"}
        ),
        help_text="TOML: sections with text and the normal report, fields with kind, unit and"
        " choices. See docs/report-templates.md. Saving makes the next version.",
    )

    class Meta:
        model = ReportTemplate
        fields = ("site", "name", "language", *LISTS, "is_active")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        newest = services.newest_version(self.instance) if self.instance.pk else None
        if "text" in self.fields:
            self.fields["text"].initial = source.write(newest.body) if newest else EXAMPLE
        self.body: dict[str, Any] = newest.body if newest else {}

    def clean_text(self) -> str:
        text = str(self.cleaned_data["text"])
        try:
            self.body = source.read(text)
        except BadContent as error:
            raise forms.ValidationError(error.words) from error
        return text

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        said = {name: cleaned.get(name) for name in ("name", "language", *LISTS)}
        if not self.errors:
            try:
                cleaned.update(services.clean_details(said))
            except BadContent as error:
                raise forms.ValidationError(error.words) from error
        return cleaned


class MacroForm(SharedForm):
    """A macro, checked as the service does."""

    sections = CommaList(required=False, help_text="findings, impression. Empty: every section")
    modalities = CommaList(required=False, help_text="Empty: every modality")

    class Meta:
        model = Macro
        fields = ("site", "abbreviation", "html", "sections", "modalities", "language")

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if not self.errors:
            try:
                cleaned.update(services.clean_macro(cleaned))
            except BadContent as error:
                raise forms.ValidationError(error.words) from error
        return cleaned


class SharedAdmin(ScopedAdmin):
    """Everybody's rows are seen by site administrators and changed by superusers."""

    audited_by_service = True
    list_select_related = ("site",)

    def scope(self, request: HttpRequest, rows: models.QuerySet[Any]) -> models.QuerySet[Any]:
        shared = rows.filter(owner=None)
        if is_superuser(request):
            return shared
        return shared.filter(models.Q(site=None) | models.Q(site__in=sites_of(request)))

    def _reaches(self, request: HttpRequest, obj: Any) -> bool:
        """A person's own row is not even a superuser's to see."""
        if obj is not None and obj.pk is not None and obj.owner_id is not None:
            return False
        return super()._reaches(request, obj)

    def _may(self, request: HttpRequest, obj: Any) -> bool:
        return obj is None or services.may_change(principal_of(request.user), obj)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and self._may(request, obj)

    def get_form(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        form = super().get_form(request, *args, **kwargs)
        form.of_everybody = is_superuser(request)
        return form

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Reports that were made of it belong to its site: it never changes sites."""
        return () if obj is None else ("site",)


@admin.register(ReportTemplate)
class ReportTemplateAdmin(SharedAdmin):
    form = TemplateForm
    change_form_template = "admin/reports/reporttemplate/change_form.html"
    list_display = ("name", "whose", "language", "for_modalities", "versions_made", "is_active")
    list_filter = ("is_active", "language", ("site", admin.RelatedOnlyFieldListFilter))
    search_fields = ("name", "slug")
    fieldsets: ClassVar = [
        (None, {"fields": ["site", "name", "language", *LISTS, "is_active"]}),
        ("Template", {"fields": ["text"]}),
    ]

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        rows: models.QuerySet[Any] = super().get_queryset(request)
        numbered: models.QuerySet[Any] = rows.annotate(newest=models.Max("versions__number"))
        return numbered

    @admin.display(description="Of", ordering="site")
    def whose(self, template: ReportTemplate) -> str:
        return template.site.name if template.site else "everybody"

    @admin.display(description="Modalities")
    def for_modalities(self, template: ReportTemplate) -> str:
        return ", ".join(template.modalities) or "every"

    @admin.display(description="Version", ordering="newest")
    def versions_made(self, template: ReportTemplate) -> int:
        return getattr(template, "newest", None) or 0

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        said = {name: form.cleaned_data[name] for name in ("name", "language", *LISTS)}
        origin = page_origin(request)
        actor: Any = request.user
        if not change:
            made = services.create_template(
                actor, body=form.body, site=obj.site, origin=origin, **said
            )
            obj.pk, obj._state.adding = made.pk, False
            if not form.cleaned_data["is_active"]:
                services.set_active(actor, made, active=False, origin=origin)
            return
        # The form has put what is new on the row; the service compares with what is there.
        row = ReportTemplate.objects.get(pk=obj.pk)
        services.describe(actor, row, origin=origin, **said)
        services.revise(actor, row, form.body, origin=origin)
        services.set_active(actor, row, active=form.cleaned_data["is_active"], origin=origin)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Who may only look sees the template on its page, not as text."""
        if obj is not None and not self.has_change_permission(request, obj):
            return self.fieldsets[:1]
        return self.fieldsets

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(require_POST(self.copy_view))
        return [
            path("<int:pk>/copy/", view, name="reports_reporttemplate_copy"),
            *super().get_urls(),
        ]

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        template = kwargs.get("obj")
        if template is not None:
            context["template_versions"] = template.versions.select_related("author")
            context["copy_sites"] = Site.objects.filter(pk__in=sites_of(request))
        answer: HttpResponse = super().render_change_form(request, context, *args, **kwargs)
        return answer

    def copy_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """A copy for a site that the person administers."""
        template = self.get_queryset(request).filter(pk=pk).first()
        wanted = request.POST.get("site", "")
        sites = Site.objects.filter(pk__in=sites_of(request))
        site = sites.filter(pk=wanted).first() if wanted.isdecimal() else None
        if template is None or site is None:
            raise Http404
        try:
            made = services.copy(
                request.user,  # type: ignore[arg-type]
                template,
                site=site,
                origin=page_origin(request),
            )
        except ReportError as error:
            self.message_user(request, error.words, "ERROR")
            made = template
        return HttpResponseRedirect(reverse("admin:reports_reporttemplate_change", args=[made.pk]))


@admin.register(Macro)
class MacroAdmin(SharedAdmin):
    form = MacroForm
    may_delete = True
    list_display = ("abbreviation", "whose", "language")
    list_filter = (("site", admin.RelatedOnlyFieldListFilter),)
    search_fields = ("abbreviation",)

    @admin.display(description="Of", ordering="site")
    def whose(self, macro: Macro) -> str:
        return macro.site.name if macro.site else "everybody"

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and self._may(request, obj)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        said = {name: form.cleaned_data[name] for name in MacroForm.Meta.fields[1:]}
        row = Macro.objects.get(pk=obj.pk) if change else None
        made = services.save_macro(
            request.user,  # type: ignore[arg-type]
            row,
            site=obj.site,
            origin=page_origin(request),
            **said,
        )
        obj.pk, obj._state.adding = made.pk, False

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        services.delete_macro(request.user, obj, origin=page_origin(request))  # type: ignore[arg-type]

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """An abbreviation that is taken is said in words."""
        try:
            return super().changeform_view(request, *args, **kwargs)
        except Refused as error:
            self.message_user(request, error.words, "ERROR")
            return HttpResponseRedirect(request.get_full_path())
