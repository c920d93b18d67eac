"""A person's preferences in the viewer: the page, and what keeps them."""

from __future__ import annotations

from typing import Any, cast

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET
from drf_spectacular.utils import extend_schema
from rest_framework import exceptions, serializers
from rest_framework.parsers import JSONParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from pacs.accounts.permissions import IsMember, origin
from studies.preferences import services
from studies.preferences.models import LONGEST_NAME
from studies.preferences.rules import NotKept
from studies.views.problems import BAD_REQUEST, FORBIDDEN, NOT_FOUND, UNAUTHENTICATED, UNSUPPORTED
from studies.views.worklist import signed_in

REFUSED: dict[int, Any] = {
    400: BAD_REQUEST,
    401: UNAUTHENTICATED,
    403: FORBIDDEN,
    415: UNSUPPORTED,
}


@require_GET
@signed_in
def preferences(request: HttpRequest) -> HttpResponse:
    """Keys and mouse buttons of the viewer, and the windows that were kept."""
    state = services.described(cast("int", request.user.pk))
    return render(request, "studies/preferences.html", {"state": state})


class OwnWindowSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField(read_only=True)
    modality = serializers.RegexField(r"^[A-Z0-9_ ]{1,16}$")
    unit = serializers.ChoiceField(choices=services.UNITS, allow_blank=True, default="")
    name = serializers.CharField(max_length=LONGEST_NAME)
    center = serializers.FloatField()
    width = serializers.FloatField()


class PreferencesSerializer(serializers.Serializer[Any]):
    """Only what differs from the defaults."""

    keys = serializers.DictField(child=serializers.ListField(child=serializers.CharField()))
    buttons = serializers.DictField(child=serializers.CharField())


class WindowsSerializer(serializers.Serializer[Any]):
    windows = OwnWindowSerializer(many=True)


class PreferencesView(APIView):
    """`PUT /api/preferences/viewer/`: the person's own keys and buttons; none is a reset."""

    permission_classes = (IsMember,)
    parser_classes = (JSONParser,)
    http_method_names = ("put", "options")

    @extend_schema(
        operation_id="viewer_preferences_keep",
        request=PreferencesSerializer,
        responses={200: PreferencesSerializer, **REFUSED},
    )
    def put(self, request: Request) -> Response:
        given = PreferencesSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        try:
            services.keep(request.user, **given.validated_data, **origin(request))
        except NotKept as error:
            raise exceptions.ParseError(error.words) from error
        return Response(given.validated_data)


class OwnWindowsView(APIView):
    """`POST /api/preferences/viewer/windows/`: keeps a window; all of them as they are then."""

    permission_classes = (IsMember,)
    parser_classes = (JSONParser,)
    http_method_names = ("post", "options")

    @extend_schema(
        operation_id="own_window_keep",
        request=OwnWindowSerializer,
        responses={200: WindowsSerializer, **REFUSED},
    )
    def post(self, request: Request) -> Response:
        given = OwnWindowSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        try:
            services.keep_window(request.user, **given.validated_data, **origin(request))
        except NotKept as error:
            raise exceptions.ParseError(error.words) from error
        return Response({"windows": services.windows_of(request.user)})


class OwnWindowView(APIView):
    """`DELETE /api/preferences/viewer/windows/<id>/`. 404 for one that is not the person's."""

    permission_classes = (IsMember,)
    http_method_names = ("delete", "options")

    @extend_schema(
        operation_id="own_window_remove",
        responses={
            200: WindowsSerializer,
            401: UNAUTHENTICATED,
            403: FORBIDDEN,
            404: NOT_FOUND,
        },
    )
    def delete(self, request: Request, pk: int) -> Response:
        if not services.remove_window(request.user, pk, **origin(request)):
            raise exceptions.NotFound
        return Response({"windows": services.windows_of(request.user)})
