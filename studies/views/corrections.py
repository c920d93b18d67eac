"""The correction desk: a study's page, its preview, what was corrected and how to take it back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.core.paginator import Paginator
from django.db import OperationalError
from django.db.models import Count, OuterRef, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from pacs import audit
from pacs.accounts.addresses import page_origin
from pacs.accounts.principal import principal_of
from pacs.audit import record_read
from studies.corrections import services
from studies.corrections.attributes import ATTRIBUTES, readable, text_of
from studies.corrections.errors import CorrectionError, Refused
from studies.corrections.models import (
    CODES,
    REASONS_OF_REJECTION,
    Correction,
    Reason,
    RejectedStudy,
)
from studies.corrections.services import Outcome, Why
from studies.managers import CORRECTORS
from studies.models import Instance, Series, Study
from studies.orders.models import CorrectionProposal, ProposalState
from studies.retention.proposals import may_decide
from studies.tables import page_of
from studies.views.worklist import signed_in

PAGE_SIZE = 50
SHOWN_IMAGES = 400
SHOWN_STUDIES = 200
TITLES = {
    "facts": "Correct facts",
    "move": "Move series",
    "merge": "Merge patients",
    "reject": "Reject images",
    "reject-study": "Reject the study",
    "proposal": "Do what the HIS proposes",
}
BUSY = "The study is being written to just now. Nothing was changed: try again."


def _corrects(request: HttpRequest) -> None:
    """Lets those through who correct anywhere."""
    who = principal_of(request.user)
    if not who.is_superuser and not any(role in CORRECTORS for _, role in who.roles):
        raise Http404


def _study(request: HttpRequest, pk: int) -> Study:
    found: Study = get_object_or_404(
        Study.objects.correctable_by(request.user).select_related("site", "patient_ref", "reader"),
        pk=pk,
    )
    return found


def _numbers(values: list[str]) -> list[int]:
    return [int(value) for value in values if value.isdecimal() and len(value) < 19]


def _fields(study: Study, said: Any = None) -> list[dict[str, Any]]:
    rows = []
    for one in ATTRIBUTES:
        value = readable(one.column, text_of(study, one.keyword))
        rows.append(
            {
                "name": one.keyword,
                "label": one.label,
                "value": said.get(one.keyword, value) if said else value,
                "of_patient": one.of_patient,
                "longest": 200 if one.vr == "PN" else max(one.length, len(value), 10),
            }
        )
    return rows


def _context(request: HttpRequest, study: Study) -> dict[str, Any]:
    series: list[tuple[Series, list[Instance]]] = []
    left = SHOWN_IMAGES
    for one in study.series.filter(number_of_instances__gt=0).order_by("series_number", "id"):
        rows = one.instances.order_by("instance_number", "id").only("id", "instance_number")
        series.append((one, list(rows[:left])))
        left -= len(series[-1][1])
    others = Study.objects.correctable_by(request.user).kept().filter(site=study.site_id)
    same = others.exclude(pk=study.pk).filter(patient_ref=study.patient_ref_id)
    proposals = CorrectionProposal.objects.filter(
        site=study.site_id, state=ProposalState.OPEN
    ).filter(Q(patient_ref=study.patient_ref_id))
    return {
        "study": study,
        "fields": _fields(study),
        "series": series,
        "root": f"/dicom-web/sites/{study.site.slug}/studies/{study.study_instance_uid}",
        "same_patient": list(same.order_by("-study_day", "-id")[:SHOWN_STUDIES]),
        "of_patient_count": same.count(),
        "history": Correction.objects.filter(studies=study)
        .select_related("actor", "undone_by")
        .order_by("-id")[:50],
        "proposals": list(proposals),
        "reasons": [(one.value, one.label) for one in Reason],
        "rejections": [(one.value, _rejection_label(one)) for one in REASONS_OF_REJECTION],
        "decides": may_decide(request.user, study.site_id),
        "rejection": RejectedStudy.objects.filter(study=study).first(),
    }


def _rejection_label(reason: Reason) -> str:
    code = CODES.get(reason)
    return f"{reason.label} (DCM {code[0]})" if code else str(reason.label)


@require_http_methods(["GET", "POST"])
@signed_in
def desk(request: HttpRequest, pk: int) -> HttpResponse:
    """A study at the desk. POST: a preview of what was asked; with `confirmed` it is done."""
    study = _study(request, pk)
    record_read("study.correction_opened", request=request, study=study)
    context = _context(request, study)
    if request.method != "POST":
        return render(request, "corrections/desk.html", context)
    do = request.POST.get("do", "")
    if do not in TITLES:
        raise Http404
    confirmed = "confirmed" in request.POST
    try:
        outcome = _asked(request, study, do)(not confirmed)
    except CorrectionError as error:
        at = "series" if do in ("move", "reject") else do
        context |= {"problem": error.words, "at": at, "field": error.field, "said": request.POST}
        if do == "facts":
            context["fields"] = _fields(study, request.POST)
        status = 409 if error.code == "stale" else 400
        return render(request, "corrections/desk.html", context, status=status)
    except OperationalError:
        context |= {"problem": BUSY, "at": do, "said": request.POST}
        return render(request, "corrections/desk.html", context, status=409)
    _note_shown(request, study, outcome)
    if confirmed and outcome.correction is not None:
        return redirect("correction", outcome.correction.pk)
    return render(
        request,
        "corrections/confirm.html",
        {
            "study": study,
            "outcome": outcome,
            "title": TITLES[do],
            "reason": Reason(request.POST["reason"]).label,
            "note": request.POST.get("note", ""),
            "kept": [
                (name, value)
                for name in request.POST
                if name not in ("csrfmiddlewaretoken", "seen")
                for value in request.POST.getlist(name)
            ],
        },
    )


def _note_shown(request: HttpRequest, study: Study, outcome: Outcome) -> None:
    """A preview shows other studies, and the patient that one is merged into."""
    for one in outcome.studies:
        if one.pk != study.pk and Study.objects.filter(pk=one.pk).exists():
            record_read("study.correction_opened", request=request, study=one)
    for patient in outcome.patients:
        audit.record(
            "patient.opened",
            actor=request.user,
            patient=patient,
            site=study.site_id,
            detail={"at": "correction"},
            **page_origin(request),
        )


def _asked(request: HttpRequest, study: Study, do: str) -> Callable[[bool], Outcome]:
    """What was asked, to be called with `dry`. Raises CorrectionError."""
    said = request.POST
    if any("\0" in value for name in said for value in said.getlist(name)):
        raise Refused("There is a character in it that is no text.")
    reason, note, seen = (said.get(name, "") for name in ("reason", "note", "seen"))
    why = Why(request.user, reason, note, page_origin(request), seen)
    versions = _numbers([said.get("version", "")])
    if not versions:
        raise Refused("Open the study's page again.")
    at = (study.pk, versions[0])
    series = _numbers(said.getlist("series"))
    if do == "facts":
        facts = {one.keyword: said[one.keyword] for one in ATTRIBUTES if one.keyword in said}
        every = "all_of_patient" in said
        return lambda dry: services.correct_facts(*at, facts, why, all_of_patient=every, dry=dry)
    if do == "merge":
        into = {"PatientID": said.get("into", "")}
        if said.get("issuer", "").strip():
            into["IssuerOfPatientID"] = said["issuer"].strip()
        return lambda dry: services.merge_patients(*at, into, why, dry=dry)
    if do == "move":
        target = _target(request, study)
        return lambda dry: services.move_series(*at, series, target, why, dry=dry)
    if do == "reject":
        images = _numbers(said.getlist("image"))
        return lambda dry: services.reject_images(*at, series, images, why, dry=dry)
    if do == "reject-study":
        return lambda dry: services.reject_study(*at, why, dry=dry)
    proposal = CorrectionProposal.objects.filter(
        pk__in=_numbers([said.get("proposal", "")]),
        site=study.site_id,
        patient_ref=study.patient_ref_id,
    ).first()
    if proposal is None:
        raise Refused("There is no such proposal any more.")
    return lambda dry: services.carry_out_proposal(proposal, *at, why, dry=dry)


def _target(request: HttpRequest, study: Study) -> int | None:
    """The study to move into: of the list, or by its accession number or UID; None: a new one."""
    chosen = request.POST.get("target", "")
    if chosen == "new":
        return None
    studies = Study.objects.correctable_by(request.user).kept().filter(site=study.site_id)
    if chosen == "other":
        wanted = request.POST.get("other", "").strip()
        rows = studies.filter(Q(accession_number=wanted) | Q(study_instance_uid=wanted))
        found = list(rows.values_list("id", flat=True)[:2]) if wanted else []
        if len(found) != 1:
            words = "Several studies have" if found else "No study of this site has"
            raise Refused(f"{words} this accession number or UID.", "target")
        return int(found[0])
    ids = studies.filter(pk__in=_numbers([chosen])).values_list("id", flat=True)
    if not ids:
        raise Refused("Choose where the series belong.", "target")
    return int(ids[0])


@require_GET
@signed_in
def correction(request: HttpRequest, pk: int) -> HttpResponse:
    """One correction: what it changed, and the way back."""
    row = _correction(request, pk)
    record_read("correction.opened", request=request, study=row.study)
    return render(request, "corrections/correction.html", _shown(row))


def _correction(request: HttpRequest, pk: int) -> Correction:
    studies = Study.objects.correctable_by(request.user)
    found: Correction = get_object_or_404(
        Correction.objects.filter(study__in=studies).select_related(
            "actor", "undone_by", "study__site", "site"
        ),
        pk=pk,
    )
    return found


def _shown(row: Correction, problem: str = "") -> dict[str, Any]:
    hidden = RejectedStudy.objects.filter(study__in=row.studies.all())
    return {
        "correction": row,
        "changes": [(one.label, one.old, one.new) for one in services.shown(row.changes)],
        "studies": row.studies.order_by("id")[:SHOWN_STUDIES],
        "rejected": set(hidden.values_list("study_id", flat=True)),
        "code": CODES.get(row.reason),
        "problem": problem,
    }


@require_http_methods(["GET", "POST"])
@signed_in
def undo(request: HttpRequest, pk: int) -> HttpResponse:
    """Asks whether a correction shall be taken back, and does it."""
    row = _correction(request, pk)
    if request.method == "POST":
        try:
            services.undo(row.pk, request.user, page_origin(request))
        except CorrectionError as error:
            context = _shown(_correction(request, pk), error.words)
            return render(request, "corrections/correction.html", context, status=409)
        except OperationalError:
            context = _shown(row, BUSY)
            return render(request, "corrections/correction.html", context, status=409)
        return redirect("correction", row.pk)
    record_read("correction.opened", request=request, study=row.study)
    return render(request, "corrections/correction.html", _shown(row) | {"undoing": True})


@require_http_methods(["POST"])
@signed_in
def dismiss(request: HttpRequest, pk: int) -> HttpResponse:
    """The images are right: the HIS's proposal is put aside."""
    _corrects(request)
    sites = Study.objects.correctable_by(request.user).values("site_id")
    proposal = get_object_or_404(CorrectionProposal.objects.filter(site__in=sites), pk=pk)
    try:
        services.dismiss(proposal, request.user, page_origin(request))
    except CorrectionError as error:
        return render(request, "corrections/refused.html", {"problem": error.words}, status=409)
    return redirect("corrections")


