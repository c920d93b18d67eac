"""The dialog of the worklist's columns and density."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from pacs.accounts.addresses import page_origin
from studies.appearance import services
from studies.appearance.models import Density
from studies.appearance.services import ALWAYS, Appearance
from studies.tables import WorklistTable, words_of
from studies.views.worklist import signed_in


@require_http_methods(["GET", "POST"])
@signed_in
def appearance(request: HttpRequest) -> HttpResponse:
    """What is chosen. A POST keeps each `column` in its order and the `density`, or has `reset`."""
    user: Any = request.user
    if request.method == "GET":
        shown = services.appearance_of(user.pk)
    elif "reset" in request.POST:
        shown = services.reset(user, **page_origin(request))
    else:
        shown = services.choose(
            user,
            request.POST.getlist("column"),
            request.POST.get("density", ""),
            **page_origin(request),
        )
    context = {
        "columns": _offered(shown),
        "density": shown.density,
        "densities": Density.choices,
        "is_kept": request.method == "POST",
    }
    return render(request, "studies/_appearance.html", context)


def _offered(shown: Appearance) -> list[dict[str, Any]]:
    """All columns: those shown in their order, then the others."""
    others = [name for name in WorklistTable.base_columns if name not in shown.columns]
    return [
        {
            "name": name,
            "words": words_of(name),
            "is_shown": name in shown.columns,
            "is_always": name in ALWAYS,
        }
        for name in (*shown.columns, *others)
    ]
