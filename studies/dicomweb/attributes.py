"""Rows of the index as DICOM JSON (PS3.18 F) with the return attributes of PS3.18 10.6.3.3."""

from __future__ import annotations

from typing import Any

from studies.models import Instance, Series, Study

Attributes = dict[str, dict[str, Any]]
ONLINE = "ONLINE"
UTF8 = "ISO_IR 192"


def _attribute(vr: str, *values: Any) -> dict[str, Any]:
    kept = [value for value in values if value not in (None, "")]
    return {"vr": vr, "Value": kept} if kept else {"vr": vr}


def _person_name(alphabetic: str, ideographic: str = "", phonetic: str = "") -> dict[str, Any]:
    groups = {
        name: text
        for name, text in (
            ("Alphabetic", alphabetic),
            ("Ideographic", ideographic),
            ("Phonetic", phonetic),
        )
        if text
    }
    return {"vr": "PN", "Value": [groups]} if groups else {"vr": "PN"}


def study_attributes(study: Study, root: str) -> Attributes:
    """Table 10.6.3-3, and the descriptions that every client shows."""
    return {
        "00080005": _attribute("CS", UTF8),
        "00080020": _attribute("DA", study.study_date),
        "00080030": _attribute("TM", study.study_time),
        "00080050": _attribute("SH", study.accession_number),
        "00080056": _attribute("CS", ONLINE),
        "00080061": _attribute("CS", *study.modality_list),
        "00080080": _attribute("LO", study.institution_name),
        "00080090": _person_name(study.referring_physician_name),
        "00081030": _attribute("LO", study.study_description),
        "00081190": _attribute("UR", f"{root}/studies/{study.study_instance_uid}"),
        "00100010": _person_name(
            study.patient_name, study.patient_name_ideographic, study.patient_name_phonetic
        ),
        "00100020": _attribute("LO", study.patient_id),
        "00100021": _attribute("LO", study.issuer_of_patient_id),
        "00100030": _attribute("DA", study.patient_birth_date),
        "00100040": _attribute("CS", study.patient_sex),
        "00101010": _attribute("AS", study.patient_age),
        "0020000D": _attribute("UI", study.study_instance_uid),
        "00200010": _attribute("SH", study.study_id),
        "00201206": _attribute("IS", study.number_of_series),
        "00201208": _attribute("IS", study.number_of_instances),
    }


def series_attributes(series: Series, study_uid: str, root: str) -> Attributes:
    """Table 10.6.3-4."""
    uid = series.series_instance_uid
    return {
        "00080005": _attribute("CS", UTF8),
        "00080021": _attribute("DA", series.series_date),
        "00080031": _attribute("TM", series.series_time),
        "00080056": _attribute("CS", ONLINE),
        "00080060": _attribute("CS", series.modality),
        "0008103E": _attribute("LO", series.series_description),
        "00081190": _attribute("UR", f"{root}/studies/{study_uid}/series/{uid}"),
        "00180015": _attribute("CS", series.body_part_examined),
        "00181030": _attribute("LO", series.protocol_name),
        "0020000D": _attribute("UI", study_uid),
        "0020000E": _attribute("UI", uid),
        "00200011": _attribute("IS", series.series_number),
        "00200060": _attribute("CS", series.laterality),
        "00201209": _attribute("IS", series.number_of_instances),
    }


def instance_attributes(instance: Instance, study_uid: str, root: str) -> Attributes:
    """Table 10.6.3-5."""
    series_uid, uid = instance.series.series_instance_uid, instance.sop_instance_uid
    url = f"{root}/studies/{study_uid}/series/{series_uid}/instances/{uid}"
    attributes = {
        "00080005": _attribute("CS", UTF8),
        "00080016": _attribute("UI", instance.sop_class_uid),
        "00080018": _attribute("UI", uid),
        "00080056": _attribute("CS", ONLINE),
        "00080060": _attribute("CS", instance.series.modality),
        "00081190": _attribute("UR", url),
        "00083002": _attribute("UI", instance.transfer_syntax_uid),
        "0020000D": _attribute("UI", study_uid),
        "0020000E": _attribute("UI", series_uid),
        "00200013": _attribute("IS", instance.instance_number),
    }
    if instance.rows and instance.columns:
        attributes["00280010"] = _attribute("US", instance.rows)
        attributes["00280011"] = _attribute("US", instance.columns)
    if instance.number_of_frames > 1:
        attributes["00280008"] = _attribute("IS", instance.number_of_frames)
    return attributes
