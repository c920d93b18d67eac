"""The only writers of measurements and key images.

Ids are made by the browser, so that saving again after a lost answer is the same row. What is
removed stays in the database for reports that name it.
"""

from __future__ import annotations

import math
from typing import Any, TypedDict
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from pacs import audit, events
from pacs.accounts.models import Role, User
from pacs.accounts.principal import Principal, principal_of
from studies import documents
from studies.annotations import kinds, measuring, scale
from studies.annotations.errors import BadAnnotation, NotAllowed, Taken
from studies.annotations.models import KeyImage, Measurement, OnImage
from studies.models import Instance, Study

UNITS = ("mm", "px", "mm2", "px2", "deg", "HU", "g/ml", "Bq/ml", "s", "cm/s", "Hz", "")
MAX_POINTS = kinds.REGION_POINTS
MAX_VALUES = 8
FARTHEST = 1_000_000.0


class Place(TypedDict):
    """A frame of the study; `frame` counts from 1."""

    series_instance_uid: str
    sop_instance_uid: str
    frame: int


def may_annotate(who: Principal, site: int) -> bool:
    """Leave measurements and key images, and remove them: radiologists of the site."""
    return (site, Role.RADIOLOGIST.value) in who.roles and "write" in who.scopes


def save_measurement(
    study_id: int,
    who: User,
    measurement_id: UUID,
    place: Place,
    *,
    tool: str,
    points: list[list[float]],
    values: list[dict[str, Any]],
    label: str = "",
    at_detector: bool = False,
    calibration: UUID | None = None,
    restore: bool = False,
    principal: Principal | None = None,
    **origin: str,
) -> tuple[Measurement, bool]:
    """Keep a measurement; True where it is new. The same again changes nothing.

    `points` are [column, row] in pixels of the frame, the centre of the first pixel being (0, 0);
    `values` as in Measurement: those that follow from the points are checked against the image.
    `calibration`: the measurement of that tool whose length is the scale. `restore` brings back
    one that was removed, as it was; only its author may bring it back otherwise.
    Raises NotAllowed, BadAnnotation, Taken, Study.DoesNotExist.
    """
    fields: dict[str, Any] = {
        "tool": tool,
        "points": _points(points),
        "values": _values(values),
        "label": label,
        "at_detector": at_detector,
        "calibration_id": calibration,
    }
    wrong = kinds.objection(tool, fields["points"], fields["values"], label)
    if wrong:
        raise BadAnnotation(wrong)
    return _save(
        Measurement, study_id, who, measurement_id, place, fields, principal, origin, restore
    )


def save_key_image(
    study_id: int,
    who: User,
    key_image_id: UUID,
    place: Place,
    *,
    caption: str = "",
    window_center: float | None = None,
    window_width: float | None = None,
    is_inverted: bool = False,
    principal: Principal | None = None,
    **origin: str,
) -> tuple[KeyImage, bool]:
    """Keep a frame with the window it was seen in; True where it is new. Raises as above."""
    for number in (window_center, window_width):
        if number is not None and not math.isfinite(number):
            raise BadAnnotation("The window is no number.")
    if window_width is not None and window_width <= 0:
        raise BadAnnotation("The window has no width.")
    fields = {
        "caption": caption,
        "window_center": window_center,
        "window_width": window_width,
        "is_inverted": is_inverted,
    }
    return _save(KeyImage, study_id, who, key_image_id, place, fields, principal, origin)


def remove(
    model: type[OnImage],
    study_id: int,
    who: User,
    annotation_id: UUID,
    *,
    principal: Principal | None = None,
    **origin: str,
) -> None:
    """Remove softly. Safe to repeat. Any radiologist of the site may; the audit says who did.

    Raises NotAllowed, Study.DoesNotExist, and the model's DoesNotExist.
    """
    study = annotated(study_id, who, principal)
    row = model._default_manager.get(pk=annotation_id, study=study)
    with transaction.atomic():
        _require_unused(row)
        removed = model._default_manager.filter(pk=row.pk, removed_at=None).update(
            removed_at=timezone.now()
        )
        if removed:
            _note(model, "removed", study, who, annotation_id, origin)


def annotated(study_id: int, who: User, principal: Principal | None) -> Study:
    """The study, for who may leave something on it. Raises NotAllowed, Study.DoesNotExist."""
    principal = principal or principal_of(who)
    study: Study = Study.objects.visible_to(principal).get(pk=study_id)
    if not may_annotate(principal, study.site_id):
        raise NotAllowed("Only radiologists of the study's site measure and mark images.")
    return study


