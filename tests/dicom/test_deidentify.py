"""De-identified copies against Table E.1-1 itself: nothing of what it lists stays, at any depth."""

from __future__ import annotations

import subprocess
import sys
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file
from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.dataelem import DataElement
from pydicom.sequence import Sequence
from pydicom.uid import generate_uid

from studies.dicom.deidentify import burned, leaks
from studies.dicom.deidentify.actions import ACTIONS, Action
from studies.dicom.deidentify.copy import NotGiven, head, pixels
from studies.dicom.deidentify.profile import DATE, STANDARD, TIME
from studies.dicom.deidentify.pseudonyms import Pseudonyms
from studies.dicom.errors import GateError
from tests.dicom import greys

DCIODVFY = Path(sys.executable).with_name("dciodvfy")
CT = "1.2.840.10008.5.1.4.1.1.2"
SECRET = "XQZSECRET"
SECRETS: dict[str, Any] = {
    **dict.fromkeys(("AE", "CS", "LO", "LT", "SH", "ST", "UC", "UT", "PN"), SECRET),
    **dict.fromkeys(("OB", "OW", "OD", "OF", "OL", "OV", "UN"), SECRET.encode() * 8),
    "UR": f"http://{SECRET}",
    "UI": "1.2.826.0.1.999999.1",
    "DA": "19870605",
    "DT": "19870605040302",
    "TM": "040302.98765",
    "AS": "067Y",
    "DS": "98765.25",
    "IS": "98765",
}
TRACES = (SECRET, "1.2.826.0.1.999999.1", "19870605", "040302.98765", "067Y", "98765")


def table() -> list[tuple[str, str, str]]:
    """Tag as printed, action, name."""
    text = (Path(__file__).with_name("table_e1_1.txt")).read_text()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    rows = []
    for line in lines:
        tag, _, rest = line.partition(") ")
        action, _, name = rest.partition(" ")
        rows.append((f"{tag})", action, name))
    return rows


def single() -> dict[int, str]:
    """Actions by tag, of attributes that do not repeat."""
    return {
        int(tag[1:5] + tag[6:10], 16): action
        for tag, action, _ in table()
        if all(each in "0123456789ABCDEF" for each in tag[1:5] + tag[6:10])
    }


def image(**elements: Any) -> Dataset:
    dataset = greys.image(
        np.arange(64 * 64, dtype=np.uint16).reshape(64, 64),
        **{"SOPClassUID": CT, "Modality": "CT", "BurnedInAnnotation": "NO", **elements},
    )
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    return dataset


def written(dataset: Dataset) -> bytes:
    file = BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


def copied(data: bytes, names: Pseudonyms | None = None, **options: Any) -> bytes:
    file = BytesIO(data)
    made, at = head(file, names or Pseudonyms(), **options)
    return made + b"".join(pixels(file, at))


def read(data: bytes) -> Dataset:
    return dcmread(BytesIO(data))


def test_the_table_is_whole() -> None:
    """The package's table against the standard's, which comes from elsewhere."""
    rows = table()
    assert len(rows) > 600
    may_be = {
        "X": {Action.REMOVE},
        "Z": {Action.EMPTY},
        "D": {Action.DUMMY},
        "U": {Action.MAP},
        "Z/D": {Action.DUMMY},
        "X/Z": {Action.EMPTY},
        "X/D": {Action.DUMMY},
        "X/Z/D": {Action.DUMMY},
        "X/Z/U*": {Action.CLEAN},
    }
    found = single()
    assert len(found) == len(rows) - 4  # curves, two of overlays, private attributes
    assert set(found.values()) <= set(may_be)
    wrong = {
        f"{tag:08X}": action
        for tag, action in found.items()
        if ACTIONS.get(tag) not in may_be[action]
    }
    assert wrong == {}


def secret_of(tag: int) -> DataElement | None:
    vr = dictionary_VR(tag)
    if vr == "SQ":
        item = Dataset()
        item.PatientName = item.ReasonForVisit = SECRET
        if ACTIONS[tag] is not Action.CLEAN:
            item.CodeValue = item.CodeMeaning = SECRET
        item.ReferencedSOPInstanceUID = SECRETS["UI"]
        return DataElement(tag, vr, Sequence([item]))
    value = SECRETS.get(vr)
    return None if value is None else DataElement(tag, vr, value)


