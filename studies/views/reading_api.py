"""REST of reading: claims, take-over, next unread, assignment, priority, notes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.urls import reverse
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import exceptions, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from pacs.accounts.models import User
from pacs.accounts.permissions import origin, principal
from pacs.audit import record_read
from studies.models import Priority, ReadingState, Study
from studies.reading import notes, services
from studies.reading.errors import AlreadyClaimed, NotAllowed, ReadingError
from studies.reading.models import StudyNote
from studies.sending.permissions import CanSend
from studies.views.problems import (
    BAD_REQUEST,
    FORBIDDEN,
    NOT_FOUND,
    UNAUTHENTICATED,
    UNSUPPORTED,
)

BIG = 2**63 - 1


class WorksAtSite(CanSend):
    """Who sees a site whole; changing something needs the scope "write"."""

    message = "Your role has no part in reading, or the token lacks the scope for it."


class ReaderSerializer(serializers.Serializer[Any]):
    """Somebody, by id and name."""

    id = serializers.IntegerField()
    name = serializers.CharField(source="__str__")


class ReadingSerializer(serializers.Serializer[Any]):
    """Who reads a study, and how far it is. `url`: the viewer with the report beside it."""

    study = serializers.IntegerField(source="pk")
    reading_state = serializers.ChoiceField(choices=ReadingState.choices)
    reader = ReaderSerializer(allow_null=True)
    claimed_at = serializers.DateTimeField(allow_null=True)
    assigned_to = ReaderSerializer(allow_null=True)
    priority = serializers.ChoiceField(choices=Priority.choices)
    url = serializers.SerializerMethodField()

    def get_url(self, study: Study) -> str:
        return f"{reverse('view-study', args=[study.pk])}?report=1"


class ConflictSerializer(serializers.Serializer[Any]):
    """Why it cannot be done, and who reads the study where that is why."""

    detail = serializers.CharField()
    code = serializers.CharField()
    reader = ReaderSerializer(allow_null=True)


class NextWanted(serializers.Serializer[Any]):
    """What "next" may be, all optional: not the study `after`, of these sites and modalities."""

    after = serializers.IntegerField(min_value=1, max_value=BIG, required=False, allow_null=True)
    sites = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=BIG), required=False, max_length=200
    )
    modalities = serializers.ListField(
        child=serializers.RegexField(r"^[A-Z0-9 _]{1,16}$"), required=False, max_length=50
    )


class StudyAssignee(serializers.Serializer[Any]):
    """A radiologist of the site, or null for anybody."""

    user = serializers.IntegerField(min_value=1, max_value=BIG, allow_null=True)


class ChosenPriority(serializers.Serializer[Any]):
    """0 STAT, 1 urgent, 2 routine."""

    priority = serializers.ChoiceField(choices=Priority.choices)


class NewNote(serializers.Serializer[Any]):
    """A note, or a verification with or without words."""

    kind = serializers.ChoiceField(choices=StudyNote.Kind.choices, default=StudyNote.Kind.NOTE)
    text = serializers.CharField(allow_blank=True, default="", max_length=notes.LONGEST)


class NoteSerializer(serializers.Serializer[Any]):
    """What somebody said of a study."""

    id = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=StudyNote.Kind.choices)
    text = serializers.CharField(allow_blank=True)
    author = ReaderSerializer()
    at = serializers.DateTimeField()


class NotesSerializer(serializers.Serializer[Any]):
    """All notes of a study, the oldest first."""

    results = NoteSerializer(many=True)


CONFLICT = OpenApiResponse(ConflictSerializer, "It does not fit the state of the study.")
SEEN: dict[Any, Any] = {401: UNAUTHENTICATED, 403: FORBIDDEN, 404: NOT_FOUND}
CHANGED: dict[Any, Any] = {200: ReadingSerializer, **SEEN, 409: CONFLICT}
WITH_BODY: dict[Any, Any] = {400: BAD_REQUEST, 415: UNSUPPORTED}


class ReadingView(APIView):
    """Errors of reading become answers in one place."""

    permission_classes = (WorksAtSite,)

    def answer(
        self, request: Request, service: Callable[..., Any], *args: Any, **options: Any
    ) -> Response:
        """The study as it is after `service(*args, who, ...)`, or why it was not done."""
        try:
            study = service(*args, principal(request), **options, **origin(request))
        except Study.DoesNotExist:
            raise exceptions.NotFound from None
        except NotAllowed as error:
            raise exceptions.PermissionDenied(error.words) from error
        except ReadingError as error:
            reader = error.reader if isinstance(error, AlreadyClaimed) else None
            said = {"detail": error.words, "code": error.code, "reader": reader}
            return Response(ConflictSerializer(said).data, status=error.status)
        return Response(ReadingSerializer(study).data)

    def visible(self, request: Request, pk: int) -> Study:
        """The study, to those who see its site whole."""
        who = principal(request)
        found: Study | None = (
            Study.objects.visible_to(who)
            .filter(pk=pk)
            .select_related("reader", "assigned_to")
            .first()
        )
        if who is None or found is None:
            raise exceptions.NotFound
        if found.site_id not in who.whole_sites:
            raise exceptions.PermissionDenied(WorksAtSite.message)
        return found

    def body(self, request: Request, kind: type[serializers.Serializer[Any]]) -> dict[str, Any]:
        said = kind(data=request.data)
        said.is_valid(raise_exception=True)
        return dict(said.validated_data)


class ClaimView(ReadingView):
    """`POST /api/studies/{id}/claim/` to read it, `DELETE` to give it back, `GET` who reads it."""

    http_method_names = ("get", "post", "delete", "options")

    @extend_schema(operation_id="study_reading", responses={200: ReadingSerializer, **SEEN})
    def get(self, request: Request, pk: int) -> Response:
        return Response(ReadingSerializer(self.visible(request, pk)).data)

    @extend_schema(operation_id="study_claim", request=None, responses=CHANGED)
    def post(self, request: Request, pk: int) -> Response:
        return self.answer(request, services.claim, pk)

    @extend_schema(operation_id="study_release", request=None, responses=CHANGED)
    def delete(self, request: Request, pk: int) -> Response:
        return self.answer(request, services.release, pk)


class TakeOverView(ReadingView):
    """`POST /api/studies/{id}/take-over/`: read what another reads, who is told."""

    http_method_names = ("post", "options")

    @extend_schema(operation_id="study_take_over", request=None, responses=CHANGED)
    def post(self, request: Request, pk: int) -> Response:
        return self.answer(request, services.take_over, pk)


class SeenView(ReadingView):
    """`POST /api/studies/{id}/seen/`: its reader is at work. 409 where another reads it now."""

    http_method_names = ("post", "options")

    @extend_schema(operation_id="study_seen", request=None, responses=CHANGED)
    def post(self, request: Request, pk: int) -> Response:
        self.visible(request, pk)
        if services.seen(pk, principal(request)):
            return Response(ReadingSerializer(self.visible(request, pk)).data)
        study = self.visible(request, pk)
        said = {
            "detail": f"{study.reader or 'Nobody'} reads this study now.",
            "code": "not-yours",
            "reader": study.reader,
        }
        return Response(ConflictSerializer(said).data, status=409)


class AssignView(ReadingView):
    """`POST /api/studies/{id}/assign/ {"user": 7}`, or null for anybody."""

    http_method_names = ("post", "options")

    @extend_schema(
        operation_id="study_assign", request=StudyAssignee, responses={**CHANGED, **WITH_BODY}
    )
    def post(self, request: Request, pk: int) -> Response:
        self.visible(request, pk)
        wanted = self.body(request, StudyAssignee)["user"]
        user = None
        if wanted is not None:
            user = User.objects.filter(pk=wanted).first() or User(pk=wanted)
        return self.answer(request, services.assign, pk, user)


class PriorityView(ReadingView):
    """`POST /api/studies/{id}/priority/ {"priority": 0}`."""

    http_method_names = ("post", "options")

    @extend_schema(
        operation_id="study_priority", request=ChosenPriority, responses={**CHANGED, **WITH_BODY}
    )
    def post(self, request: Request, pk: int) -> Response:
        self.visible(request, pk)
        chosen = self.body(request, ChosenPriority)["priority"]
        return self.answer(request, services.set_priority, pk, chosen)


class NotesView(ReadingView):
    """`GET /api/studies/{id}/notes/`; `POST` adds one. None is ever changed."""

    http_method_names = ("get", "post", "head", "options")

    @extend_schema(operation_id="study_notes", responses={200: NotesSerializer, **SEEN})
    def get(self, request: Request, pk: int) -> Response:
        study = self.visible(request, pk)
        record_read("study.notes", actor=request.user, study=study, **origin(request))
        found = StudyNote.objects.filter(study=study).select_related("author")
        return Response(NotesSerializer({"results": found}).data)

    @extend_schema(
        operation_id="study_note",
        request=NewNote,
        responses={201: NoteSerializer, **SEEN, 409: CONFLICT, **WITH_BODY},
    )
    def post(self, request: Request, pk: int) -> Response:
        self.visible(request, pk)
        said = self.body(request, NewNote)
        made: list[StudyNote] = []

        def add(study_id: int, who: Any, **options: Any) -> Study:
            made.append(services.add_note(study_id, who, **options))
            return made[0].study

        answer = self.answer(request, add, pk, **said)
        return Response(NoteSerializer(made[0]).data, status=201) if made else answer


class NextUnreadView(ReadingView):
    """`POST /api/studies/next-unread/`: claims what to read next; 204 where there is none."""

    http_method_names = ("post", "options")

    @extend_schema(
        operation_id="studies_next_unread",
        request=NextWanted,
        responses={
            200: ReadingSerializer,
            204: OpenApiResponse(description="Nothing is waiting."),
            401: UNAUTHENTICATED,
            403: FORBIDDEN,
            **WITH_BODY,
        },
    )
    def post(self, request: Request) -> Response:
        who = principal(request)
        if who is None or not services.rights_of(who).reads:
            raise exceptions.PermissionDenied("Only radiologists read studies.")
        study = services.next_unread(who, **self.body(request, NextWanted), **origin(request))
        if study is None:
            return Response(status=204)
        return Response(ReadingSerializer(study).data)
