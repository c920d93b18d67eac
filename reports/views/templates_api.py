"""Templates and macros for whoever writes a report: JSON for the editor."""

from __future__ import annotations

from typing import Any

from django.http import Http404
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import exceptions, serializers
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from pacs.accounts.permissions import IsMember, origin, principal
from pacs.audit import record_read
from reports.models import Report
from reports.templating import choice, inserts, starting
from reports.templating.models import Macro, ReportTemplate, TemplateVersion
from reports.templating.services import newest_version
from studies.models import Study
from studies.views.problems import BAD_REQUEST, FORBIDDEN, NOT_FOUND, UNAUTHENTICATED, Detail

LARGEST = 2**63 - 1
OF_STUDY = OpenApiParameter(
    "study", int, required=True, description="The study that it is for: facts come from it"
)
ANSWERS: dict[Any, Any] = {401: UNAUTHENTICATED, 403: FORBIDDEN, 404: NOT_FOUND}


class TemplateRow(serializers.Serializer[Any]):
    """A template that may be chosen; `fits`: of the study's modality and body part."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    version = serializers.IntegerField()
    language = serializers.CharField()
    scope = serializers.ChoiceField(choices=["personal", "site", "everybody"])
    modalities = serializers.ListField(child=serializers.CharField())
    fits = serializers.BooleanField()


class TemplateList(serializers.Serializer[Any]):
    templates = TemplateRow(many=True)


class MacroRow(serializers.Serializer[Any]):
    """A macro with the study's facts in its markup. `inline`: one line, to stand in a sentence."""

    id = serializers.IntegerField()
    abbreviation = serializers.CharField()
    html = serializers.CharField()
    inline = serializers.BooleanField()
    sections = serializers.ListField(child=serializers.CharField())
    modalities = serializers.ListField(child=serializers.CharField())
    language = serializers.CharField(allow_blank=True)
    scope = serializers.ChoiceField(choices=["personal", "site", "everybody"])


class MacroList(serializers.Serializer[Any]):
    macros = MacroRow(many=True)


class FieldBody(serializers.Serializer[Any]):
    key = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    kind = serializers.ChoiceField(choices=["choice", "number", "text"])
    unit = serializers.CharField(allow_blank=True)
    choices = serializers.ListField(child=serializers.CharField())
    default = serializers.JSONField()
    required = serializers.BooleanField()  # type: ignore[assignment]
    minimum = serializers.FloatField(allow_null=True)
    maximum = serializers.FloatField(allow_null=True)


class SectionBody(serializers.Serializer[Any]):
    key = serializers.CharField()
    title = serializers.CharField()
    html = serializers.CharField(allow_blank=True)
    normal = serializers.CharField(allow_blank=True)
    required = serializers.BooleanField()  # type: ignore[assignment]
    fields = FieldBody(many=True)  # type: ignore[assignment]


class Body(serializers.Serializer[Any]):
    title = serializers.CharField(allow_blank=True)
    sections = SectionBody(many=True)


class VersionAnswer(serializers.Serializer[Any]):
    """What a version of a template says; `is_active` false: retired, for old drafts only."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    version = serializers.IntegerField()
    language = serializers.CharField()
    is_active = serializers.BooleanField()
    body = Body()


class StartAnswer(serializers.Serializer[Any]):
    """`document` as reports.document has it, ready to be written on, and the template's body."""

    document = serializers.DictField()
    template = VersionAnswer()


