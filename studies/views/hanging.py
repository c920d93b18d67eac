"""Hanging protocols: kept from the viewer, looked after on a page of their own."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_POST
from drf_spectacular.utils import extend_schema
from rest_framework import exceptions, serializers
from rest_framework.parsers import JSONParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from pacs.accounts.addresses import page_origin
from pacs.accounts.permissions import IsMember, origin
from pacs.accounts.principal import Principal, principal_of
from studies.hanging import services
from studies.hanging.builtin import BUILT_IN
from studies.hanging.models import LONGEST_NAME, HangingProtocol
from studies.hanging.rules import WrongRules
from studies.views.marks import asking
from studies.views.problems import BAD_REQUEST, FORBIDDEN, UNAUTHENTICATED, UNSUPPORTED
from studies.views.worklist import signed_in


def _lists(who: Principal, problem: dict[str, Any] | None = None) -> dict[str, Any]:
    """The context of `_hanging.html`: own protocols, those of sites, the built-in ones."""
    own: list[dict[str, Any]] = []
    shared: list[dict[str, Any]] = []
    for protocol in services.visible_to(who):
        row = {
            "protocol": protocol,
            "text": json.dumps(protocol.rules, indent=2, ensure_ascii=False),
            "may_change": services.may_change(who, protocol),
        }
        if problem and problem["pk"] == protocol.pk:
            row |= problem
        (own if protocol.site_id is None else shared).append(row)
    built_in = [
        {"name": name, "layout": rules["layout"], "text": json.dumps(rules, indent=2)}
        for name, rules in BUILT_IN.values()
    ]
    return {"own": own, "shared": shared, "built_in": built_in, "longest": LONGEST_NAME}


@require_GET
@signed_in
def protocols(request: HttpRequest) -> HttpResponse:
    """The person's protocols and those of the sites, to rename, reorder, rewrite and remove."""
    return render(request, "studies/hanging.html", _lists(principal_of(request.user)))


def _move(*, up: bool) -> Callable[..., None]:
    return lambda who, request, pk: services.move(
        who, request.user, pk, up=up, **page_origin(request)
    )


def _rename(who: Principal, request: HttpRequest, pk: int) -> None:
    name = request.POST.get("name", "")
    services.rename(who, request.user, pk, name, **page_origin(request))


def _rewrite(who: Principal, request: HttpRequest, pk: int) -> None:
    text = request.POST.get("rules", "")
    services.rewrite(who, request.user, pk, text, **page_origin(request))


def _remove(who: Principal, request: HttpRequest, pk: int) -> None:
    services.remove(who, request.user, pk, **page_origin(request))


ACTIONS: dict[str, tuple[Callable[..., None], str]] = {
    "rename": (_rename, "Renamed."),
    "rules": (_rewrite, "The rules are kept."),
    "up": (_move(up=True), ""),
    "down": (_move(up=False), ""),
    "remove": (_remove, "Removed."),
}


@require_POST
@signed_in
def act(request: HttpRequest, pk: int, action: str) -> HttpResponse:
    """Change a protocol; the lists as they are then. 404 for one that is not the person's."""
    if action not in ACTIONS:
        raise Http404
    change, done = ACTIONS[action]
    who = principal_of(request.user)
    problem = None
    try:
        change(who, request, pk)
    except HangingProtocol.DoesNotExist:
        raise Http404 from None
    except services.NotKept as error:
        problem = {"pk": pk, "problem": error.words}
    except WrongRules as error:
        problem = {"pk": pk, "problem": error.words, "text": request.POST.get("rules", "")}
    context = _lists(who, problem) | {"notice": "" if problem else done}
    return render(request, "studies/_hanging.html", context)


class ProtocolBody(serializers.Serializer[Any]):
    """Without a site, for the person alone."""

    name = serializers.CharField(max_length=LONGEST_NAME)
    site = serializers.IntegerField(allow_null=True, default=None)
    rules = serializers.JSONField()


class Protocol(serializers.Serializer[Any]):
    key = serializers.CharField()
    name = serializers.CharField()
    whose = serializers.ChoiceField(choices=["own", "site", "builtin"])
    rules = serializers.JSONField()


class KeptProtocol(serializers.Serializer[Any]):
    protocol = Protocol()


class ProtocolsView(APIView):
    """`POST /api/hanging-protocols/`: keeps what is on the screen of a viewer."""

    permission_classes = (IsMember,)
    parser_classes = (JSONParser,)
    http_method_names = ("post", "options")

    @extend_schema(
        operation_id="hanging_protocol_keep",
        request=ProtocolBody,
        responses={
            200: KeptProtocol,
            400: BAD_REQUEST,
            401: UNAUTHENTICATED,
            403: FORBIDDEN,
            415: UNSUPPORTED,
        },
    )
    def post(self, request: Request) -> Response:
        body = ProtocolBody(data=request.data)
        body.is_valid(raise_exception=True)
        asked = body.validated_data
        try:
            kept = services.keep(
                asking(request),
                request.user,
                name=asked["name"],
                rules=asked["rules"],
                site_id=asked["site"],
                **origin(request),
            )
        except (services.NotKept, WrongRules) as error:
            raise exceptions.ParseError(error.words) from error
        return Response({"protocol": services.described(kept)})