def test_nothing_of_any_attribute_of_the_table_stays_at_any_depth() -> None:
    """One file with every attribute of the table, on top and in sequences in sequences."""
    dataset = image()
    inner, middle = Dataset(), Dataset()
    asked = 0
    for tag in sorted(set(single()) | set(ACTIONS)):
        if tag >> 16 < 8 or not keyword_for_tag(tag):
            continue
        if tag == 0x00080018:
            continue
        element = secret_of(tag)
        if element is None:
            continue
        for place in (dataset, middle, inner):
            place.add(DataElement(tag, element.VR, element.value))
        asked += 1
    assert asked > 560
    middle.PerFrameFunctionalGroupsSequence = Sequence([inner])
    dataset.SharedFunctionalGroupsSequence = Sequence([middle])
    before = written(dataset)
    assert all(trace.encode() in before for trace in TRACES)
    data = copied(before)
    left = {trace for trace in TRACES if trace.encode() in data}
    if left:
        culprits = [
            (each.keyword, str(each.value)[:40])
            for each in leaks._all(read(data))
            if any(trace in str(each.value) for trace in left)
        ]
        pytest.fail(str(culprits[:20]))
    found = read(data)
    shared = found.SharedFunctionalGroupsSequence[0]
    for place in (found, shared, shared.PerFrameFunctionalGroupsSequence[0]):
        assert "AdditionalPatientHistory" not in place
        assert place.InstitutionName == "ANONYMIZED"
        assert place.StudyDate == ""
        assert place.ContentDate == DATE


def test_private_curves_overlays_and_the_unknown_are_removed() -> None:
    dataset = image()
    item = Dataset()
    for place in (dataset, item):
        block = place.private_block(0x0009, "OURS", create=True)
        block.add_new(1, "LO", SECRET)
        place.add_new(0x60003000, "OW", SECRET.encode() + b"\0")
        place.add_new(0x60004000, "LT", SECRET)
        place.add_new(0x50000010, "US", 7)
        place.add_new(0x00189FFE, "LO", SECRET)
    dataset.SharedFunctionalGroupsSequence = Sequence([item])
    data = copied(written(dataset))
    assert SECRET.encode() not in data
    found = read(data)
    assert not [
        tag for tag in found if tag.tag.is_private or tag.tag.group & 0xFF00 in (0x5000, 0x6000)
    ]


def test_what_says_that_it_was_done() -> None:
    found = read(copied(written(image(PatientID="P-77", PatientName="DOE^Jane"))))
    assert found.PatientIdentityRemoved == "YES"
    (code,) = found.DeidentificationMethodCodeSequence
    assert (code.CodeValue, code.CodingSchemeDesignator) == ("113100", "DCM")
    assert found.LongitudinalTemporalInformationModified == "REMOVED"
    assert str(found.PatientName) == f"Anonymous^{found.PatientID}"
    assert (
        found.StudyDate,
        found.AccessionNumber,
        found.ContentTime if "ContentTime" in found else TIME,
    ) == ("", "", TIME)


def test_uids_are_mapped_alike_and_references_hold() -> None:
    study, series, frame = generate_uid(), generate_uid(), generate_uid()
    first = image(StudyInstanceUID=study, SeriesInstanceUID=series, FrameOfReferenceUID=frame)
    reference = Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = CT, first.SOPInstanceUID
    second = image(
        StudyInstanceUID=study,
        SeriesInstanceUID=series,
        FrameOfReferenceUID=frame,
        SourceImageSequence=[reference],
    )
    names = Pseudonyms()
    one, two = (read(copied(written(each), names)) for each in (first, second))
    assert one.StudyInstanceUID == two.StudyInstanceUID != study
    assert one.SeriesInstanceUID == two.SeriesInstanceUID != series
    assert one.FrameOfReferenceUID == two.FrameOfReferenceUID != frame
    assert one.SOPInstanceUID != two.SOPInstanceUID
    assert two.SourceImageSequence[0].ReferencedSOPInstanceUID == one.SOPInstanceUID
    assert two.SourceImageSequence[0].ReferencedSOPClassUID == CT
    assert one.SOPInstanceUID == one.file_meta.MediaStorageSOPInstanceUID
    assert one.SOPInstanceUID.startswith("2.25.")
    assert len(one.SOPInstanceUID) <= 64
    assert one.SOPClassUID.startswith(STANDARD)
    # Another copy cannot be laid over this one.
    assert read(copied(written(first))).StudyInstanceUID != one.StudyInstanceUID