def _save(
    model: type[Any],
    study_id: int,
    who: User,
    annotation_id: UUID,
    place: Place,
    fields: dict[str, Any],
    principal: Principal | None,
    origin: dict[str, str],
    restore: bool = False,
) -> tuple[Any, bool]:
    study = annotated(study_id, who, principal)
    _require_frame(study, place)
    fields = {**place, **fields}
    if model is Measurement:
        _require_true(study, place, fields)
    with transaction.atomic():
        row, made = model._default_manager.get_or_create(
            pk=annotation_id, defaults={**fields, "study": study, "author": who}
        )
        if made:
            _note(model, "saved", study, who, annotation_id, origin)
            return row, True
        is_same = all(getattr(row, name) == value for name, value in fields.items())
        may_restore = restore and is_same
        if row.study_id != study.pk or (row.author_id != who.pk and not may_restore):
            raise Taken("This was left by somebody else. Make one of your own.")
        if row.removed_at is not None:
            if not restore:
                raise Taken("This was removed. Make a new one.")
            row.removed_at = None
            row.save(update_fields=["removed_at"])
            _note(model, "restored", study, who, annotation_id, origin)
        if is_same:
            return row, False
        _require_unused(row)
        for name, value in fields.items():
            setattr(row, name, value)
        row.changed_at = timezone.now()
        row.save(update_fields=[*fields, "changed_at"])
        _note(model, "changed", study, who, annotation_id, origin)
    return row, False


def _require_unused(row: OnImage) -> None:
    """A calibration stays as it is while something is measured with it."""
    if not isinstance(row, Measurement) or row.tool != kinds.CALIBRATION:
        return
    used = row.measured_by_it.filter(removed_at=None).count()
    if used:
        raise Taken(f"{used} measured with this calibration. Remove what was measured first.")


def _require_true(study: Study, place: Place, fields: dict[str, Any]) -> None:
    """That the values follow from the points and the image. Nothing is asked of an image whose
    document is not at hand."""
    calibration = _calibration(study, place, fields["calibration_id"])
    uid = place["sop_instance_uid"]
    document = documents.get_many(study.site_id, [uid]).get(uid)
    if document is None:
        return
    frame, tool = place["frame"], fields["tool"]
    if tool == kinds.CALIBRATION and not scale.may_calibrate(document, frame):
        raise BadAnnotation("This image has its own spacing.")
    found = scale.scale_of(document, frame, fields["points"], calibration)
    wanted = measuring.expected(tool, fields["points"], found)
    if found.refused and tool not in measuring.WITHOUT_SCALE:
        raise BadAnnotation("This crosses regions of the picture that are measured differently.")
    if not measuring.fits(fields["values"], wanted):
        raise BadAnnotation("The values are not those of these points on this image.")
    in_mm = any(unit in {"mm", "mm2"} for _, unit in wanted.values())
    fields["at_detector"] = in_mm and found.at_detector


def _calibration(
    study: Study, place: Place, calibration_id: UUID | None
) -> tuple[list[list[float]], float] | None:
    """The line and the length of a calibration of this image."""
    if calibration_id is None:
        return None
    row = Measurement.objects.filter(
        pk=calibration_id,
        study=study,
        sop_instance_uid=place["sop_instance_uid"],
        tool=kinds.CALIBRATION,
        removed_at=None,
    ).first()
    if row is None:
        raise BadAnnotation("This image has no such calibration.")
    return row.points, float(row.values[0]["value"])


def _note(
    model: type[OnImage],
    what: str,
    study: Study,
    who: User,
    annotation_id: UUID,
    origin: dict[str, str],
) -> None:
    name = "measurement" if model is Measurement else "key_image"
    audit.record(
        f"{name}.{what}",
        actor=who,
        study=study,
        address=origin.get("address", ""),
        session_key=origin.get("session_key", ""),
        detail={"id": str(annotation_id)},
    )
    events.publish(
        "annotation.changed", site=study.site_id, study=study.pk, annotation=str(annotation_id)
    )


def _require_frame(study: Study, place: Place) -> None:
    frames = (
        Instance.objects.filter(
            site_id=study.site_id,
            series__study=study,
            series__series_instance_uid=place["series_instance_uid"],
            sop_instance_uid=place["sop_instance_uid"],
        )
        .values_list("number_of_frames", flat=True)
        .first()
    )
    if frames is None:
        raise BadAnnotation("This study has no such image.")
    if not 1 <= place["frame"] <= max(1, frames):
        raise BadAnnotation("This image has no such frame.")


def _points(points: list[list[float]]) -> list[list[float]]:
    if not 1 <= len(points) <= MAX_POINTS:
        raise BadAnnotation(f"Between 1 and {MAX_POINTS} points make a measurement.")
    if not all(len(point) == 2 and all(map(_sane, point)) for point in points):
        raise BadAnnotation("A point is a column and a row.")
    return [[float(column), float(row)] for column, row in points]


def _values(values: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if len(values) > MAX_VALUES:
        raise BadAnnotation(f"At most {MAX_VALUES} values.")
    kept = []
    for each in values:
        name, unit = each.get("name"), each.get("unit", "")
        value: Any = each.get("value")
        if not (isinstance(name, str) and name.isidentifier() and len(name) <= 24):
            raise BadAnnotation("A value has a name.")
        if unit not in UNITS or not _sane(value):
            raise BadAnnotation("A value is a number with a known unit.")
        kept.append({"name": name, "value": float(value), "unit": unit})
    return kept


def _sane(number: Any) -> bool:
    return (
        isinstance(number, int | float)
        and not isinstance(number, bool)
        and math.isfinite(number)
        and abs(number) <= FARTHEST
    )
