"""Facts and JSON of real headers: names in every character set, values that are none."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.data import get_charset_files, get_testdata_file
from pydicom.data.data_manager import DATA_ROOT

from studies.dicom import charset, header, json_model

NAMES = {
    "chrArab.dcm": ("قباني^لنزار", "", ""),
    "chrFren.dcm": ("Buc^Jérôme", "", ""),
    "chrFrenMulti.dcm": ("Buc^Jérôme", "", ""),
    "chrGerm.dcm": ("Äneas^Rüdiger", "", ""),
    "chrGreek.dcm": ("Διονυσιος", "", ""),
    "chrH31.dcm": ("Yamada^Tarou", "山田^太郎", "やまだ^たろう"),
    "chrH32.dcm": ("ﾔﾏﾀﾞ^ﾀﾛｳ", "山田^太郎", "やまだ^たろう"),
    "chrHbrw.dcm": ("שרון^דבורה", "", ""),
    "chrI2.dcm": ("Hong^Gildong", "洪^吉洞", "홍^길동"),
    "chrKoreanMulti.dcm": ("김희중", "", ""),
    "chrRuss.dcm": ("Люкceмбypг", "", ""),
    "chrX1.dcm": ("Wang^XiaoDong", "王^小東", ""),
    "chrX2.dcm": ("Wang^XiaoDong", "王^小东", ""),
}


@pytest.mark.parametrize("name", NAMES)
def test_names_in_every_character_set(name: str) -> None:
    data = Path(get_charset_files(name)[0]).read_bytes()
    facts = header.facts(header.read(data))
    got = (facts.patient_name, facts.patient_name_ideographic, facts.patient_name_phonetic)
    assert got == NAMES[name]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("DOE^Jane", "DOE, Jane"),
        ("DOE^Jane^Mary^Dr^MD", "DOE, Jane Mary, Dr, MD"),
        ("OB^^^^", "OB"),
        ("", ""),
        ("Yamada^Tarou=山田^太郎", "Yamada, Tarou"),
    ],
)
def test_display_name(name: str, shown: str) -> None:
    assert charset.display_name(name) == shown


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("MÜLLER", "muller"),
        ("Straße", "strasse"),
        ("Ørsted  Łódź", "orsted lodz"),
        ("山田", "山田"),
    ],
)
def test_search_key(text: str, key: str) -> None:
    assert charset.search_key(text) == key


def test_strange_values_are_empty_not_errors() -> None:
    dataset = Dataset()
    dataset.add_new("InstanceNumber", "LO", "abc")
    dataset.add_new("NumberOfFrames", "LO", "1A")
    dataset.Rows = 3
    facts = header.facts(dataset)
    assert (facts.instance_number, facts.number_of_frames, facts.patient_name) == (None, 1, "")


def test_json_means_what_pydicom_reads() -> None:
    for name in ("CT_small.dcm", "MR_small.dcm", "reportsi.dcm", "rtplan.dcm", "waveform_ecg.dcm"):
        dataset = dcmread(get_testdata_file(name), stop_before_pixels=True)
        again = Dataset.from_json(
            json_model.to_json(dataset, bulk_threshold=1 << 30), lambda *_: b""
        )
        for element in dataset:
            if element.VR in ("SQ", "UN", "OW", "OB") or element.tag.element == 0:
                continue
            ours, theirs = again[element.tag].value, element.value
            if element.VR in ("DS", "FD", "FL"):
                ours, theirs = (np.asarray(v, dtype=float).ravel() for v in (ours, theirs))
                assert np.allclose(ours, theirs, equal_nan=True), element.keyword
            else:
                assert str(ours) == str(theirs), element.keyword


def test_json_of_every_real_file_is_json() -> None:
    for path in (Path(DATA_ROOT) / "test_files").glob("*.dcm"):
        dataset = dcmread(path, stop_before_pixels=True, force=True)
        assert isinstance(json.loads(json_model.to_json(dataset)), dict)
