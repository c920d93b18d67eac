"""Presentation states for the viewer, which applies them itself, and saves what is seen as one."""

from __future__ import annotations

from typing import Any, cast

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_GET
from drf_spectacular.utils import extend_schema
from rest_framework import exceptions, serializers
from rest_framework.parsers import JSONParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from pacs.accounts.models import User
from pacs.accounts.permissions import IsMember, origin
from pacs.audit import record_read
from studies import archive
from studies.annotations import services
from studies.annotations.errors import AnnotationError
from studies.dicom.pixels.client import PixelError, PixelTimeout
from studies.dicom.presentation import SOP_CLASSES
from studies.models import Instance, Study
from studies.services.pixels import pixel_service
from studies.views.marks import COMMON, PlaceOnImage, asking, problem
from studies.views.problems import BAD_REQUEST, UNSUPPORTED
from studies.views.worklist import signed_in

FARTHEST = 1_000_000


@require_GET
@signed_in
def presentation_state(request: HttpRequest, pk: int, uid: str) -> HttpResponseBase:
    """`GET /studies/<id>/presentation-states/<uid>/`: what it says of the images of its study.

    404 for what is hidden or no presentation state, 422 with words for one that cannot be applied.
    """
    study: Study = get_object_or_404(Study.objects.visible_to(request.user, rejected=True), pk=pk)
    held = Instance.objects.filter(series__study=study)
    instance = held.filter(sop_instance_uid=uid, sop_class_uid__in=SOP_CLASSES).first()
    if instance is None:
        raise Http404
    detail = {"instance": instance.pk}
    record_read("study.presentation_state", request=request, study=study, detail=detail)
    images = held.filter(number_of_frames__gt=0).values_list("sop_instance_uid", "number_of_frames")
    try:
        found = pixel_service().state(archive.local_path(instance.archive_key), dict(images))
    except PixelError as error:
        if isinstance(error, PixelTimeout):
            words, status = "The server takes too long for it now. Try again.", 503
        else:
            words, status = f"The presentation state cannot be applied: {error}.", 422
        return JsonResponse({"detail": words}, status=status)
    headers = {"Cache-Control": "no-store"}
    return HttpResponse(found, content_type="application/json", headers=headers)


class WindowBody(serializers.Serializer[Any]):
    center = serializers.FloatField(min_value=-1e9, max_value=1e9)
    width = serializers.FloatField(min_value=1e-6, max_value=1e9)
    function = serializers.ChoiceField(
        choices=("LINEAR", "LINEAR_EXACT", "SIGMOID"), default="LINEAR"
    )


class ViewBody(PlaceOnImage):
    """How a frame is seen. `area`: left, top, right and bottom edges of the part that is seen, in
    pixels from the corner of the first; `window`: null for the image's own table, or for colours;
    `rotation`: clockwise, before the flip; `whole_series`: for all images of the series."""

    name = serializers.CharField(max_length=64)
    whole_series = serializers.BooleanField(default=False)
    window = WindowBody(allow_null=True, default=None)
    is_inverse = serializers.BooleanField(default=False)
    rotation = serializers.ChoiceField(choices=(0, 90, 180, 270), default=0)
    is_flipped = serializers.BooleanField(default=False)
    area = serializers.ListField(
        child=serializers.FloatField(min_value=-FARTHEST, max_value=FARTHEST),
        min_length=4,
        max_length=4,
    )

    def validate_area(self, area: list[float]) -> list[float]:
        if area[2] - area[0] < 1 or area[3] - area[1] < 1:
            raise serializers.ValidationError("Nothing is seen.")
        return area


class SavedView(serializers.Serializer[Any]):
    sop_instance_uid = serializers.CharField()


class PresentationStatesView(APIView):
    """`POST /api/studies/<id>/presentation-states/`: what is seen, into the study."""

    permission_classes = (IsMember,)
    parser_classes = (JSONParser,)
    http_method_names = ("post", "options")

    @extend_schema(
        operation_id="presentation_state_save",
        request=ViewBody,
        responses={201: SavedView, 400: BAD_REQUEST, 415: UNSUPPORTED, **COMMON},
    )
    def post(self, request: Request, pk: int) -> Response:
        # Brings highdicom, which no other request of this process needs.
        from studies.annotations import storing
        from studies.annotations.presentation import View

        who, user = asking(request), cast("User", request.user)
        try:
            services.annotated(pk, user, who)
            body = ViewBody(data=request.data)
            body.is_valid(raise_exception=True)
            facts = body.validated_data
            window = facts["window"]
            view = View(
                series_instance_uid=facts["series_instance_uid"],
                sop_instance_uid=facts["sop_instance_uid"],
                frame=facts["frame"],
                window=window and (window["center"], window["width"], window["function"]),
                is_inverse=facts["is_inverse"],
                rotation=facts["rotation"],
                is_flipped=facts["is_flipped"],
                area=tuple(facts["area"]),
                name=facts["name"],
                whole_series=facts["whole_series"],
            )
            uid = storing.store_view(pk, view, user, principal=who, **origin(request))
        except Study.DoesNotExist:
            raise exceptions.NotFound from None
        except AnnotationError as error:
            raise problem(error) from error
        return Response({"sop_instance_uid": uid}, 201)
