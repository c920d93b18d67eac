"""What the viewer says of its openings, and the page that shows it."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET
from drf_spectacular.utils import extend_schema
from rest_framework import exceptions, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from pacs.accounts.models import Role
from pacs.accounts.permissions import IsMember, principal
from pacs.accounts.principal import principal_of
from pacs.audit import record_read
from studies.models import Study
from studies.openings import counting
from studies.openings.models import Opening
from studies.views.problems import BAD_REQUEST, FORBIDDEN, NOT_FOUND, UNAUTHENTICATED, UNSUPPORTED
from studies.views.worklist import signed_in

HOUR = 3_600_000
SPANS = (1, 7, 30, 90)
READERS = (Role.RADIOLOGIST.value, Role.SITE_ADMIN.value)


class OpeningSerializer(serializers.Serializer[Any]):
    """An opening as the viewer measured it; the same `id` again completes it."""

    id = serializers.UUIDField()
    modality = serializers.RegexField(r"^[A-Z0-9 _]{0,16}$", allow_blank=True)
    images = serializers.IntegerField(min_value=0, max_value=1_000_000)
    size = serializers.IntegerField(min_value=0, max_value=2**50)
    first_ms = serializers.IntegerField(min_value=0, max_value=HOUR)
    server_ms = serializers.IntegerField(min_value=0, max_value=HOUR)
    network_ms = serializers.IntegerField(min_value=0, max_value=HOUR)
    decode_ms = serializers.IntegerField(min_value=0, max_value=HOUR)
    whole_ms = serializers.IntegerField(
        min_value=0, max_value=HOUR, allow_null=True, required=False, default=None
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        parts = attrs["server_ms"] + attrs["network_ms"] + attrs["decode_ms"]
        if parts > attrs["first_ms"]:
            raise serializers.ValidationError("The parts are longer than the whole.")
        return attrs


class OpeningView(APIView):
    """`POST /api/studies/<id>/openings/`. 404 for a study that is not seen."""

    permission_classes = (IsMember,)
    http_method_names = ("post", "options")

    @extend_schema(
        operation_id="study_opening",
        request=OpeningSerializer,
        responses={
            204: None,
            400: BAD_REQUEST,
            401: UNAUTHENTICATED,
            403: FORBIDDEN,
            404: NOT_FOUND,
            415: UNSUPPORTED,
        },
    )
    def post(self, request: Request, pk: int) -> Response:
        study = Study.objects.visible_to(principal(request)).filter(pk=pk).first()
        if study is None:
            raise exceptions.NotFound
        given = OpeningSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        facts = dict(given.validated_data)
        number = facts.pop("id")
        row, made = Opening.objects.get_or_create(
            pk=number, defaults={**facts, "site_id": study.site_id}
        )
        if not made and row.site_id == study.site_id and row.whole_ms is None:
            Opening.objects.filter(pk=number, whole_ms=None).update(
                whole_ms=facts["whole_ms"], images=facts["images"], size=facts["size"]
            )
        return Response(status=204)


@require_GET
@signed_in
def openings(request: HttpRequest) -> HttpResponse:
    """How long images took at the sites that one reads or administers."""
    sites = principal_of(request.user).sites_as(*READERS)
    if not sites:
        raise Http404
    asked = request.GET.get("days", "")
    days = int(asked) if asked in {str(one) for one in SPANS} else SPANS[1]
    chosen = [site for site in sites if str(site.pk) == request.GET.get("site")]
    record_read("openings.opened", request=request)
    rows = counting.measured([site.pk for site in chosen or sites], days)
    return render(
        request,
        "studies/openings.html",
        {
            "sites": sites,
            "chosen": chosen[0] if chosen else None,
            "days": days,
            "spans": SPANS,
            "total": counting.wait("all", rows) if rows else None,
            "groups": [
                ("Modality", counting.grouped(rows, "modality")),
                ("Day", counting.grouped(rows, "day")),
            ],
            "most": counting.MOST if len(rows) >= counting.MOST else None,
        },
    )
