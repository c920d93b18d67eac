"""Files that the one door would not take, for those who can do something about it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.paginator import Paginator
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET, require_POST

from pacs.accounts.addresses import page_origin
from pacs.accounts.models import Role, Site
from pacs.accounts.principal import principal_of
from pacs.audit import record_read
from studies.corrections.errors import CorrectionError
from studies.corrections.models import Reason
from studies.dicom import errors as dicom_errors
from studies.models import QuarantinedFile, Settled
from studies.services import quarantine as desk
from studies.services.quarantine import Done, NotPossible
from studies.tables import page_of
from studies.views.worklist import signed_in

PAGE_SIZE = 50
HANDLERS = (Role.TECHNICIAN, Role.SITE_ADMIN)
ACTIONS = frozenset({"retry", "accept", "discard", "take-back", "tell"})
SHOWS: dict[str, dict[str, Any]] = {
    "": {"is_open": True},
    "discarded": {"settled_as": Settled.DISCARDED},
}


@require_GET
@signed_in
def quarantine(request: HttpRequest) -> HttpResponse:
    """Open files, newest first. Who handles no quarantine at any site does not find the page."""
    user: Any = request.user
    if not user.is_superuser and not any(role in HANDLERS for _, role in principal_of(user).roles):
        raise Http404
    visible = QuarantinedFile.objects.visible_to(user)
    show = request.GET.get("show", "")
    show = show if show in SHOWS else ""
    files = visible.filter(**SHOWS[show]).select_related("site").order_by("-received_at", "-id")
    reason, site = request.GET.get("reason", ""), request.GET.get("site", "")
    if reason in set(dicom_errors.Reason):
        files = files.filter(reason=reason)
    else:
        reason = ""
    if site.isdecimal() and len(site) < 10:
        files = files.filter(site_id=int(site))
    else:
        site = ""
    page = Paginator(files, PAGE_SIZE).get_page(page_of(request.GET.get("page")))
    record_read("quarantine.opened", request=request)
    reasons = visible.filter(**SHOWS[show]).order_by().values_list("reason", flat=True).distinct()
    sites = Site.objects.filter(pk__in=visible.order_by().values("site_id")).order_by("name")
    context = {
        "page": page,
        "show": show,
        "reason": reason,
        "site": site,
        "filtered": bool(reason or site),
        "before": f"show={show}&reason={reason}&site={site}&",
        "reasons": sorted(
            (code, dicom_errors.WORDS[dicom_errors.Reason(code)])
            for code in reasons
            if code in set(dicom_errors.Reason)
        ),
        "sites": sites,
        "grace": settings.QUARANTINE_GRACE_DAYS,
    }
    template = "_quarantine.html" if "HX-Request" in request.headers else "quarantine.html"
    return render(request, f"studies/{template}", context)


def _file(request: HttpRequest, pk: Any) -> QuarantinedFile:
    visible = QuarantinedFile.objects.visible_to(request.user)
    found: QuarantinedFile = get_object_or_404(visible.select_related("site", "settled_by"), pk=pk)
    return found


def _page(
    request: HttpRequest, row: QuarantinedFile, *, status: int = 200, **more: Any
) -> HttpResponse:
    context = {
        "file": row,
        "header": desk.header_of(row),
        "study": desk.belongs_to(row),
        "reasons": [(one.value, one.label) for one in Reason],
        "grace": settings.QUARANTINE_GRACE_DAYS,
        **more,
    }
    return render(request, "studies/quarantined.html", context, status=status)


@require_GET
@signed_in
def file(request: HttpRequest, pk: Any) -> HttpResponse:
    """One file: why it is here, what its header says, what can be done."""
    row = _file(request, pk)
    _note_opened(request, row)
    return _page(request, row)


def _note_opened(request: HttpRequest, row: QuarantinedFile) -> None:
    record_read(
        "quarantine.file_opened", request=request, site=row.site_id, about=f"quarantined:{row.pk}"
    )


@require_POST
@signed_in
def act(request: HttpRequest, pk: Any, action: str) -> HttpResponse:
    """Does one thing with a file; accepting and discarding are asked for twice."""
    if action not in ACTIONS:
        raise Http404
    row = _file(request, pk)
    try:
        if action in {"accept", "discard"} and "confirmed" not in request.POST:
            _note_opened(request, row)
            return _page(request, row, asked=action, said=request.POST)
        done = _do(request, row, action)
    except NotPossible as error:
        return _page(request, _file(request, pk), status=409, problem=str(error))
    except CorrectionError as error:
        return _page(request, row, status=400, problem=error.words, asked=action, said=request.POST)
    except OperationalError:
        words = "The archive is busy just now. Nothing was changed: try again."
        return _page(request, row, status=409, problem=words)
    return _page(request, _file(request, pk), notice=done.words)


def _do(request: HttpRequest, row: QuarantinedFile, action: str) -> Done:
    actor, origin, said = request.user, page_origin(request), request.POST
    if any("\0" in said.get(name, "") for name in ("why", "note", "reason")):
        raise NotPossible("There is a character in it that is no text.")
    if action == "retry":
        return desk.retry(row, actor, origin)
    if action == "accept":
        reason, note = said.get("reason", ""), said.get("note", "")
        return desk.accept(row, actor, origin, reason=reason, note=note)
    if action == "discard":
        return desk.discard(row, actor, origin, why=said.get("why", ""))
    if action == "take-back":
        return desk.take_back(row, actor, origin)
    return desk.ask_to_tell(row, actor, origin)
