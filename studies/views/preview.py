"""The drawer beside the worklist: what a study is, before it is opened."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from pacs.accounts.principal import principal_of
from pacs.audit import record_read
from studies.models import Study
from studies.reading import people
from studies.reading.models import StudyNote
from studies.tables import with_work
from studies.views.viewer import series_state
from studies.views.worklist import signed_in

MOST_SERIES = 24
MOST_OTHERS = 8
MOST_NOTES = 5


@signed_in
@require_GET
def preview(request: HttpRequest, pk: int) -> HttpResponse:
    """Pictures, order, other studies of the patient, notes. 404 for a study that is not seen.

    Orders and notes only for those who see the site whole: referrers read neither.
    """
    who = principal_of(request.user)
    visible = Study.objects.visible_to(who)
    study = get_object_or_404(with_work(visible), pk=pk)
    record_read("study.previewed", request=request, study=study)
    whole = who.is_superuser or study.site_id in who.whole_sites
    others = visible.filter(patient_ref=study.patient_ref_id).exclude(pk=pk)
    found = list(with_work(others).order_by("-sort_day", "-study_time", "-id")[: MOST_OTHERS + 1])
    notes = StudyNote.objects.filter(study=study).select_related("author").order_by("-at", "-id")
    series = series_state(study, f"/dicom-web/sites/{study.site.slug}")
    return render(
        request,
        "studies/_preview.html",
        {
            "study": study,
            "series": series[:MOST_SERIES],
            "more_series": max(0, len(series) - MOST_SERIES),
            "whole": whole,
            "orders": list(study.orders.order_by("-id")[:2]) if whole else [],
            "others": found[:MOST_OTHERS],
            "more_others": len(found) > MOST_OTHERS,
            "notes": list(notes[:MOST_NOTES]) if whole else [],
            "reads": people.reads(who, study.site_id),
            "works": people.works(who, study.site_id),
            "corrects": Study.objects.correctable_by(who).filter(pk=pk).exists(),
        },
    )
