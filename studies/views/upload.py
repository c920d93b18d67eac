"""The upload desk: its page, and what it asks before it sends. Files go to `/api/dicom/upload`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from pacs.accounts.models import Role, Scope, Site
from pacs.accounts.permissions import IsMember, origin, principal
from pacs.accounts.principal import Principal, principal_of
from pacs.audit import record_read
from studies.services import offered
from studies.views.problems import BAD_REQUEST, FORBIDDEN, NOT_FOUND, UNAUTHENTICATED, UNSUPPORTED
from studies.views.worklist import signed_in

DESK = (Role.TECHNICIAN, Role.SITE_ADMIN)
MOST_IMAGES = 1000
MOST_STUDIES = 200


def desk_sites(who: Principal) -> QuerySet[Site]:
    """The sites to which this principal uploads by hand."""
    sites = Site.objects.order_by("name")
    if who.is_superuser:
        return sites
    return sites.filter(pk__in={site for site, role in who.roles if role in DESK})


@require_GET
@signed_in
def upload(request: HttpRequest) -> HttpResponse:
    """The page. Who uploads by hand nowhere does not find it."""
    sites = list(desk_sites(principal_of(request.user)))
    if not sites:
        raise Http404
    record_read("upload.opened", request=request)
    context = {
        "sites": sites,
        "largest": settings.MAX_INSTANCE_BYTES,
    }
    return render(request, "studies/upload.html", context)


class UploadsByHand(IsMember):
    """Technicians and administrators of a site, and superusers; with the scope "write"."""

    message = "Your role does not upload by hand, or the token lacks the scope for it."

    def has_permission(self, request: Request, view: Any) -> bool:
        who = principal(request)
        return who is not None and Scope.WRITE.value in who.scopes and desk_sites(who).exists()


class UID(serializers.RegexField):
    """A UID (PS3.5 9.1)."""

    def __init__(self, **options: Any) -> None:
        super().__init__(r"^[0-9.]{1,64}$", **options)


class OfferedStudy(serializers.Serializer[Any]):
    """A study as the headers of the files name it."""

    study_instance_uid = UID()
    patient_id = serializers.CharField(max_length=64, allow_blank=True)


class Offer(serializers.Serializer[Any]):
    """The body: the site's short name, and the UIDs of what would be sent."""

    site = serializers.SlugField(max_length=60)
    instances = serializers.ListField(child=UID(), max_length=MOST_IMAGES, default=list)
    studies = OfferedStudy(many=True, default=list)

    def validate_studies(self, value: list[Any]) -> list[Any]:
        if len(value) > MOST_STUDIES:
            raise serializers.ValidationError(f"At most {MOST_STUDIES} studies.")
        return value


class ArrivedSerializer(serializers.Serializer[Any]):
    """A file that came earlier; the same bytes need not be sent again."""

    sop_instance_uid = serializers.CharField()
    sha256 = serializers.CharField()
    outcome = serializers.ChoiceField(choices=["stored", "quarantined"])
    words = serializers.CharField()


class KnownPatientSerializer(serializers.Serializer[Any]):
    """A patient as the site has it."""

    name = serializers.CharField()
    birth_date = serializers.CharField()
    sex = serializers.CharField()


class PlaceSerializer(serializers.Serializer[Any]):
    """Where a study would go."""

    study_instance_uid = serializers.CharField()
    patient_id = serializers.CharField()
    images = serializers.IntegerField()
    other_patient = serializers.BooleanField()
    patients = KnownPatientSerializer(many=True)


class Found(serializers.Serializer[Any]):
    """The answer."""

    arrived = ArrivedSerializer(many=True)
    studies = PlaceSerializer(many=True)


class CheckView(APIView):
    """`POST /api/upload/check/`: what the site has of files that are about to be sent."""

    permission_classes = (UploadsByHand,)
    http_method_names = ("post", "options")

    @extend_schema(
        operation_id="upload_check",
        request=Offer,
        responses={
            200: Found,
            400: BAD_REQUEST,
            401: UNAUTHENTICATED,
            403: FORBIDDEN,
            404: NOT_FOUND,
            415: UNSUPPORTED,
        },
    )
    def post(self, request: Request) -> Response:
        who = principal(request)
        assert who is not None  # noqa: S101 - by permission
        asked = Offer(data=request.data)
        asked.is_valid(raise_exception=True)
        given = asked.validated_data
        site = get_object_or_404(desk_sites(who), slug=given["site"])
        pairs = [(one["study_instance_uid"], one["patient_id"]) for one in given["studies"]]
        answer = {
            "arrived": [asdict(one) for one in offered.arrived(site.pk, given["instances"])],
            "studies": [asdict(one) for one in offered.places(site.pk, pairs)],
        }
        record_read("upload.checked", actor=request.user, site=site, **origin(request))
        return Response(answer)
