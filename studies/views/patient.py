"""The page of a patient: all studies in time."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from pacs import audit
from pacs.accounts.addresses import page_origin
from studies.models import Study
from studies.tables import with_work
from studies.views.worklist import signed_in

PER_PAGE = 100


@require_GET
@signed_in
def patient(request: HttpRequest, pk: int) -> HttpResponse:
    """Every study of the patient that the person sees, the latest first. 404 where there is none.

    `pk` is a Patient's: one PatientID of one issuer at one site.
    """
    seen = Study.objects.visible_to(request.user).filter(patient_ref=pk)
    pages = Paginator(with_work(seen).order_by("-sort_day", "-study_time", "-id"), PER_PAGE)
    page = pages.get_page(request.GET.get("page"))
    if not page.object_list:
        raise Http404
    latest = page.object_list[0]
    audit.record(
        "patient.opened",
        actor=request.user,
        patient=pk,
        site=latest.site_id,
        detail={"studies": pages.count},
        **page_origin(request),
    )
    return render(
        request,
        "studies/patient.html",
        {"page": page, "latest": latest, "count": pages.count, "before": ""},
    )