@pytest.mark.parametrize(
    "name",
    [
        "CT_small.dcm",
        "JPEG2000.dcm",
        "MR_small_bigendian.dcm",
        "MR_small_RLE.dcm",
        "MR_small_implicit.dcm",
        "JPEG2000-embedded-sequence-delimiter.dcm",
    ],
)
def test_pixels_are_the_file_s(name: str, tmp_path: Path) -> None:
    source = dcmread(get_testdata_file(name))
    source.BurnedInAnnotation = "NO"
    if source.SOPClassUID not in burned.SCANNERS | burned.PROJECTIONS:
        source.SOPClassUID = source.file_meta.MediaStorageSOPClassUID = CT
    # What stands behind the pixels may name somebody, too.
    source.add_new(0xFFFCFFFC, "OB", SECRET.encode() + b"\0")
    before = written(source)
    data = copied(before)
    found = read(data)
    assert found.PixelData == source.PixelData
    assert found.file_meta.TransferSyntaxUID == source.file_meta.TransferSyntaxUID
    assert SECRET.encode() not in data
    assert data[:128] == bytes(128)
    path = tmp_path / "copy.dcm"
    path.write_bytes(data)
    said = subprocess.run(
        ["dcmdump", "-q", "+P", "0012,0062", "+P", "0010,0010", path],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (said.returncode, said.stderr) == (0, "")
    assert "[YES]" in said.stdout
    assert "Anonymous^" in said.stdout


def errors(data: bytes, folder: Path) -> set[str]:
    """What dciodvfy calls errors, without the values that it cites."""
    path = folder / "file.dcm"
    path.write_bytes(data)
    said = subprocess.run([DCIODVFY, path], capture_output=True, text=True, timeout=60, check=False)
    return {line for line in said.stderr.splitlines() if line.startswith("Error")}


@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small.dcm", "MR_small_RLE.dcm"])
def test_dciodvfy_finds_no_fault_of_ours(name: str, tmp_path: Path) -> None:
    source = dcmread(get_testdata_file(name))
    source.BurnedInAnnotation = "NO"
    before = written(source)
    assert errors(copied(before), tmp_path) - errors(before, tmp_path) == set()


def test_where_the_file_was_sent_is_not_told() -> None:
    dataset = image()
    dataset.file_meta.SourceApplicationEntityTitle = SECRET
    dataset.file_meta.PrivateInformationCreatorUID = "1.2.3"
    dataset.file_meta.PrivateInformation = SECRET.encode()
    dataset.preamble = SECRET.encode().ljust(128, b"\0")
    data = copied(written(dataset))
    assert SECRET.encode() not in data


@pytest.mark.parametrize(
    ("where", "value"),
    [
        ("ConvolutionKernel", "FOR MUSTERMANN"),
        ("ScanOptions", None),
        ("ManufacturerModelName", "see P-20450"),
        ("FilterType", "mustermann, erika"),
        ("BodyPartExamined", "MUSTERMANN"),
    ],
)
def test_a_name_where_the_table_does_not_look_stops_the_copy(where: str, value: str | None) -> None:
    dataset = image(PatientName="Mustermann^Erika", PatientID="P-20450", ScanOptions="HELIX")
    if value is None:
        copied(written(dataset))
        return
    setattr(dataset, where, value)
    with pytest.raises(NotGiven, match=f"{where} would still name the patient"):
        copied(written(dataset))


@pytest.mark.parametrize(
    ("name", "text"), [("Müller^X", "by Mu\u0308ller"), ("राम^सीता", "सीता राम")]
)
def test_a_name_in_other_letters_of_unicode_stops_the_copy(name: str, text: str) -> None:
    dataset = image(SpecificCharacterSet="ISO_IR 192", PatientName=name, ConvolutionKernel=text)
    with pytest.raises(NotGiven, match="ConvolutionKernel would still name the patient"):
        copied(written(dataset))


@pytest.mark.parametrize(
    "said",
    [
        {"PatientBirthDate": "19000101", "ContentDate": "20260101"},
        {"PatientName": "Anonymized", "InstitutionName": "Hospital"},
    ],
)
def test_placeholders_are_nobody(said: dict[str, Any]) -> None:
    once = read(copied(written(image(**said, OperatorsName="Meier^X"))))
    once.BurnedInAnnotation = "NO"
    copied(written(once))  # and so is a copy of a copy


def test_uids_that_a_device_made_under_the_standard_s_root_are_mapped() -> None:
    own, frame = STANDARD + "5.1.4.1.1.2.20260102.77", STANDARD + "1.4.1.1"
    dataset = image(SOPInstanceUID=own, StudyInstanceUID=own + ".1", FrameOfReferenceUID=frame)
    data = copied(written(dataset))
    assert own.encode() not in data
    assert (read(data).FrameOfReferenceUID, read(data).SOPClassUID) == (frame, CT)


@pytest.mark.parametrize("text", ["山田さんの頭部", "頭部 太郎", "홍길동"])
def test_a_short_name_within_a_sentence_stops_the_copy(text: str) -> None:
    dataset = image(
        SpecificCharacterSet="ISO_IR 192", PatientName="Yamada^Taro=山田^太郎",
        OtherPatientNames="홍^길동=洪^吉洞=홍길동", FilterType="",
    )  # fmt: skip
    copied(written(dataset))
    dataset.ConvolutionKernel = text
    with pytest.raises(NotGiven, match="ConvolutionKernel would still name the patient"):
        copied(written(dataset))


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("EvaluatorName", "Somebody^Else"),
        ("DateOfGainCalibration", "20260102"),
        ("ProcedureCreationDate", "20260102"),
        ("RetrieveURL", "http://ward7.example/x"),
    ],
)
def test_people_dates_and_addresses_that_the_table_does_not_know_are_removed(
    keyword: str, value: str
) -> None:
    dataset = image()
    setattr(dataset, keyword, value)
    assert keyword not in read(copied(written(dataset)))


