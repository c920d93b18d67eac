"""Attachments of a study: the dialog, their contents, and what a text says."""

from __future__ import annotations

import uuid
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET, require_http_methods

from pacs.accounts.addresses import page_origin
from pacs.accounts.principal import Principal, principal_of
from pacs.audit import record_read
from reports.attachments import clean, content, services
from reports.attachments.models import Attachment
from reports.errors import BadContent, ReportError
from reports.permissions import may_note
from studies import archive
from studies.models import Study
from studies.views.worklist import signed_in

SHOWN = 200


class AttachmentForm(forms.Form):
    """A file with its title and kind."""

    title = forms.CharField(max_length=services.TITLE_LENGTH, required=False)
    kind = forms.ChoiceField(choices=Attachment.Kind.choices, required=False)
    dated = forms.DateField(required=False)


def study_with_attachments(who: Principal, pk: int) -> Study:
    """The study, for those who see its site whole; others do not find it."""
    study: Study = get_object_or_404(Study.objects.visible_to(who), pk=pk)
    if not (who.is_superuser or study.site_id in who.whole_sites):
        raise Http404
    return study


def file_of(attachment: Attachment) -> HttpResponseBase:
    """A download: never drawn as a page of the portal, whatever it is.

    Of a PDF what acts or carries files is left out, which `X-Left-Out` tells; the archive has it
    as it came. One that cannot be checked is not handed out (409).
    """
    ending = content.ENDINGS.get(attachment.media_type, "txt")
    headers = {
        "Content-Disposition": f'attachment; filename="attachment-{attachment.pk}.{ending}"',
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        # Should a browser open it all the same: nothing in it runs or loads.
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
    if not attachment.archive_key:
        return HttpResponse(
            attachment.text, content_type="text/plain; charset=utf-8", headers=headers
        )
    with archive.open_file(attachment.archive_key) as file:
        data = file.read()
    try:
        if attachment.media_type == content.PDF:
            data, removed = clean.pdf(data)
            if removed:
                headers["X-Left-Out"] = ", ".join(removed)
        elif not attachment.received_sha256:
            data, _ = clean.picture(data)
    except content.NotTaken as error:
        words = f"This file is kept, but not handed out. {error.words}"
        return HttpResponse(words, status=409, content_type="text/plain; charset=utf-8")
    return HttpResponse(data, content_type=attachment.media_type, headers=headers)


def note_read(request: HttpRequest, attachment: Attachment) -> None:
    """Audit: once per user, attachment and session in ten minutes."""
    record_read(
        "attachment.read",
        request=request,
        study=attachment.study,
        site=attachment.site_id,
        about=f"attachment:{attachment.pk}",
        detail={"attachment": str(attachment.pk)},
    )


@require_http_methods(["GET", "POST"])
@signed_in
def dialog(request: HttpRequest, pk: int) -> HttpResponse:
    """What is attached; a POST adds a file or, with `remove`, takes one out of sight."""
    who = principal_of(request.user)
    study = study_with_attachments(who, pk)
    problem = notice = ""
    if request.method == "POST":
        try:
            notice = _change(request, study)
        except ReportError as error:
            problem = error.words
    record_read("attachments.opened", request=request, study=study)
    found = Attachment.objects.visible_to(who).shown().filter(study=study)
    return render(
        request,
        "reports/_attachments.html",
        {
            "study": study,
            "attachments": found.select_related("added_by")[:SHOWN],
            "kinds": Attachment.Kind.choices,
            "problem": problem,
            "notice": notice,
            "may_add": may_note(who, study.site_id),
            "most": content.MAX_BYTES // 2**20,
        },
    )


def _change(request: HttpRequest, study: Study) -> str:
    where = page_origin(request)
    if wanted := request.POST.get("remove"):
        attachment = get_object_or_404(
            Attachment.objects.visible_to(request.user).shown(), pk=_uuid(wanted), study=study
        )
        reason = request.POST.get(f"reason-{attachment.pk}") or request.POST.get("reason", "")
        services.remove(attachment, request.user, reason, **where)
        return "Removed. The file stays in the archive."
    form = AttachmentForm(request.POST)
    file = request.FILES.get("file")
    if not form.is_valid() or not isinstance(file, UploadedFile):
        raise BadContent("Choose a file of at most 25 MB, and a title of at most 160 characters.")
    if (file.size or 0) > content.MAX_BYTES:
        raise BadContent(f"The file is larger than {content.MAX_BYTES // 2**20} MB.")
    chosen = form.cleaned_data
    services.add(
        study,
        request.user,
        file.read(),
        title=chosen["title"] or str(file.name or ""),
        kind=chosen["kind"] or Attachment.Kind.OTHER,
        dated=chosen["dated"],
        **where,
    )
    return "Attached."


def _uuid(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError:
        raise Http404 from None


@require_GET
@signed_in
def attachment_text(request: HttpRequest, pk: Any) -> HttpResponse:
    """A report from elsewhere beside images: its text, its versions, and a link to its PDF."""
    attachment = get_object_or_404(
        Attachment.objects.visible_to(request.user).select_related("site", "study"),
        pk=pk,
        removed_at=None,
    )
    note_read(request, attachment)
    before = Attachment.objects.none()
    if attachment.report_key:
        before = (
            Attachment.objects.visible_to(request.user)
            .filter(site=attachment.site_id, report_key=attachment.report_key)
            .exclude(pk=attachment.pk)
            .order_by("-added_at")
        )
    return render(
        request, "reports/_outside.html", {"attachment": attachment, "before": before[:20]}
    )


@require_GET
@signed_in
def attachment_file(request: HttpRequest, pk: Any) -> HttpResponseBase:
    """The file, as a download."""
    found = Attachment.objects.visible_to(request.user).filter(removed_at=None)
    attachment: Attachment = get_object_or_404(found, pk=pk)
    note_read(request, attachment)
    return file_of(attachment)
