"""The page that checks a display."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from pacs.accounts.addresses import page_origin
from studies.displays import services
from studies.displays.models import LONGEST_NAME
from studies.displays.questions import LETTERS, MOST_LETTERS, QUESTIONS
from studies.views.worklist import signed_in

LARGEST = 32_768


class CheckForm(forms.Form):
    """What was seen. Nothing is answered beforehand."""

    workstation = forms.CharField(max_length=LONGEST_NAME)
    remarks = forms.CharField(max_length=500, required=False)
    width = forms.IntegerField(min_value=1, max_value=LARGEST)
    height = forms.IntegerField(min_value=1, max_value=LARGEST)
    ratio = forms.FloatField(min_value=0.1, max_value=16)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for name in QUESTIONS:
            self.fields[name] = forms.ChoiceField(choices=[("yes", "Yes"), ("no", "No")])
        for name in LETTERS:
            self.fields[name] = forms.IntegerField(min_value=0, max_value=MOST_LETTERS)


@require_http_methods(["GET", "POST"])
@signed_in
def display_check(request: HttpRequest) -> HttpResponse:
    """The pattern, what to look for, and the form; 400 where something is left open."""
    form = CheckForm(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        services.keep(request.user, form.cleaned_data, **page_origin(request))
        return redirect("display-check")
    checks = services.of_person(request.user.pk or 0)
    given = form.data if form.is_bound else {}
    context = {
        "questions": [(name, words, given.get(name)) for name, words in QUESTIONS.items()],
        "letters": [(name, words, given.get(name, "")) for name, words in LETTERS.items()],
        "most_letters": MOST_LETTERS,
        "workstation": given.get("workstation") or (checks[0].workstation if checks else ""),
        "remarks": given.get("remarks", ""),
        "checks": checks,
        "is_open": form.is_bound,
    }
    status = 400 if form.is_bound else 200
    return render(request, "studies/display_check.html", context, status=status)
