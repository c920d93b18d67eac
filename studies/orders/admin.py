"""Orders and proposed corrections in the admin, to look at: the RIS changes the ones, the
correction desk decides on the others."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from pacs.accounts.scoped_admin import ScopedAdmin
from pacs.audit import record_read
from studies.orders.models import CorrectionProposal, Order


class LinkedFilter(admin.SimpleListFilter):
    """Orders without a study, and with."""

    title = "study"
    parameter_name = "linked"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("no", "None yet"), ("yes", "Linked")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() not in {"yes", "no"}:
            return queryset
        return queryset.filter(study__isnull=self.value() == "no")


class OrderedFilter(admin.SimpleListFilter):
    """Studies with an accession number and no order, and studies with one."""

    title = "order"
    parameter_name = "ordered"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("no", "None, with an accession number"), ("yes", "Linked")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() == "no":
            return queryset.filter(orders=None).exclude(accession_number="")
        if self.value() == "yes":
            return queryset.filter(orders__isnull=False).distinct()
        return queryset


class ReadOnlyAdmin(ScopedAdmin):
    """Rows to look at; opening one is in the audit trail."""

    shows_patients = notes_opening = True
    may_add = may_change = False
    list_select_related = ("site",)
    read_action = ""

    def change_view(
        self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any
    ) -> HttpResponseBase:
        response: HttpResponseBase = super().change_view(request, object_id, *args, **kwargs)
        row = self.get_object(request, object_id)
        if row is not None:
            record_read(
                self.read_action, request=request, site=row.site_id, detail={"id": str(row.pk)}
            )
        return response


@admin.register(Order)
class OrderAdmin(ReadOnlyAdmin):
    read_action = "order.opened"
    list_display = (
        *("id", "site", "accession_number", "modality", "requested_procedure_description"),
        *("scheduled_at", "priority", "status", "study", "match_problem"),
    )
    list_filter = (
        "status",
        LinkedFilter,
        "match_problem",
        ("site", admin.RelatedOnlyFieldListFilter),
    )
    search_fields = ("=accession_number", "=placer_order_number", "=patient_id")
    fields = tuple(field.name for field in Order._meta.fields)
    readonly_fields = fields


@admin.register(CorrectionProposal)
class CorrectionProposalAdmin(ReadOnlyAdmin):
    read_action = "correction.opened"
    list_display = ("id", "site", "kind", "state", "patient_ref", "source", "created_at")
    list_filter = ("state", "kind", ("site", admin.RelatedOnlyFieldListFilter))
    fields = tuple(field.name for field in CorrectionProposal._meta.fields)
    readonly_fields = fields
