"""REST: one thing done to several studies of the worklist."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import exceptions, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from pacs.accounts.models import User
from pacs.accounts.permissions import origin, principal
from pacs.accounts.principal import Principal
from studies.models import Priority, Study
from studies.reading import services
from studies.reading.errors import ReadingError
from studies.services import arrival
from studies.views.problems import BAD_REQUEST, FORBIDDEN, UNAUTHENTICATED, UNSUPPORTED
from studies.views.reading_api import BIG, WorksAtSite

AT_ONCE = 100
NOT_SHOWN = "This study is no longer shown to you."
NOT_JUDGED = "Only technicians and administrators of the site say that a study is complete."


class Together(serializers.Serializer[Any]):
    """What to do with which studies. `priority` and `user` (null: anybody) go with their `do`."""

    studies = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=BIG), min_length=1, max_length=AT_ONCE
    )
    do = serializers.ChoiceField(choices=["priority", "assign", "complete", "not_needed", "needed"])
    priority = serializers.ChoiceField(choices=Priority.choices, required=False)
    user = serializers.IntegerField(min_value=1, max_value=BIG, required=False, allow_null=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        needs = {"priority": "priority", "assign": "user"}.get(attrs["do"])
        if needs and needs not in attrs:
            raise serializers.ValidationError({needs: "This field is required."})
        return attrs


class RefusedStudy(serializers.Serializer[Any]):
    """A study that was left as it was, and why."""

    study = serializers.IntegerField()
    words = serializers.CharField()


class TogetherDone(serializers.Serializer[Any]):
    """Each study is in one of the two."""

    done = serializers.ListField(child=serializers.IntegerField())
    refused = RefusedStudy(many=True)


class TogetherView(APIView):
    """`POST /api/studies/together/ {"studies": [1, 2], "do": "priority", "priority": 0}`.

    Each study by itself, as the single requests do it: one that is refused stops no other.
    """

    permission_classes = (WorksAtSite,)
    http_method_names = ("post", "options")

    @extend_schema(
        operation_id="studies_together",
        request=Together,
        responses={
            200: TogetherDone,
            400: BAD_REQUEST,
            401: UNAUTHENTICATED,
            403: FORBIDDEN,
            415: UNSUPPORTED,
        },
    )
    def post(self, request: Request) -> Response:
        said = Together(data=request.data)
        said.is_valid(raise_exception=True)
        who = principal(request)
        if who is None:
            raise exceptions.NotAuthenticated
        act = _act(said.validated_data, who, request)
        done: list[int] = []
        refused: list[dict[str, Any]] = []
        for pk in dict.fromkeys(said.validated_data["studies"]):
            try:
                act(pk)
            except Study.DoesNotExist:
                refused.append({"study": pk, "words": NOT_SHOWN})
            except ReadingError as error:
                refused.append({"study": pk, "words": error.words})
            except exceptions.PermissionDenied as error:
                refused.append({"study": pk, "words": str(error.detail)})
            else:
                done.append(pk)
        return Response(TogetherDone({"done": done, "refused": refused}).data)


def _act(said: dict[str, Any], who: Principal, request: Request) -> Callable[[int], object]:
    """What is done to one study. Raises ReadingError, PermissionDenied, Study.DoesNotExist."""
    where = origin(request)
    if said["do"] == "priority":
        return lambda pk: services.set_priority(pk, said["priority"], who, **where)
    if said["do"] == "assign":
        user = None
        if said["user"] is not None:
            user = User.objects.filter(pk=said["user"]).first() or User(pk=said["user"])
        return lambda pk: services.assign(pk, user, who, **where)
    if said["do"] == "complete":
        judged = arrival.judged_sites(who)

        def complete(pk: int) -> None:
            study = Study.objects.visible_to(who).only("site_id").get(pk=pk)
            if study.site_id not in judged:
                raise exceptions.PermissionDenied(NOT_JUDGED)
            arrival.mark_complete(pk, request.user, address=where["address"])

        return complete
    return lambda pk: services.set_needed(pk, said["do"] == "needed", who, **where)
