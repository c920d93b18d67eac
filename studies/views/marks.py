"""REST of measurements and key images: listed for who sees the site whole, kept by its readers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, cast
from uuid import UUID

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import exceptions, serializers
from rest_framework.parsers import JSONParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from pacs.accounts.models import User
from pacs.accounts.permissions import IsMember, origin, principal
from pacs.accounts.principal import Principal
from pacs.audit import record_read
from studies.annotations import services
from studies.annotations.errors import AnnotationError
from studies.annotations.models import KeyImage, Measurement
from studies.models import Instance, Study
from studies.views.problems import (
    BAD_REQUEST,
    FORBIDDEN,
    NOT_FOUND,
    UNAUTHENTICATED,
    UNSUPPORTED,
    Conflict,
    Detail,
)


class PlaceOnImage(serializers.Serializer[Any]):
    series_instance_uid = serializers.CharField(max_length=64)
    sop_instance_uid = serializers.CharField(max_length=64)
    frame = serializers.IntegerField(default=1, min_value=1, max_value=2**31 - 1)


class Value(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=24)
    value = serializers.FloatField()
    unit = serializers.ChoiceField(choices=services.UNITS, allow_blank=True, default="")


class MeasurementBody(PlaceOnImage):
    """`points` are [column, row] in pixels of the frame."""

    tool = serializers.SlugField(max_length=24)
    points = serializers.ListField(
        child=serializers.ListField(child=serializers.FloatField(), min_length=2, max_length=2),
        min_length=1,
        max_length=services.MAX_POINTS,
    )
    values = Value(many=True)  # type: ignore[assignment]
    label = serializers.CharField(  # type: ignore[assignment]
        max_length=120, allow_blank=True, default=""
    )
    at_detector = serializers.BooleanField(default=False)
    calibration = serializers.UUIDField(
        allow_null=True,
        default=None,
        source="calibration_id",
        help_text="The measurement of this image, of the tool calibration, that the scale is from.",
    )


class MeasurementSave(MeasurementBody):
    """`restore` brings back a measurement that was removed."""

    restore = serializers.BooleanField(default=False)


class KeyImageBody(PlaceOnImage):
    caption = serializers.CharField(max_length=200, allow_blank=True, default="")
    window_center = serializers.FloatField(allow_null=True, default=None)
    window_width = serializers.FloatField(allow_null=True, default=None)
    is_inverted = serializers.BooleanField(default=False)


class Author(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()


class Kept(serializers.Serializer[Any]):
    """Where it stands, and who left it there when. Numbers are those of series and image."""

    id = serializers.UUIDField()
    author = Author()
    created_at = serializers.DateTimeField()
    changed_at = serializers.DateTimeField()
    series_number = serializers.IntegerField(allow_null=True)
    instance_number = serializers.IntegerField(allow_null=True)
    frames = serializers.IntegerField()


class KeptMeasurement(MeasurementBody, Kept):
    calibrated_by = serializers.CharField()


class KeptKeyImage(KeyImageBody, Kept):
    pass


class Measurements(serializers.Serializer[Any]):
    measurements = KeptMeasurement(many=True)


class KeyImages(serializers.Serializer[Any]):
    key_images = KeptKeyImage(many=True)


COMMON = {401: UNAUTHENTICATED, 403: FORBIDDEN, 404: NOT_FOUND}
WRONG = {
    400: BAD_REQUEST,
    409: OpenApiResponse(Detail, "The id is another's, or of one that was removed."),
    415: UNSUPPORTED,
}


def asking(request: Request) -> Principal:
    """Who asks. The permission class has seen to it that it is somebody."""
    who = principal(request)
    if who is None:
        raise exceptions.NotAuthenticated
    return who


def numbers(rows: list[Any]) -> dict[str, dict[str, Any]]:
    """Series and image numbers by SOPInstanceUID."""
    uids = {row.sop_instance_uid for row in rows}
    if not uids:
        return {}
    found = Instance.objects.filter(
        series__study_id=rows[0].study_id, sop_instance_uid__in=uids
    ).values_list(
        "sop_instance_uid", "instance_number", "number_of_frames", "series__series_number"
    )
    return {
        uid: {"instance_number": number, "frames": frames, "series_number": series}
        for uid, number, frames, series in found
    }


class OnImageView(APIView):
    """What measurements and key images have in common."""

    permission_classes = (IsMember,)
    parser_classes = (JSONParser,)
    model: ClassVar[type[Any]]
    body: ClassVar[type[Any]]
    saves: ClassVar[type[Any]]
    plural: ClassVar[str]
    joined: ClassVar[tuple[str, ...]] = ("author",)

    def answer(self, rows: list[Any]) -> list[dict[str, Any]]:
        """The rows as they are sent."""
        places = numbers(rows)
        own = [(name, field.source) for name, field in self.body(partial=True).fields.items()]
        return [
            {
                "id": str(row.pk),
                **{name: getattr(row, source) for name, source in own},
                **self.more(row),
                "author": {"id": row.author_id, "name": str(row.author)},
                "created_at": row.created_at,
                "changed_at": row.changed_at,
                **places.get(
                    row.sop_instance_uid,
                    {"instance_number": None, "frames": 1, "series_number": None},
                ),
            }
            for row in rows
        ]

    def more(self, row: Any) -> dict[str, Any]:
        """What else is sent of a row."""
        return {}

    def listed(self, request: Request, pk: int) -> Response:
        who = asking(request)
        study = (
            Study.objects.visible_to(who).only("site_id", "patient_ref_id").filter(pk=pk).first()
        )
        if study is None:
            raise exceptions.NotFound
        if not who.is_superuser and study.site_id not in who.whole_sites:
            raise exceptions.PermissionDenied("This is for those who work at the site.")
        record_read("study.annotations", actor=request.user, study=study, **origin(request))
        rows = self.model.objects.visible_to(who).filter(study=study, removed_at=None)
        return Response({self.plural: self.answer(list(rows.select_related(*self.joined)))})

    def kept(self, request: Request, pk: int, annotation: UUID, save: Any) -> Response:
        who = asking(request)
        if not isinstance(request.data, Mapping):
            raise exceptions.ParseError("The body is no JSON object.")
        asked = self.saves(data=request.data)
        asked.is_valid(raise_exception=True)
        fields = dict(asked.validated_data)
        if "calibration_id" in fields:
            fields["calibration"] = fields.pop("calibration_id")
        place = cast(
            "services.Place",
            {name: fields.pop(name) for name in services.Place.__annotations__},
        )
        try:
            row, made = save(
                pk, request.user, annotation, place, **fields, principal=who, **origin(request)
            )
        except Study.DoesNotExist:
            raise exceptions.NotFound from None
        except AnnotationError as error:
            raise problem(error) from error
        return Response(self.answer([row])[0], 201 if made else 200)

    def removed(self, request: Request, pk: int, annotation: UUID) -> Response:
        who = asking(request)
        user = cast("User", request.user)
        try:
            services.remove(self.model, pk, user, annotation, principal=who, **origin(request))
        except (Study.DoesNotExist, self.model.DoesNotExist):
            raise exceptions.NotFound from None
        except AnnotationError as error:
            raise problem(error) from error
        return Response(status=204)


def problem(error: AnnotationError) -> exceptions.APIException:
    """The error as DRF answers it."""
    if error.status == 403:
        return exceptions.PermissionDenied(error.words)
    if error.status == 409:
        return Conflict(error.words)
    return exceptions.ParseError(error.words)


class MeasurementsOnImage(OnImageView):
    model, body, plural = Measurement, MeasurementBody, "measurements"
    saves = MeasurementSave
    joined = ("author", "calibration__author")

    def more(self, row: Any) -> dict[str, Any]:
        return {"calibrated_by": row.calibrated_by}


class MeasurementListView(MeasurementsOnImage):
    """`GET /api/studies/<id>/measurements/`: what was measured and not removed, oldest first."""

    http_method_names = ("get", "options")

    @extend_schema(operation_id="measurements", responses={200: Measurements, **COMMON})
    def get(self, request: Request, pk: int) -> Response:
        return self.listed(request, pk)


class MeasurementView(MeasurementsOnImage):
    """`PUT`, `DELETE /api/studies/<id>/measurements/<uuid>/`: the browser makes the id."""

    http_method_names = ("put", "delete", "options")

    @extend_schema(
        operation_id="measurement_save",
        request=MeasurementSave,
        responses={200: KeptMeasurement, 201: KeptMeasurement, **WRONG, **COMMON},
    )
    def put(self, request: Request, pk: int, annotation: UUID) -> Response:
        return self.kept(request, pk, annotation, services.save_measurement)

    @extend_schema(operation_id="measurement_remove", request=None, responses={204: None, **COMMON})
    def delete(self, request: Request, pk: int, annotation: UUID) -> Response:
        return self.removed(request, pk, annotation)


class StoredObjects(serializers.Serializer[Any]):
    objects = serializers.ListField(
        child=serializers.ChoiceField(choices=("measurements", "key-images"))
    )


class StoreMarksView(APIView):
    """`POST /api/studies/<id>/annotations/store/`: as DICOM objects into the study."""

    permission_classes = (IsMember,)
    http_method_names = ("post", "options")

    @extend_schema(
        operation_id="annotations_store",
        request=None,
        responses={200: StoredObjects, 400: BAD_REQUEST, **COMMON},
    )
    def post(self, request: Request, pk: int) -> Response:
        # Brings highdicom, which no other request of this process needs.
        from studies.annotations import storing

        who, user = asking(request), cast("User", request.user)
        try:
            kept = storing.store_into_study(pk, user, principal=who, **origin(request))
        except Study.DoesNotExist:
            raise exceptions.NotFound from None
        except AnnotationError as error:
            raise problem(error) from error
        return Response({"objects": kept})


class KeyImageListView(OnImageView):
    """`GET /api/studies/<id>/key-images/`."""

    model, body, plural = KeyImage, KeyImageBody, "key_images"
    http_method_names = ("get", "options")

    @extend_schema(operation_id="key_images", responses={200: KeyImages, **COMMON})
    def get(self, request: Request, pk: int) -> Response:
        return self.listed(request, pk)


class KeyImageView(OnImageView):
    """`PUT`, `DELETE /api/studies/<id>/key-images/<uuid>/`."""

    model, body, plural = KeyImage, KeyImageBody, "key_images"
    saves = KeyImageBody
    http_method_names = ("put", "delete", "options")

    @extend_schema(
        operation_id="key_image_save",
        request=KeyImageBody,
        responses={200: KeptKeyImage, 201: KeptKeyImage, **WRONG, **COMMON},
    )
    def put(self, request: Request, pk: int, annotation: UUID) -> Response:
        return self.kept(request, pk, annotation, services.save_key_image)

    @extend_schema(operation_id="key_image_remove", request=None, responses={204: None, **COMMON})
    def delete(self, request: Request, pk: int, annotation: UUID) -> Response:
        return self.removed(request, pk, annotation)
