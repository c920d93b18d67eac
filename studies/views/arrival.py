"""A person's word on a study's arrival: all images are there, or not after all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import exceptions, serializers
from rest_framework.parsers import FormParser, JSONParser, MultiPartParser
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from pacs.accounts.addresses import client_address
from pacs.accounts.models import Scope
from pacs.accounts.permissions import principal
from studies.models import Arrival, Study
from studies.services import arrival
from studies.views.problems import (
    BAD_REQUEST,
    FORBIDDEN,
    NOT_FOUND,
    UNAUTHENTICATED,
    UNSUPPORTED,
)


class IsSomebody(BasePermission):
    """Whoever has logged in or brings a token; what a study shows them is asked of the study."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return principal(request) is not None


class Said(serializers.Serializer[Any]):
    """The body: `{"expected_instances": 60}`, `{"complete": false}`, or nothing."""

    complete = serializers.BooleanField(default=True)
    expected_instances = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=arrival.MAX_EXPECTED
    )


class ArrivalState(serializers.Serializer[Any]):
    """The state as it is after the change."""

    study = serializers.IntegerField()
    arrival = serializers.ChoiceField(choices=Arrival.choices)
    complete = serializers.BooleanField()
    number_of_instances = serializers.IntegerField()
    expected_instances = serializers.IntegerField(allow_null=True)
    message = serializers.CharField()


ANSWERS = {200: ArrivalState, 401: UNAUTHENTICATED, 403: FORBIDDEN, 404: NOT_FOUND}
UNREADABLE = {400: BAD_REQUEST, 415: UNSUPPORTED}


class CompleteView(APIView):
    """`POST /api/studies/<id>/complete/`, and `DELETE` (or `{"complete": false}`) to take it back.

    200 with the state as it is then; 400 a number outside 1 to 100,000; 401 nobody; 403 a study
    that is seen by somebody who may not judge it; 404 a study that is not seen.
    """

    permission_classes = (IsSomebody,)
    parser_classes = (JSONParser, FormParser, MultiPartParser)
    http_method_names = ("post", "delete", "options")

    @extend_schema(operation_id="study_complete", request=Said, responses={**ANSWERS, **UNREADABLE})
    def post(self, request: Request, pk: int) -> Response:
        self._require(request, pk)
        if not isinstance(request.data, Mapping):
            raise exceptions.ParseError("The body is no JSON object.")
        # A plain dictionary: in a form's data a missing boolean would read as false.
        said = Said(data=dict(request.data.items()))
        said.is_valid(raise_exception=True)
        if not said.validated_data["complete"]:
            return self.delete(request, pk)
        study = arrival.mark_complete(
            pk,
            request.user,
            expected_instances=said.validated_data.get("expected_instances"),
            address=client_address(request._request),
        )
        return Response(state_of(study))

    @extend_schema(operation_id="study_not_complete", request=None, responses=ANSWERS)
    def delete(self, request: Request, pk: int) -> Response:
        self._require(request, pk)
        study = arrival.take_back(pk, request.user, address=client_address(request._request))
        return Response(state_of(study))

    @staticmethod
    def _require(request: Request, pk: int) -> None:
        who = principal(request)
        study = Study.objects.visible_to(who).only("site_id").filter(pk=pk).first()
        if who is None or study is None:
            raise exceptions.NotFound
        if Scope.WRITE.value not in who.scopes:
            raise exceptions.PermissionDenied("This token may read only.")
        if study.site_id not in arrival.judged_sites(who):
            raise exceptions.PermissionDenied(
                "Only technicians and administrators of the study's site may say"
                " whether it is complete."
            )


def state_of(study: Study) -> dict[str, Any]:
    """The answer: the state, its numbers, and both in words."""
    count, expected = study.number_of_instances, study.expected_instances
    complete = study.arrival == Arrival.COMPLETE
    if complete:
        words = f"Complete with {count} image{'' if count == 1 else 's'}."
    elif expected:
        words = f"{count} of {expected} images are there."
    else:
        words = "Not complete."
    return {
        "study": study.pk,
        "arrival": study.arrival,
        "complete": complete,
        "number_of_instances": count,
        "expected_instances": expected,
        "message": words,
    }
