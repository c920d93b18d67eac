"""The viewer page: who the patient is, which series there are, where their images come from."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render, resolve_url
from django.urls import reverse
from django.views.decorators.http import require_GET
from django.views.decorators.vary import vary_on_headers

from pacs.accounts.principal import Principal, principal_of
from pacs.audit import record_read
from studies.annotations.services import may_annotate
from studies.corrections.models import RejectedStudy
from studies.displays import services as displays
from studies.exports.access import Kind, may_export
from studies.hanging.services import offered
from studies.managers import StudyQuerySet
from studies.models import Instance, Study
from studies.preferences import services as preferences
from studies.reading import people
from studies.reading.states import BEING_READ
from studies.retention import notice
from studies.views.worklist import signed_in

MOST_PRIORS = 20


def series_state(study: Study, root: str) -> list[dict[str, Any]]:
    """The series of a study as the viewer's rail shows them."""
    classes: dict[int, set[str]] = {}
    held = Instance.objects.filter(series__study=study).order_by()
    for series_id, sop_class_uid in held.values_list("series_id", "sop_class_uid").distinct():
        classes.setdefault(series_id, set()).add(sop_class_uid)
    return [
        {
            "uid": series.series_instance_uid,
            "modality": series.modality,
            "number": series.series_number,
            "description": series.series_description,
            "bodyPart": series.body_part_examined,
            "laterality": series.laterality,
            "count": series.number_of_instances,
            "sopClasses": sorted(classes.get(series.pk, ())),
            "thumbnail": (
                f"{root}/studies/{study.study_instance_uid}"
                f"/series/{series.series_instance_uid}/thumbnail"
            ),
        }
        for series in study.series.order_by("series_number", "id")
    ]


def same_patient(study: Study, who: Principal) -> StudyQuerySet:
    """Other studies of the study's patient that `who` may see, newest first.

    The same patient is one PatientID of one issuer at one site, never a name; a study without a
    PatientID has no others.
    """
    found: StudyQuerySet = Study.objects.visible_to(who)
    return (
        found.filter(site_id=study.site_id, patient_ref_id=study.patient_ref_id)
        .exclude(patient_id="")
        .exclude(pk=study.pk)
        .order_by("-sort_day", "-id")
    )


def images_state(study: Study) -> dict[str, Any]:
    """Where the images of a study come from, and whose they are."""
    root = f"/dicom-web/sites/{study.site.slug}"
    page = f"{reverse('worklist')}studies/{study.pk}/"
    return {
        "dicomweb": root,
        "documentsURL": f"{page}documents/",
        "statesURL": f"{page}presentation-states/",
        "study": {
            "id": study.pk,
            "uid": study.study_instance_uid,
            "date": study.study_date,
            "description": study.study_description,
        },
        "patient": {
            "ref": study.patient_ref_id,
            "id": study.patient_id,
            "name": study.patient_name,
        },
        "series": series_state(study, root),
        "imagesDeleted": notice.number_deleted(study),
    }


def viewer_state(study: Study, who: Principal) -> dict[str, Any]:
    """What the scripts of the page need: data, never markup."""
    page = reverse("view-study", args=[study.pk])
    return images_state(study) | {
        "stateURL": page,
        "loginURL": f"{resolve_url(settings.LOGIN_URL)}?next={page}",
        "priorURL": f"{reverse('worklist')}studies/{study.pk}/prior/",
        "protocolsURL": reverse("api-hanging-protocols"),
        "site": study.site_id,
        "user": who.user_id,
        "isReading": study.reader_id == who.user_id and study.reading_state in BEING_READ,
        "priors": [
            {"id": prior.pk, "date": prior.study_date, "modalities": prior.modality_list}
            for prior in same_patient(study, who)[:MOST_PRIORS]
        ],
        "protocols": offered(who, study.site_id),
        "preferences": preferences.described(who.user_id),
        "preferencesURL": reverse("api-viewer-preferences"),
    }


@require_GET
@signed_in
def prior_state(request: HttpRequest, pk: int, prior: int) -> HttpResponseBase:
    """What the viewer of one study needs to show another of the same patient beside it.

    404 for a study of anybody else, whoever may see it.
    """
    who = principal_of(request.user)
    visible = Study.objects.visible_to(who)
    study = get_object_or_404(visible.select_related("site"), pk=pk)
    found = get_object_or_404(same_patient(study, who).select_related("site"), pk=prior)
    record_read("study.opened", request=request, study=found)
    return JsonResponse(images_state(found))


@require_GET
@vary_on_headers("Accept")
@signed_in
def view_study(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The viewer of one study; asked for JSON, only the state that its scripts work on."""
    visible = Study.objects.visible_to(request.user, rejected=True).select_related("site")
    study = get_object_or_404(visible, pk=pk)
    record_read("study.opened", request=request, study=study)
    who = principal_of(request.user)
    state = viewer_state(study, who)
    if request.get_preferred_type(["text/html", "application/json"]) == "application/json":
        return JsonResponse(state)
    works = people.works(who, study.site_id)
    context = {
        "study": study,
        "state": state,
        "works": works,
        "note_count": study.notes.count() if works else 0,
        "shows_report": who.is_superuser or study.site_id in who.whole_sites,
        "corrects": Study.objects.correctable_by(who).filter(pk=study.pk).exists(),
        "corrected_after_signing": (
            (who.is_superuser or study.site_id in who.whole_sites)
            and study.touched_by.filter(after_signing=True).exists()
        ),
        "rejected": who.is_superuser and RejectedStudy.objects.filter(study=study).exists(),
        "retention": notice.of(study) if works else [],
        "display_checked": displays.last_at(who.user_id),
        "exports_picture": may_export(who, study.site_id, Kind.PICTURE),
        "exports_study": may_export(who, study.site_id, Kind.STUDY),
        "may_annotate": may_annotate(who, study.site_id),
    }
    return render(request, "studies/viewer.html", context)
