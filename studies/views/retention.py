"""Retention: what is due, what is proposed, the second person, holds, and what was deleted."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import Any

from django.core.paginator import Paginator
from django.db import OperationalError
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods
from drf_spectacular.utils import extend_schema
from rest_framework import exceptions, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from pacs import audit
from pacs.accounts.addresses import page_origin
from pacs.accounts.models import Role, Site
from pacs.accounts.permissions import IsMember, principal
from pacs.accounts.principal import principal_of
from pacs.audit import record_read
from studies.models import Study
from studies.retention import erase, holds, notice, proposals
from studies.retention.dryrun import DryRun, dry_run
from studies.retention.errors import Refused
from studies.retention.models import (
    DeletionProposal,
    LegalHold,
    ProposalState,
    RemoteCopy,
    RetentionRule,
    StudyDeletion,
    Tombstone,
)
from studies.services.spreadsheet import BYTE_ORDER_MARK, cell
from studies.tables import page_of
from studies.views.problems import FORBIDDEN, NOT_FOUND, UNAUTHENTICATED
from studies.views.worklist import signed_in

PAGE_SIZE = 50
SHOWN = 200
BUSY = "Something is being written just now. Nothing was changed: try again."


def _sites(request: HttpRequest) -> Any:
    """The sites that the person administers; whoever administers none does not find the pages."""
    who = principal_of(request.user)
    if who.is_superuser:
        return Site.objects.all()
    ids = [site for site, role in who.roles if role == Role.SITE_ADMIN]
    if not ids:
        raise Http404
    return Site.objects.filter(pk__in=ids)


@require_GET
@signed_in
def retention(request: HttpRequest) -> HttpResponse:
    """Sites with their rules, proposals, holds."""
    sites = list(_sites(request).order_by("name"))
    show = request.GET.get("show", "")
    rows: Any
    if show == "holds":
        rows = (
            LegalHold.objects.filter(study__site__in=sites)
            .select_related("study__site", "set_by", "lifted_by")
            .order_by("lifted_at", "-id")
        )
    else:
        show = ""
        rows = (
            DeletionProposal.objects.filter(site__in=sites)
            .select_related("site", "proposed_by", "approved_by", "revoked_by")
            .order_by("-id")
        )
    rules: dict[int, list[RetentionRule]] = {site.pk: [] for site in sites}
    for rule in RetentionRule.objects.filter(site__in=sites, is_enabled=True):
        rules[rule.site_id].append(rule)
    record_read("retention.opened", request=request)
    listed = Tombstone.objects.filter(site__in=sites, remote=RemoteCopy.LISTED).count()
    return render(
        request,
        "retention/list.html",
        {
            "page": Paginator(rows, PAGE_SIZE).get_page(page_of(request.GET.get("page"))),
            "show": show,
            "before": f"show={show}&" if show else "",
            "sites": [(site, rules[site.pk]) for site in sites],
            "listed": listed,
            "is_superuser": principal_of(request.user).is_superuser,
        },
    )


@require_http_methods(["GET", "POST"])
@signed_in
def site(request: HttpRequest, pk: int) -> HttpResponse:
    """The dry run of a site. POST: asks whether to propose it; with `confirmed` it is proposed."""
    place = get_object_or_404(_sites(request), pk=pk)
    record_read("retention.dry_run", request=request, site=place)
    problem, status = "", 200
    if request.method == "POST" and "confirmed" in request.POST:
        try:
            made = proposals.propose(
                place, request.user, request.POST.get("digest", ""), page_origin(request)
            )
            return redirect("retention-proposal", made.pk)
        except Refused as error:
            problem, status = error.words, 409
        except OperationalError:
            problem, status = BUSY, 409
    found = dry_run(place)
    context = {"site": place, "found": found, "shown": found.due[:SHOWN], "problem": problem}
    if request.method == "POST" and not problem and found.due:
        return render(request, "retention/propose.html", context)
    context["kept"] = found.kept[:SHOWN]
    return render(request, "retention/site.html", context, status=status)


@require_GET
@signed_in
def site_csv(request: HttpRequest, pk: int) -> HttpResponse:
    """The dry run as a file: every study that is old enough, and what becomes of it."""
    place = get_object_or_404(_sites(request), pk=pk)
    found = dry_run(place)
    audit.record(
        "retention.exported",
        actor=request.user,
        site=place,
        detail={"studies": len(found.due) + len(found.kept)},
        **page_origin(request),
    )
    return _csv(_lines(found), f"retention-{place.slug}-{timezone.localdate()}.csv")


HEADER = (
    *("What", "Reason", "Patient", "Patient ID", "Study date", "Received", "Modalities"),
    *("Description", "Accession number", "Images", "Bytes"),
)


def _lines(found: DryRun) -> Iterable[list[object]]:
    yield list(HEADER)
    for one in found.due:
        yield ["due", "", *_of(one.study), one.images, one.size]
    for study, why in found.kept:
        yield ["kept", why, *_of(study), study.number_of_instances, ""]


def _of(study: Study) -> list[object]:
    return [
        *(study.display_name, study.patient_id, study.study_date),
        *(study.received_at.isoformat(timespec="seconds"), study.modalities),
        *(study.study_description, study.accession_number),
    ]


def _csv(lines: Iterable[list[object]], name: str) -> HttpResponse:
    out = io.StringIO()
    out.write(BYTE_ORDER_MARK)
    writer = csv.writer(out, quoting=csv.QUOTE_ALL)
    writer.writerows([cell(value) for value in line] for line in lines)
    return HttpResponse(
        out.getvalue(),
        content_type="text/csv; charset=utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        },
    )


DOES = ("approve", "revoke")


@require_http_methods(["GET", "POST"])
@signed_in
def proposal(request: HttpRequest, pk: int) -> HttpResponse:
    """A proposal and its studies. POST: asks once more; with `confirmed` it is done."""
    row = _proposal(request, pk)
    record_read("retention.proposal_opened", request=request, site=row.site_id, about=str(pk))
    context: dict[str, Any] = {}
    status = 200
    if request.method == "POST":
        do, why = request.POST.get("do", ""), request.POST.get("why", "")
        if do not in DOES:
            raise Http404
        try:
            if "confirmed" in request.POST:
                if do == "approve":
                    proposals.approve(row.pk, request.user, page_origin(request))
                else:
                    proposals.revoke(row.pk, request.user, why, page_origin(request))
                return redirect("retention-proposal", row.pk)
            context["asked"] = do
        except Refused as error:
            context |= {"problem": error.words, "said": why}
            status = 409
        except OperationalError:
            context["problem"] = BUSY
            status = 409
        row = _proposal(request, pk)
    deletions = row.deletions.select_related("study").order_by("id")
    page = Paginator(deletions, PAGE_SIZE).get_page(page_of(request.GET.get("page")))
    context |= {
        "proposal": row,
        "page": page,
        "before": "",
        "stopped": row.deletions.filter(state="stopped").count(),
        "is_proposer": row.proposed_by_id == request.user.pk,
        "may_approve": row.state == ProposalState.PROPOSED
        and row.proposed_by_id != request.user.pk,
        "grace_days": proposals.GRACE.days,
    }
    return render(request, "retention/proposal.html", context, status=status)


def _proposal(request: HttpRequest, pk: int) -> DeletionProposal:
    rows = DeletionProposal.objects.filter(site__in=_sites(request)).select_related(
        "site", "proposed_by", "approved_by", "revoked_by"
    )
    found: DeletionProposal = get_object_or_404(rows, pk=pk)
    return found


@require_GET
@signed_in
def backup_copies(request: HttpRequest) -> HttpResponse:
    """The objects at the backup storage that an administrator is to remove: names, no patients."""
    if not principal_of(request.user).is_superuser:
        raise Http404
    rows = Tombstone.objects.filter(remote=RemoteCopy.LISTED).exclude(remote_name="")
    names = rows.order_by("id").values_list("remote_name", "file_size", "deletion__proposal_id")
    audit.record(
        "retention.backup_copies_listed",
        actor=request.user,
        detail={"files": names.count()},
        **page_origin(request),
    )
    head: list[object] = ["Object", "Bytes before sealing", "Proposal"]
    lines = [head, *(list(one) for one in names)]
    return _csv(lines, f"backup-copies-{timezone.localdate()}.csv")


def _hold(study: Study, request: HttpRequest, why: str) -> None:
    holds.hold(study, request.user, why, page_origin(request))


def _lift(study: Study, request: HttpRequest, why: str) -> None:
    holds.lift(study, request.user, why, page_origin(request))


def _stop(study: Study, request: HttpRequest, why: str) -> None:
    proposals.stop_study(study, request.user, why, page_origin(request))


def _take_again(study: Study, request: HttpRequest, why: str) -> None:
    erase.take_again(study, request.user, why, page_origin(request))


ACTIONS = {"hold": _hold, "lift": _lift, "stop": _stop, "take-again": _take_again}


@require_http_methods(["GET", "POST"])
@signed_in
def study(request: HttpRequest, pk: int) -> HttpResponse:
    """Hold, deletion and what was deleted of one study, and what can be done about each."""
    sites = _sites(request)
    row = get_object_or_404(Study.objects.filter(site__in=sites).select_related("site"), pk=pk)
    record_read("study.retention_opened", request=request, study=row)
    context: dict[str, Any] = {}
    status = 200
    if request.method == "POST":
        do, why = request.POST.get("do", ""), request.POST.get("why", "")
        if do not in ACTIONS:
            raise Http404
        try:
            ACTIONS[do](row, request, why)
            return redirect("study-retention", row.pk)
        except Refused as error:
            context = {"problem": error.words, "at": do, "said": why}
        except OperationalError:
            context = {"problem": BUSY, "at": do, "said": why}
        status = 409
    under_way = StudyDeletion.objects.filter(
        Q(state__in=("proposed", "grace", "erasing")), study=row
    ).select_related("proposal")
    context |= {
        "study": row,
        "hold": notice.hold_of(row),
        "past_holds": LegalHold.objects.filter(study=row, lifted_at__isnull=False).select_related(
            "set_by", "lifted_by"
        ),
        "deletion": under_way.first(),
        "deleted": notice.number_deleted(row),
        "history": StudyDeletion.objects.filter(study=row)
        .select_related("proposal__proposed_by", "proposal__approved_by")
        .order_by("-id")[:PAGE_SIZE],
    }
    return render(request, "retention/study.html", context, status=status)


class RetentionState(serializers.Serializer[Any]):
    """`deletes_at`: approved, and in its grace. `images_deleted` are not taken again."""

    study = serializers.IntegerField()
    on_hold = serializers.BooleanField()
    deletes_at = serializers.DateTimeField(allow_null=True)
    images_deleted = serializers.IntegerField()


class StudyRetentionView(APIView):
    """`GET /api/studies/<id>/retention/`. 404 for a study that is not seen."""

    permission_classes = (IsMember,)
    http_method_names = ("get", "options")

    @extend_schema(
        operation_id="study_retention",
        responses={200: RetentionState, 401: UNAUTHENTICATED, 403: FORBIDDEN, 404: NOT_FOUND},
    )
    def get(self, request: Request, pk: int) -> Response:
        row = Study.objects.visible_to(principal(request)).filter(pk=pk).first()
        if row is None:
            raise exceptions.NotFound
        return Response(
            {
                "study": row.pk,
                "on_hold": notice.hold_of(row) is not None,
                "deletes_at": notice.deletes_at(row),
                "images_deleted": notice.number_deleted(row),
            }
        )
