"""Pages of reading: the dialog of a study's notes, priority and reader, and the notice of a loss."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET, require_http_methods

from pacs.accounts.addresses import page_origin
from pacs.accounts.models import User
from pacs.accounts.principal import principal_of
from pacs.audit import record_read
from studies.models import Priority, Study, StudyNote
from studies.reading import notes, people, services
from studies.reading.errors import ReadingError
from studies.reading.states import OPEN
from studies.views.worklist import signed_in


def _study(request: HttpRequest, pk: int) -> Study:
    """A study of a site that the person sees whole: referrers read no notes."""
    visible = Study.objects.visible_to(request.user).select_related("site", "reader", "assigned_to")
    study: Study = get_object_or_404(visible, pk=pk)
    if study.site_id not in principal_of(request.user).whole_sites:
        raise Http404
    return study


class WorkForm(forms.Form):
    """What the dialog sends; `do` says which of its buttons was pressed."""

    do = forms.ChoiceField(choices=[(name, name) for name in ("note", "verify", "set")])
    text = forms.CharField(
        required=False,
        max_length=notes.LONGEST,
        error_messages={"max_length": f"A note has at most {notes.LONGEST} characters."},
    )
    priority = forms.TypedChoiceField(
        choices=Priority.choices, coerce=int, required=False, empty_value=None
    )
    assigned_to = forms.ModelChoiceField(
        User.objects.none(),
        required=False,
        error_messages={"invalid_choice": "This person does not read studies of the site."},
    )

    def __init__(self, study: Study, choices: Any, data: Any = None) -> None:
        super().__init__(data)
        assignee: Any = self.fields["assigned_to"]
        assignee.queryset = choices


def _assignable(request: HttpRequest, study: Study) -> Any:
    """Whom the person may name: administrators all, a radiologist the own name only."""
    who = principal_of(request.user)
    if study.reading_state not in OPEN:
        return User.objects.none()
    if people.manages(who, study.site_id):
        return people.radiologists(study.site_id)
    if people.reads(who, study.site_id) and study.assigned_to_id in {None, who.user_id}:
        return people.radiologists(study.site_id).filter(pk=who.user_id)
    return User.objects.none()


def _do(request: HttpRequest, study: Study, form: WorkForm, may_assign: bool) -> str:
    """Carries out what was asked; returns what to say about it. Raises ReadingError."""
    said, origin = form.cleaned_data, page_origin(request)
    user: Any = request.user
    if said["do"] == "set":
        if said["priority"] is not None:
            services.set_priority(study.pk, said["priority"], user, **origin)
        if may_assign and said["assigned_to"] != study.assigned_to:
            services.assign(study.pk, said["assigned_to"], user, **origin)
        return "Saved."
    kind = StudyNote.Kind.VERIFICATION if said["do"] == "verify" else StudyNote.Kind.NOTE
    services.add_note(study.pk, user, kind=kind, text=said["text"], **origin)
    return "Verified." if kind == StudyNote.Kind.VERIFICATION else "Noted."


@require_http_methods(["GET", "POST"])
@signed_in
def notes_dialog(request: HttpRequest, pk: int) -> HttpResponse:
    """The dialog of a study: what was noted, by whom; its priority; who should read it."""
    study = _study(request, pk)
    who = principal_of(request.user)
    choices = _assignable(request, study)
    problem = notice = ""
    form = WorkForm(study, choices, request.POST if request.method == "POST" else None)
    if request.method == "POST":
        if not form.is_valid():
            problem = next(iter(form.errors.values()))[0]
        else:
            try:
                notice = _do(request, study, form, may_assign=bool(choices))
            except ReadingError as error:
                problem = error.words
        study = _study(request, pk)
    record_read("study.notes", request=request, study=study)
    context = {
        "study": study,
        "notes": StudyNote.objects.filter(study=study).select_related("author"),
        "problem": problem,
        "notice": notice,
        "text": request.POST.get("text", "") if problem else "",
        "priorities": Priority.choices,
        "people": _assignable(request, study),
        "works": people.works(who, study.site_id),
        "verifies": people.verifies(who, study.site_id),
    }
    return render(request, "studies/_notes.html", context)


@require_GET
@signed_in
def lost(request: HttpRequest, pk: int) -> HttpResponse:
    """The sentence that tells a former reader what became of a study."""
    return render(request, "studies/_lost.html", {"study": _study(request, pk)})