class SeesStudy(BasePermission):
    """Members of a site; the study decides on the rest."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return IsMember().has_permission(request, view)


def study_of(request: Request, pk: Any) -> Study:
    """The study, for those who see its site whole. 404 where it is hidden, 403 for referrers."""
    who = principal(request)
    found = Study.objects.visible_to(who).filter(pk=pk).first() if pk <= LARGEST else None
    if found is None or who is None:
        raise Http404
    if not who.is_superuser and found.site_id not in who.whole_sites:
        raise exceptions.PermissionDenied("Templates are for those who write reports.")
    study: Study = found
    return study


def named_study(request: Request) -> Study:
    """The study that the query names, in the audit trail as read. 400 where it names none."""
    text = request.query_params.get("study", "")
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise exceptions.ParseError("Say which study: ?study=<id>.")
    study = study_of(request, int(text))
    # Facts of the patient go out with the texts.
    record_read("study.facts", actor=request.user, study=study, **origin(request))
    return study


def version_body(version: TemplateVersion, known: dict[str, Any] | None) -> dict[str, Any]:
    """A VersionAnswer."""
    template = version.template
    return {
        "id": template.pk,
        "name": template.name,
        "version": version.number,
        "language": template.language,
        "is_active": template.is_active,
        "body": starting.expanded(version, known),
    }


def template_rows(study: Study, who: Any) -> list[dict[str, Any]]:
    """TemplateRows, best first."""
    return [
        {
            "id": template.pk,
            "name": template.name,
            "version": template.newest_number,  # type: ignore[attr-defined]
            "language": template.language,
            "scope": choice.scope_of(template),
            "modalities": template.modalities,
            "fits": template.fits,  # type: ignore[attr-defined]
        }
        for template in choice.choose(study, who)
    ]


def macro_rows(study: Study, who: Any, language: str = "en") -> list[dict[str, Any]]:
    """MacroRows; of one abbreviation the first that fits counts."""
    found = choice.macros(study, who)
    languages = {language, *(macro.language for macro in found if macro.language)}
    known = {one: inserts.facts(study, one)["inserts"] for one in languages}
    return [_macro(macro, known[macro.language or language]) for macro in found]


def _macro(macro: Macro, known: dict[str, str]) -> dict[str, Any]:
    html = inserts.expand(macro.html, known)
    inner = html.removeprefix("<p>").removesuffix("</p>")
    return {
        "id": macro.pk,
        "abbreviation": macro.abbreviation,
        "html": html,
        "inline": not any(f"<{tag}" in inner for tag in ("p>", "ul", "ol", "table", "br")),
        "sections": macro.sections,
        "modalities": macro.modalities,
        "language": macro.language,
        "scope": choice.scope_of(macro),
    }


class StudyTemplatesView(APIView):
    """`GET /api/studies/<id>/report-templates/`: templates for a study, best first."""

    permission_classes = (SeesStudy,)

    @extend_schema(operation_id="study_report_templates", responses={200: TemplateList, **ANSWERS})
    def get(self, request: Request, pk: int) -> Response:
        study = study_of(request, pk)
        return Response({"templates": template_rows(study, principal(request))})


class TemplateStartView(APIView):
    """`GET /api/report-templates/<id>/start/?study=<id>&normal=0|1`: a document to start from.

    404 also for a retired template: only drafts that were made of it go on with it.
    """

    permission_classes = (SeesStudy,)

    @extend_schema(
        operation_id="report_template_start",
        parameters=[
            OF_STUDY,
            OpenApiParameter("normal", enum=["0", "1"], description="1: the normal report"),
        ],
        responses={200: StartAnswer, 400: BAD_REQUEST, **ANSWERS},
    )
    def get(self, request: Request, pk: int) -> Response:
        normal = request.query_params.get("normal", "0")
        if normal not in ("0", "1"):
            raise exceptions.ParseError("`normal` is 0 or 1.")
        study = named_study(request)
        template = next(
            (one for one in choice.choose(study, principal(request)) if one.pk == pk), None
        )
        version = newest_version(template) if template else None
        if version is None:
            raise Http404
        known = inserts.facts(study, version.template.language)
        make = starting.normal if normal == "1" else starting.start
        return Response(
            {"document": make(version, known), "template": version_body(version, known)}
        )


class TemplateVersionView(APIView):
    """`GET /api/report-templates/<id>/versions/<number>/?study=<id>`: what a draft was made of.

    Also retired templates, and with `study` a colleague's own, where the study's report names it.
    """

    permission_classes = (SeesStudy,)

    @extend_schema(
        operation_id="report_template_version",
        parameters=[
            OpenApiParameter("study", int, description="Facts of this study go into the texts")
        ],
        responses={
            200: VersionAnswer,
            400: BAD_REQUEST,
            401: UNAUTHENTICATED,
            403: FORBIDDEN,
            404: OpenApiResponse(Detail, "There is no such version, or it is hidden."),
        },
    )
    def get(self, request: Request, pk: int, seq: int) -> Response:
        study = named_study(request) if "study" in request.query_params else None
        if pk > LARGEST or seq > LARGEST:
            raise Http404
        seen = ReportTemplate.objects.visible_to(principal(request)).filter(pk=pk).exists()
        if not seen and not (study is not None and _names(study, pk)):
            raise Http404
        version = (
            TemplateVersion.objects.select_related("template")
            .filter(template=pk, number=seq)
            .first()
        )
        if version is None:
            raise Http404
        known = inserts.facts(study, version.template.language) if study else None
        return Response(version_body(version, known))


def _names(study: Study, template: int) -> bool:
    """Whether the report of a study, which is seen, was made of the template."""
    return any(
        isinstance(named := content.get("template"), dict) and named.get("id") == template
        for content in Report.objects.filter(study=study).values_list("content", flat=True)
    )


class MacrosView(APIView):
    """`GET /api/macros/?study=<id>`: macros with the study's facts in them."""

    permission_classes = (SeesStudy,)

    @extend_schema(
        operation_id="macros",
        parameters=[OF_STUDY],
        responses={200: MacroList, 400: BAD_REQUEST, **ANSWERS},
    )
    def get(self, request: Request) -> Response:
        study = named_study(request)
        return Response({"macros": macro_rows(study, principal(request))})