def test_words_in_the_pixels() -> None:
    def why(silent: bool = False, **elements: Any) -> str:
        return burned.why_not(image(**elements), silent=silent)

    root = "1.2.840.10008.5.1.4.1.1."
    assert why() == ""
    assert why(BurnedInAnnotation="YES") == burned.SAYS_YES
    assert why(BurnedInAnnotation="") == burned.SAYS_NOTHING
    assert why(BurnedInAnnotation="MAYBE") == burned.SAYS_YES
    for kind, words in {
        "7": "secondary capture",
        "7.4": "secondary capture",
        "3.1": "ultrasound",
        "6.1": "ultrasound",
        "12.1": "angiogram",
        "12.2": "fluoroscopy",
        "104.1": "document",
        "88.33": "structured report",
        "88.59": "structured report",
        "11.1": "presentation state",
        "77.1.4": "photograph",
        "66.4": "segmentation",
        "481.3": "radiotherapy",
        "99": "not known",
    }.items():
        # Whatever the header says, and whatever is asked for.
        assert words in why(SOPClassUID=root + kind, BurnedInAnnotation="NO"), kind
        assert words in why(silent=True, SOPClassUID=root + kind), kind
    quiet: dict[str, Any] = {"BurnedInAnnotation": None, "silent": True}
    original = ["ORIGINAL", "PRIMARY", "AXIAL"]
    assert why(ImageType=original, **quiet) == ""
    assert why(ImageType=["DERIVED", "SECONDARY"], **quiet) == burned.DERIVED
    assert why(**quiet) == burned.DERIVED
    assert why(ImageType=original, SamplesPerPixel=3, **quiet) == burned.COLOUR
    assert why(ImageType=original, SOPClassUID=root + "1.1", **quiet) == burned.SAYS_NOTHING
    assert why(ImageType=original, BurnedInAnnotation="YES", silent=True) == burned.SAYS_YES


def test_drawings_in_unused_bits_and_other_strange_files() -> None:
    dataset = image()
    dataset.add_new(0x60000010, "US", 64)
    dataset.add_new(0x60000102, "US", 13)
    with pytest.raises(NotGiven, match="unused bits"):
        copied(written(dataset))
    deflated = image()
    deflated.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1.99"
    data = written(deflated)
    with pytest.raises(NotGiven, match="transfer syntax"):
        copied(data)
    whole = written(image())
    with pytest.raises(GateError):
        copied(whole[:-10])


def test_pseudonyms_do_not_show_their_secret() -> None:
    names = Pseudonyms()
    assert names.secret.hex() not in repr(names)
    assert repr(names) == repr(Pseudonyms())
    assert names.uid("") == ""
