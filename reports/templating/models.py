"""Templates, their versions, and macros."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Coalesce
from django.utils import timezone

from pacs.accounts.models import Site
from pacs.accounts.principal import principal_or_none


class SharedQuerySet(models.QuerySet[Any]):
    """Rows of everybody (no site, no owner), of a site, or of one person."""

    def visible_to(self, who: Any) -> Any:
        principal = principal_or_none(who)
        if principal is None or not (principal.is_superuser or principal.whole_sites):
            return self.none()
        everybody = Q(site=None, owner=None)
        own = Q(owner=principal.user_id)
        if principal.is_superuser:
            return self.filter(Q(owner=None) | own)
        return self.filter(everybody | own | Q(site_id__in=principal.whole_sites, owner=None))


class ReportTemplate(models.Model):
    """A template by name; what it says is in its versions. Retired ones stay for old drafts."""

    slug = models.SlugField(max_length=60, blank=True, help_text="Of the start set")
    site = models.ForeignKey(
        Site, on_delete=models.PROTECT, null=True, blank=True, related_name="report_templates"
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    name = models.CharField(max_length=120)
    language = models.CharField(max_length=12, default="en", help_text="BCP 47")
    modalities = models.JSONField(default=list, blank=True, help_text='["CT"]; empty: every')
    body_parts = models.JSONField(default=list, blank=True, help_text="Body Part Examined or words")
    procedure_codes = models.JSONField(default=list, blank=True)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = SharedQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["slug"], condition=~Q(slug=""), name="template_slug_once"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class TemplateVersion(models.Model):
    """What a template says, never changed once it is there.

    `body` = {"title", "sections": [{"key", "title", "html", "normal", "required", "fields":
    [{"key", "label", "kind", "unit", "choices", "default", "required", "minimum", "maximum"}]}]};
    `normal` is the text of the normal report.
    """

    template = models.ForeignKey(ReportTemplate, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    body = models.JSONField()
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["template", "-number"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["template", "number"], name="template_version_once"),
        ]

    def __str__(self) -> str:
        return f"version {self.number} of template {self.template_id}"

    def save(self, *args: Any, **options: Any) -> None:
        """Once: drafts and signed reports name their version. Raises TypeError the second time."""
        if not self._state.adding:
            raise TypeError("A version of a template never changes; make the next one.")
        super().save(*args, **options)

    def delete(self, *args: Any, **options: Any) -> tuple[int, dict[str, int]]:
        """Never: raises TypeError."""
        raise TypeError("A version of a template stays; retire the template.")


class Macro(models.Model):
    """Autotext: `abbreviation` becomes `html` while somebody types."""

    site = models.ForeignKey(
        Site, on_delete=models.PROTECT, null=True, blank=True, related_name="macros"
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, blank=True, related_name="+"
    )
    abbreviation = models.CharField(max_length=24)
    html = models.TextField(max_length=20_000)
    sections = models.JSONField(default=list, blank=True, help_text="Section keys; empty: all")
    modalities = models.JSONField(default=list, blank=True)
    language = models.CharField(max_length=12, blank=True)

    objects = SharedQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["abbreviation"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                Coalesce("site", 0), Coalesce("owner", 0), "abbreviation", name="macro_once"
            ),
        ]

    def __str__(self) -> str:
        return self.abbreviation
