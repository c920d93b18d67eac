"""The PDF of a version as a DICOM object (PS3.3 A.45.1)."""

from __future__ import annotations

from pydicom.dataset import Dataset
from pydicom.uid import EncapsulatedPDFStorage

from reports.models import ReportVersion
from reports.output import dicom, shown, sr
from reports.output.pdf import pdf
from studies.models import Study


def encapsulated_pdf(version: ReportVersion) -> bytes:
    """Encapsulated PDF whose document is byte for byte `pdf(version)`. Raises as that does."""
    study: Study = Study.objects.select_related("site").get(pk=version.report.study_id)
    document = pdf(version)
    dataset = Dataset()
    for element in dicom.identity(study):
        dataset[element.tag] = element
    dicom.common(dataset, version, "pdf")
    dataset.SOPClassUID = EncapsulatedPDFStorage
    dataset.SOPInstanceUID = dicom.uid_of(version, "pdf")
    dataset.SeriesInstanceUID = dicom.series_uid_of(version, "pdf")
    dataset.Modality = "DOC"
    dataset.ConversionType = "WSD"
    dataset.BurnedInAnnotation = "YES"
    dataset.AcquisitionDateTime = dicom.moment(version)["datetime"]
    dataset.DocumentTitle = _title(version)
    dataset.ConceptNameCodeSequence = [_concept()]
    dataset.MIMETypeOfEncapsulatedDocument = "application/pdf"
    dataset.EncapsulatedDocument = document + b"\0" * (len(document) % 2)
    dataset.EncapsulatedDocumentLength = len(document)
    return dicom.saved(dataset)


def _title(version: ReportVersion) -> str:
    found = shown.of_version(version)
    title = str(found.parts[0].content.get("title") or "Report")
    return f"{title} ({found.mark})" if found.mark else title


def _concept() -> Dataset:
    concept = Dataset()
    concept.CodeValue = sr.TITLE.value
    concept.CodingSchemeDesignator = sr.TITLE.scheme_designator
    concept.CodeMeaning = sr.TITLE.meaning
    return concept
