"""The Basic Profile done to one data set, its sequences included (PS3.15 E.1, E.2)."""

from __future__ import annotations

from typing import Any, Final

from pydicom import Dataset
from pydicom._uid_dict import UID_dictionary
from pydicom.datadict import dictionary_has_tag
from pydicom.dataelem import DataElement
from pydicom.dataset import FileMetaDataset
from pydicom.sequence import Sequence

from studies.dicom.deidentify.actions import ACTIONS, Action, is_graphic
from studies.dicom.deidentify.pseudonyms import Pseudonyms

METHOD: Final = "PS3.15 Basic Application Confidentiality Profile"
CODE: Final = ("113100", "DCM", "Basic Application Confidentiality Profile")
"""CID 7050."""
DATE, TIME = "19000101", "000000"
DUMMIES: Final[dict[str, Any]] = {
    **dict.fromkeys(("AE", "CS", "LO", "LT", "SH", "ST", "UC", "UT"), "ANONYMIZED"),
    **dict.fromkeys(("DS", "IS"), "0"),
    **dict.fromkeys(("FD", "FL"), 0.0),
    **dict.fromkeys(("SS", "US", "SL", "UL", "SV", "UV"), 0),
    **dict.fromkeys(("OB", "OW", "OD", "OF", "OL", "OV"), b"\0" * 8),
    "AS": "000Y",
    "DA": DATE,
    "DT": DATE + TIME,
    "PN": "ANONYMIZED",
    "TM": TIME,
    "UR": "http://anonymized.invalid",
}
STANDARD: Final = "1.2.840.10008."
"""Root of the UIDs of the standard: of classes, transfer syntaxes, well-known objects."""
OF_MEANING: Final = frozenset({0x0008010C, 0x00080117, 0x00080118, 0x00080119})
"""UIDs of coding schemes and their resources: they name no instance."""
PERSONAL: Final = frozenset({"PN", "AE", "UR", "DA", "DT", "TM"})
"""Names of people and systems, addresses and dates, which go also where the table is silent."""
META_KEPT: Final = ("MediaStorageSOPClassUID", "TransferSyntaxUID")


def deidentify(dataset: Dataset, names: Pseudonyms) -> None:
    """Take out of a data set, and of its group 0002, what the profile says; note that it was done.

    Pixel data is not looked at.
    """
    patient = names.patient(str(dataset.get("PatientID", "") or dataset.get("PatientName", "")))
    _clean(dataset, names)
    dataset.PatientName = f"Anonymous^{patient}"
    dataset.PatientID = patient
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = METHOD
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = CODE
    dataset.DeidentificationMethodCodeSequence = Sequence([code])
    dataset.LongitudinalTemporalInformationModified = "REMOVED"
    dataset.file_meta = _meta(dataset)


def _meta(dataset: Dataset) -> FileMetaDataset:
    """Group 0002 anew: application entities and private information stay behind (PS3.10 7.1)."""
    was, meta = dataset.file_meta, FileMetaDataset()
    for keyword in META_KEPT:
        setattr(meta, keyword, was.get(keyword))
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    return meta


def _clean(dataset: Dataset, names: Pseudonyms) -> None:
    for tag in list(dataset.keys()):
        if tag.is_private or is_graphic(int(tag)) or not dictionary_has_tag(tag):
            # Of what the dictionary does not know nobody can say that it names nobody.
            del dataset[tag]
            continue
        try:
            element = dataset[tag]
        except Exception:
            del dataset[tag]
            continue
        if element.VR == "UN":
            del dataset[tag]
            continue
        _act(dataset, element, names)


def _act(dataset: Dataset, element: DataElement, names: Pseudonyms) -> None:
    action = ACTIONS.get(int(element.tag))
    if action is Action.REMOVE:
        del dataset[element.tag]
    elif action is Action.EMPTY:
        element.value = Sequence([]) if element.VR == "SQ" else element.empty_value
    elif action is Action.DUMMY:
        _replace(dataset, element, names)
    elif action is None and element.VR in PERSONAL:
        del dataset[element.tag]
    elif element.VR == "SQ":
        for item in element.value:
            _clean(item, names)
    elif element.VR == "UI" and (action is Action.MAP or int(element.tag) not in OF_MEANING):
        _map(element, names)


def is_standard(uid: str, is_instance: bool) -> bool:
    """Whether it names nothing of anybody. Of instances only what is registered (PS3.6 A): some
    devices make their own UIDs under the standard's root."""
    return uid in UID_dictionary if is_instance else uid.startswith(STANDARD)


def _map(element: DataElement, names: Pseudonyms) -> None:
    is_instance = not any(each in element.keyword for each in ("Class", "TransferSyntax"))

    def one(value: Any) -> str:
        return str(value) if is_standard(str(value), is_instance) else names.uid(str(value))

    value = element.value
    element.value = [one(each) for each in value] if element.VM > 1 else one(value or "")


def _replace(dataset: Dataset, element: DataElement, names: Pseudonyms) -> None:
    """A dummy of the same kind; of a sequence, in all its items."""
    if element.VR == "SQ":
        for item in element.value:
            _clean(item, names)
            for inner in list(item):
                _replace(item, inner, names)
    elif element.VR == "UI":
        _map(element, names)
    elif element.VR in DUMMIES:
        element.value = DUMMIES[element.VR]
    else:
        del dataset[element.tag]
