"""Structured reports of a version (PS3.3 A.35.1, A.35.13; PS3.16 TID 2000, TID 1500)."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable
from typing import Any

from highdicom.sr import (
    CodedConcept,
    CompositeContentItem,
    ContainerContentItem,
    ContentSequence,
    ImageContentItem,
    LanguageOfContentItemAndDescendants,
    MeasurementReport,
    ObservationContext,
    ObserverContext,
    PersonObserverIdentifyingAttributes,
    PnameContentItem,
    RelationshipTypeValues,
    TextContentItem,
)
from highdicom.sr.sop import _SR, ComprehensiveSR
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import BasicTextSRStorage, ComprehensiveSRStorage

from reports.models import ReportVersion, VersionKind
from reports.output import dicom, plain, shown
from reports.output.shown import Part, Shown
from studies.annotations import tid1500
from studies.annotations.models import Measurement as MeasurementRow
from studies.models import Study

logging.getLogger("highdicom").setLevel(logging.WARNING)
CONTAINS = RelationshipTypeValues.CONTAINS
LANGUAGES = {
    "ar": "Arabic", "de": "German", "en": "English", "es": "Spanish", "fr": "French",
    "it": "Italian", "ja": "Japanese", "ko": "Korean", "nl": "Dutch", "pl": "Polish",
    "pt": "Portuguese", "ru": "Russian", "tr": "Turkish", "zh": "Chinese",
}  # fmt: skip
# Headings (PS3.16 CID 7001) and the items below them (CID 7002), by our section keys.
HEADINGS = {
    "clinical_information": (codes.DCM.History, codes.DCM.History),
    "technique": (codes.DCM.CurrentProcedureDescriptions, codes.DCM.ProcedureDescription),
    "comparison": (codes.DCM.PriorProcedureDescriptions, codes.DCM.PreviousFinding),
    "findings": (codes.DCM.Findings, codes.DCM.Finding),
    "impression": (codes.DCM.Impressions, codes.DCM.Impression),
    "addendum": (codes.DCM.Addendum, codes.DCM.Finding),
}
OTHER = (codes.DCM.Findings, codes.DCM.Finding)
TITLE = codes.LN.DiagnosticImagingReport


class BasicTextSR(_SR):  # type: ignore[misc]
    """Basic Text SR (PS3.3 A.35.1), which highdicom has no class for."""

    def __init__(self, **options: Any) -> None:
        super().__init__(sop_class_uid=BasicTextSRStorage, **options)


def basic_text_sr(version: ReportVersion) -> bytes:
    """The report as Basic Text SR: what its PDF shows, one container a section (TID 2000).

    A withdrawal says that the report was withdrawn, and nothing of what it said.
    """
    study = _study(version)
    found = shown.of_version(version)
    wanted = [image["sop_instance_uid"] for image in _key_images(found)]
    evidence = dicom.evidence(study, wanted)
    root = ContainerContentItem(name=TITLE, is_content_continuous=False, template_id="2000")
    content = ContentSequence()
    content.extend(_language(version.content))
    content.extend(_observer(version))
    if found.mark == shown.WITHDRAWN:
        content.append(_text_section(*OTHER, plain.withdrawn_words(found)))
    else:
        for part in found.parts:
            content.extend(_part(part, evidence))
    root.ContentSequence = content
    return _document(
        version, study, BasicTextSR, root, list(evidence.values()), kind="sr", name="basic-text"
    )


def measurement_report(version: ReportVersion) -> bytes | None:
    """The measurements of a version as TID 1500 in a Comprehensive SR; None without any.

    A measurement on an image that is not in the archive is left to the text.
    """
    found = shown.of_version(version)
    frozen = [one for part in found.parts for one in part.content.get("measurements") or []]
    if not frozen or found.mark == shown.WITHDRAWN:
        return None
    study = _study(version)
    rows = {
        str(row.pk): row
        for row in MeasurementRow.objects.filter(study=study, pk__in=[one["id"] for one in frozen])
    }
    evidence = dicom.evidence(study, [row.sop_instance_uid for row in rows.values()])
    groups = []
    for number, one in enumerate(frozen, start=1):
        row = rows.get(str(one["id"]))
        image = evidence.get(row.sop_instance_uid) if row is not None else None
        made = (
            row is not None
            and image is not None
            and tid1500.group(
                row,
                one.get("values") or [],
                image,
                uid=dicom.uid_of(version, f"measurement/{one['id']}"),
                identifier=str(one.get("label") or f"Measurement {number}")[:64],
            )
        )
        if made:
            groups.append(made)
    if not groups:
        return None
    report = MeasurementReport(
        observation_context=ObservationContext(
            observer_person_context=ObserverContext(
                observer_type=codes.DCM.Person,
                observer_identifying_attributes=PersonObserverIdentifyingAttributes(
                    name=dicom.signer_name(version)
                ),
            )
        ),
        procedure_reported=CodedConcept("363679005", "SCT", "Imaging procedure"),
        imaging_measurements=groups,
        language_of_content_item_and_descendants=LanguageOfContentItemAndDescendants(
            CodedConcept(*_language_code(version.content))
        ),
    )
    return _document(
        version,
        study,
        ComprehensiveSR,
        report[0],
        list(evidence.values()),
        kind="measurements",
        name="measurements",
    )


def _study(version: ReportVersion) -> Study:
    study: Study = Study.objects.select_related("site").get(pk=version.report.study_id)
    return study


def _document(
    version: ReportVersion,
    study: Study,
    of_class: Any,
    root: Dataset,
    evidence: list[Dataset],
    *,
    kind: str,
    name: str,
) -> bytes:
    """The file of a document with this content."""
    is_signed = version.kind != VersionKind.PRELIMINARY
    person = dicom.signer_name(version)
    site = str((version.content.get("site") or {}).get("name") or study.site.name)[:64]
    with warnings.catch_warnings():
        # Names and descriptions are kept as the images tell them.
        warnings.simplefilter("ignore", UserWarning)
        dataset = of_class(
            evidence=evidence or [_nothing_shown(study)],
            content=root,
            series_instance_uid=dicom.series_uid_of(version, kind),
            series_number=dicom.SERIES_NUMBERS[kind],
            sop_instance_uid=dicom.uid_of(version, name),
            instance_number=version.number,
            manufacturer=dicom.MANUFACTURER,
            is_complete=True,
            is_final=is_signed,
            is_verified=is_signed,
            verifying_observer_name=person if is_signed else None,
            verifying_organization=site if is_signed else None,
            record_evidence=bool(evidence),
        )
        _settle(dataset, version, study, evidence, kind, name)
        return dicom.saved(dataset)


def _settle(
    dataset: Dataset,
    version: ReportVersion,
    study: Study,
    evidence: list[Dataset],
    kind: str,
    name: str,
) -> None:
    """What highdicom takes from images or the clock, by study and version instead."""
    for element in dicom.identity(study):
        dataset[element.tag] = element
    dicom.common(dataset, version, kind)
    when = dicom.moment(version)
    for item in dataset.get("VerifyingObserverSequence") or []:
        item.VerificationDateTime = when["datetime"]
    for keyword in ("ContributingEquipmentSequence", "PertinentOtherEvidenceSequence"):
        if keyword in dataset:
            del dataset[keyword]
    if not evidence and "CurrentRequestedProcedureEvidenceSequence" in dataset:
        del dataset["CurrentRequestedProcedureEvidenceSequence"]
    before = dicom.previous(version)
    if before is not None and name == "basic-text":
        dataset.PredecessorDocumentsSequence = [_predecessor(before, study, kind, name)]


def _predecessor(before: ReportVersion, study: Study, kind: str, name: str) -> Dataset:
    instance, series, item = Dataset(), Dataset(), Dataset()
    instance.ReferencedSOPClassUID = BasicTextSRStorage
    instance.ReferencedSOPInstanceUID = dicom.uid_of(before, name)
    series.SeriesInstanceUID = dicom.series_uid_of(before, kind)
    series.ReferencedSOPSequence = [instance]
    item.StudyInstanceUID = study.study_instance_uid
    item.ReferencedSeriesSequence = [series]
    return item


def _nothing_shown(study: Study) -> Dataset:
    """Stands where highdicom wants an image to take identity from; it is in no document."""
    dataset = dicom.identity(study)
    dataset.SOPClassUID = ComprehensiveSRStorage
    dataset.SOPInstanceUID = dataset.SeriesInstanceUID = "2.25.1"
    return dataset


def _key_images(found: Shown) -> Iterable[dict[str, Any]]:
    if found.mark == shown.WITHDRAWN:
        return []
    return [image for part in found.parts for image in part.content.get("key_images") or []]


def _language_code(content: dict[str, Any]) -> tuple[str, str, str]:
    language = str(content.get("language") or "en").split("-")[0].lower()
    if language not in LANGUAGES:
        language = "en"
    return language, "RFC5646", LANGUAGES[language]


def _language(content: dict[str, Any]) -> ContentSequence:
    """TID 1204."""
    return LanguageOfContentItemAndDescendants(CodedConcept(*_language_code(content)))


def _observer(version: ReportVersion) -> list[Any]:
    """TID 1002: the person who signed."""
    return [
        PnameContentItem(
            name=codes.DCM.PersonObserverName,
            value=dicom.signer_name(version),
            relationship_type=RelationshipTypeValues.HAS_OBS_CONTEXT,
        )
    ]


def _part(part: Part, evidence: dict[str, Dataset]) -> list[Any]:
    """The sections of a report or addendum, its measurements, its key images."""
    made: list[Any] = []
    for key, title, lines in plain.sections(part.content):
        heading, item = HEADINGS.get(key, OTHER)
        text = "\r\n".join(lines)
        if part.is_addendum:
            heading = codes.DCM.Addendum
        if key not in HEADINGS and title:
            text = f"{title}\r\n{text}"
        made.append(_text_section(heading, item, text))
    if measured := plain.measurement_lines(part.content):
        made.append(_text_section(*OTHER, "\r\n".join(measured)))
    images: list[Any] = []
    for image in part.content.get("key_images") or []:
        shown_by = evidence.get(str(image.get("sop_instance_uid")))
        if shown_by is not None:
            images += _image(image, shown_by)
    if images:
        section = ContainerContentItem(
            name=codes.DCM.KeyImages, is_content_continuous=False, relationship_type=CONTAINS
        )
        section.ContentSequence = ContentSequence(images)
        made.append(section)
    return made


def _text_section(heading: Any, item: Any, text: str) -> ContainerContentItem:
    section = ContainerContentItem(
        name=heading, is_content_continuous=False, relationship_type=CONTAINS
    )
    section.ContentSequence = ContentSequence(
        [TextContentItem(name=item, value=text, relationship_type=CONTAINS)]
    )
    return section


def _image(image: dict[str, Any], shown_by: Dataset) -> list[Any]:
    frames = {}
    if "NumberOfFrames" in shown_by:
        frames = {"referenced_frame_numbers": int(image.get("frame") or 1)}
    if "Rows" in shown_by and not shown_by.Rows:
        found: Any = CompositeContentItem(
            name=codes.DCM.OfInterest,
            referenced_sop_class_uid=shown_by.SOPClassUID,
            referenced_sop_instance_uid=shown_by.SOPInstanceUID,
            relationship_type=CONTAINS,
        )
    else:
        found = ImageContentItem(
            name=codes.DCM.OfInterest,
            referenced_sop_class_uid=shown_by.SOPClassUID,
            referenced_sop_instance_uid=shown_by.SOPInstanceUID,
            relationship_type=CONTAINS,
            **frames,
        )
    caption = str(image.get("caption") or "")
    if not caption:
        return [found]
    words = TextContentItem(
        name=codes.DCM.KeyObjectDescription, value=caption, relationship_type=CONTAINS
    )
    return [found, words]