@require_GET
@signed_in
def corrections(request: HttpRequest) -> HttpResponse:
    """What was corrected lately, what the HIS proposes, what is rejected."""
    _corrects(request)
    studies = Study.objects.correctable_by(request.user)
    show = request.GET.get("show", "")
    rows: Any
    if show == "proposals":
        rows = (
            CorrectionProposal.objects.filter(
                site__in=studies.values("site_id"), state=ProposalState.OPEN
            )
            .select_related("site", "patient_ref")
            .order_by("-id")
        )
    elif show == "rejected":
        came_since = Instance.objects.filter(
            series__study=OuterRef("study_id"), received_at__gt=OuterRef("study__corrected_at")
        )
        rows = (
            RejectedStudy.objects.filter(study__in=studies, study__number_of_instances__gt=0)
            .select_related("study__site", "of")
            .annotate(
                came_since=came_since.order_by()
                .values("series__study")
                .annotate(images=Count("id"))
                .values("images")
            )
            .order_by("-study_id")
        )
    else:
        show = ""
        rows = (
            Correction.objects.filter(study__in=studies)
            .select_related("study", "site", "actor")
            .order_by("-id")
        )
    page = Paginator(rows, PAGE_SIZE).get_page(page_of(request.GET.get("page")))
    if show == "proposals":
        _with_studies(page.object_list)
    record_read("corrections.opened", request=request)
    return render(
        request,
        "corrections/list.html",
        {
            "page": page,
            "show": show,
            "before": f"show={show}&" if show else "",
            "sees_rejected": principal_of(request.user).is_superuser,
        },
    )


def _with_studies(proposals: Any) -> None:
    """A study at which each proposal can be carried out: one that says otherwise, if any."""
    for proposal in proposals:
        rows = Study.objects.kept().filter(patient_ref=proposal.patient_ref_id)
        differing = [~Q(**{column: value}) for column, value in proposal.facts.items()]
        wanted = Q()
        for each in differing:
            wanted |= each
        proposal.at = (rows.filter(wanted).first() if differing else None) or rows.first()


@require_GET
@signed_in
def notice(request: HttpRequest, pk: int) -> HttpResponse:
    """What was corrected of a study after its report was signed: for its readers."""
    study = get_object_or_404(Study.objects.visible_to(request.user).select_related("site"), pk=pk)
    who = principal_of(request.user)
    if not who.is_superuser and study.site_id not in who.whole_sites:
        raise Http404
    rows = Correction.objects.filter(studies=study).select_related("actor").order_by("-id")
    record_read("study.corrections_read", request=request, study=study)
    return render(
        request,
        "corrections/notice.html",
        {"study": study, "entries": [_shown(row) for row in rows[:50]]},
    )
