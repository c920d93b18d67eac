"""What was left on the images of a study as DICOM objects: measurements as TID 1500 in a
Comprehensive SR (PS3.3 A.35.13), key images as a Key Object Selection (A.35.4, TID 2010).

UIDs come from the content, so that the same made twice is the same object.
"""

from __future__ import annotations

import hashlib
import json
import uuid
import warnings
from collections.abc import Sequence
from datetime import UTC
from typing import Any, Final

from highdicom.ko import KeyObjectSelection, KeyObjectSelectionDocument
from highdicom.sr import (
    CodedConcept,
    ComprehensiveSR,
    LanguageOfContentItemAndDescendants,
    MeasurementReport,
    ObservationContext,
    ObserverContext,
    PersonObserverIdentifyingAttributes,
)
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from pacs.accounts.models import User
from studies.annotations import tid1500
from studies.annotations.models import KeyImage, Measurement, OnImage
from studies.models import Study
from studies.services import portal_objects

PROGRAM: Final = "LIGHTBOX_VIEWER"
SERIES_NUMBERS: Final = {"measurements": 9004, "key-images": 9005}
DESCRIPTIONS: Final = {"measurements": "Measurements", "key-images": "Key images"}
ENGLISH: Final = CodedConcept("en", "RFC5646", "English")
NO_MEASURES: Final = frozenset({"calibration", "arrow", "text"})


def measurement_report(study: Study, rows: Sequence[Measurement], who: User) -> bytes | None:
    """The measurements as TID 1500, `who` being the observer; None without any.

    Calibrations, arrows and texts measure nothing; what lies on an image that is not in the study
    any more is left out.
    """
    rows = [row for row in rows if row.tool not in NO_MEASURES]
    evidence = portal_objects.evidence(study, [row.sop_instance_uid for row in rows])
    groups = []
    for number, row in enumerate(rows, start=1):
        image = evidence.get(row.sop_instance_uid)
        made = image is not None and tid1500.group(
            row,
            row.values,
            image,
            uid=f"2.25.{row.pk.int}",
            identifier=(row.label or f"Measurement {number}")[:64],
        )
        if made:
            groups.append(made)
    if not groups:
        return None
    report = MeasurementReport(
        observation_context=ObservationContext(observer_person_context=_observer(who)),
        procedure_reported=CodedConcept("363679005", "SCT", "Imaging procedure"),
        imaging_measurements=groups,
        language_of_content_item_and_descendants=LanguageOfContentItemAndDescendants(ENGLISH),
    )
    with warnings.catch_warnings():
        # Names and descriptions are kept as the images tell them.
        warnings.simplefilter("ignore", UserWarning)
        dataset = ComprehensiveSR(
            evidence=list(evidence.values()),
            content=report[0],
            series_instance_uid=_series_uid(study, "measurements"),
            series_number=SERIES_NUMBERS["measurements"],
            sop_instance_uid=_uid(study, who, rows),
            instance_number=1,
            manufacturer=portal_objects.MANUFACTURER,
            is_complete=True,
            is_final=False,
            is_verified=False,
        )
        return _settled(dataset, study, "measurements", rows)


def key_objects(study: Study, rows: Sequence[KeyImage], who: User) -> bytes | None:
    """The key images as a Key Object Selection of `who`; None without any."""
    evidence = portal_objects.evidence(study, [row.sop_instance_uid for row in rows])
    if not evidence:
        return None
    captions = "; ".join(row.caption for row in rows if row.caption)
    content = KeyObjectSelection(
        document_title=codes.DCM.OfInterest,
        referenced_objects=list(evidence.values()),
        observer_person_context=_observer(who),
        description=captions or None,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        dataset = KeyObjectSelectionDocument(
            evidence=list(evidence.values()),
            content=content,
            series_instance_uid=_series_uid(study, "key-images"),
            series_number=SERIES_NUMBERS["key-images"],
            sop_instance_uid=_uid(study, who, rows),
            instance_number=1,
            manufacturer=portal_objects.MANUFACTURER,
        )
        return _settled(dataset, study, "key-images", rows)


def _observer(who: User) -> ObserverContext:
    name = f"{who.last_name}^{who.first_name}" if who.last_name else str(who)
    return ObserverContext(
        observer_type=codes.DCM.Person,
        observer_identifying_attributes=PersonObserverIdentifyingAttributes(
            name=name if who.last_name else f"{portal_objects.plain_name(name)}^"
        ),
    )


def _series_uid(study: Study, kind: str) -> str:
    return f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, f'{study.study_instance_uid}/{kind}').int}"


def _uid(study: Study, who: User, rows: Sequence[OnImage]) -> str:
    """Of what the object says: rows as they are, and who says so (PS3.5 B.2, UUIDv5)."""
    said: list[Any] = [study.study_instance_uid, who.pk]
    for row in rows:
        names = [field.attname for field in row._meta.concrete_fields]
        said.append([str(getattr(row, name)) for name in names])
    digest = hashlib.sha256(json.dumps(said).encode()).hexdigest()
    return f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, digest).int}"


def _settled(dataset: Dataset, study: Study, kind: str, rows: Sequence[OnImage]) -> bytes:
    """The file, with what highdicom takes from images or the clock by study and rows instead."""
    for element in portal_objects.identity(study):
        dataset[element.tag] = element
    when = max(row.changed_at for row in rows).astimezone(UTC)
    dataset.TimezoneOffsetFromUTC = "+0000"
    dataset.InstanceCreationDate = dataset.ContentDate = dataset.SeriesDate = f"{when:%Y%m%d}"
    dataset.InstanceCreationTime = dataset.ContentTime = dataset.SeriesTime = f"{when:%H%M%S}"
    dataset.Manufacturer = portal_objects.MANUFACTURER
    dataset.ManufacturerModelName = portal_objects.MODEL
    dataset.SeriesDescription = DESCRIPTIONS[kind]
    for keyword in ("ContributingEquipmentSequence", "PertinentOtherEvidenceSequence"):
        if keyword in dataset:
            del dataset[keyword]
    return portal_objects.saved(dataset, PROGRAM)
