"""Instances as a ZIP archive."""

from __future__ import annotations

import re
import shutil
import subprocess
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.pixels.utils import pixel_array

from studies import archive
from studies.dicom.syntaxes import EXPLICIT_LE, HTJ2K_RPCL
from studies.dicomweb import archives
from studies.models import Instance
from tests.dicomweb.asking import Stored, ct_file, store

ZIP = {"accept": "application/zip"}
NAME = re.compile(r"series-[0-9]{3}/[0-9]{5}\.dcm")


def files_of(body: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(BytesIO(body)) as found:
        assert found.testzip() is None
        return {name: found.read(name) for name in found.namelist()}


@pytest.fixture
def stored(site: Any) -> list[Stored]:
    """Two instances of one series, one of another; hostile text in their headers."""
    other = {"series": "1.2.826.0.1.3680043.10.9.1.2", "SeriesNumber": 2}
    hostile = {"PatientID": "../../etc/passwd", "PatientName": "EVIL^/../x"}
    return [
        store(site, ct_file(number=1, seed=1, SeriesDescription="..\\..\\a", **hostile)),
        store(site, ct_file(number=2, seed=2, **hostile)),
        store(site, ct_file(seed=3, **other, **hostile)),
    ]


@pytest.mark.django_db(transaction=True)
class TestZip:
    def test_at_every_level(self, client: Any, radiologist: Any, stored: list[Stored]) -> None:
        for path, expected in (
            (stored[0].study_path, stored),
            (stored[0].series_path, stored[:2]),
            (stored[2].path, stored[2:]),
        ):
            reply = client(radiologist).get(path, headers=ZIP)
            assert reply.headers["content-type"] == "application/zip"
            assert reply.headers["content-disposition"] == 'attachment; filename="images.zip"'
            assert reply.headers["cache-control"] == "no-store"
            assert int(reply.headers["content-length"]) == len(reply.body)
            files = files_of(reply.body)
            assert list(files.values()) == [one.file for one in expected]
            assert all(NAME.fullmatch(name) for name in files)
            head = client(radiologist).get(path, headers=ZIP, method="HEAD")
            assert (head.body, head.headers) == (b"", reply.headers)

    def test_in_another_transfer_syntax(
        self, client: Any, radiologist: Any, site: Any, stored: list[Stored], test_file: Any
    ) -> None:
        accept = {"accept": f"application/zip; transfer-syntax={HTJ2K_RPCL}"}
        reply = client(radiologist).get(stored[0].study_path, headers=accept)
        assert "content-length" not in reply.headers
        for body, file in zip(files_of(reply.body).values(), stored, strict=True):
            made = pydicom.dcmread(BytesIO(body))
            assert made.file_meta.TransferSyntaxUID == HTJ2K_RPCL
            assert np.array_equal(pixel_array(made), pixel_array(file.dataset))
        dose = store(site, test_file("rtdose.dcm"))
        accept = {"accept": f"application/zip; transfer-syntax={EXPLICIT_LE}"}
        (body,) = files_of(client(radiologist).get(dose.study_path, headers=accept).body).values()
        assert np.array_equal(
            pixel_array(pydicom.dcmread(BytesIO(body))), pixel_array(dose.dataset)
        )

    def test_what_cannot_be_made_stays_and_says_so(
        self, client: Any, radiologist: Any, site: Any
    ) -> None:
        files = [
            store(site, ct_file(number=1, seed=1)),
            store(site, ct_file(number=2, size=8, PixelData=bytes(256), Rows=8, Columns=8,
                                BitsAllocated=32, BitsStored=32, HighBit=31)),
        ]  # fmt: skip
        accept = f'multipart/related; type="application/dicom"; transfer-syntax={HTJ2K_RPCL}'
        parts = client(radiologist).get(files[0].study_path, headers={"accept": accept}).parts
        assert [part.transfer_syntax for part in parts] == [HTJ2K_RPCL, EXPLICIT_LE]
        assert parts[1].body == files[1].file

    def test_other_unpackers_take_it(
        self, client: Any, radiologist: Any, stored: list[Stored], tmp_path: Path
    ) -> None:
        jar = shutil.which("bsdtar") or shutil.which("unzip") or shutil.which("busybox")
        for syntax in ("*", HTJ2K_RPCL):
            accept = {"accept": f"application/zip; transfer-syntax={syntax}"}
            target = tmp_path / "images.zip"
            target.write_bytes(client(radiologist).get(stored[0].study_path, headers=accept).body)
            if jar is None:
                shutil.unpack_archive(target, tmp_path / "out")
                continue
            arguments = {"bsdtar": ["-tf"], "unzip": ["-t"], "busybox": ["unzip", "-t"]}
            command = [jar, *arguments[Path(jar).name], str(target)]
            subprocess.run(command, check=True, capture_output=True, timeout=60)

    def test_who_gets_it(
        self, client: Any, radiologist: Any, stranger: Any, stored: list[Stored]
    ) -> None:
        path = stored[0].study_path
        assert client(radiologist).get(path, headers=ZIP).status == 200
        assert client(stranger).get(path, headers=ZIP).status == 404
        assert client().get(path, headers=ZIP).status == 401

    def test_half_an_archive_is_not_passed_off_as_a_whole(
        self, client: Any, radiologist: Any, stored: list[Stored]
    ) -> None:
        row = Instance.objects.get(sop_instance_uid=stored[2].instance)
        archive.local_path(row.archive_key).unlink()
        with pytest.raises(ConnectionAbortedError):
            client(radiologist).get(stored[0].study_path, headers=ZIP)


class Hole:
    """A file of zeros, of which only what is written is kept."""

    def __init__(self) -> None:
        self.pieces: list[tuple[int, bytes]] = []
        self.at = 0

    def write(self, data: bytes) -> None:
        self.pieces.append((self.at, data))
        self.at += len(data)

    def sparse(self, path: Path) -> None:
        with path.open("wb") as file:
            for at, data in self.pieces:
                file.seek(at)
                file.write(data)
            file.truncate(self.at)


@pytest.mark.parametrize("size", [5, 0xFFFFFFFE, 0xFFFFFFFF, 5 << 30])
def test_members_beyond_four_gigabytes(tmp_path: Path, size: int) -> None:
    writer, out = archives.ZipWriter(), Hole()
    out.write(writer.begin("series-001/00001.dcm", size=size, crc=7))
    out.at += size
    out.write(writer.begin("series-001/00002.dcm", size=3, crc=0x352441C2))
    out.write(b"abc")
    out.write(writer.begin_unknown("series-001/00003.dcm"))
    writer.add(b"abc")
    out.write(b"abc" + writer.finish())
    known = out.at
    out.write(writer.end())
    out.sparse(tmp_path / "large.zip")
    with zipfile.ZipFile(tmp_path / "large.zip") as found:
        first, second, third = found.infolist()
        assert (first.file_size, first.CRC) == (size, 7)
        assert second.header_offset > size
        assert found.read(second) == found.read(third) == b"abc"
    assert known < (tmp_path / "large.zip").stat().st_size


@pytest.mark.parametrize("count", [0, 1, 65_534, 65_535, 70_000])
def test_length_is_known_beforehand(count: int) -> None:
    members = [(f"series-001/{number:05}.dcm", 3) for number in range(count)]
    writer = archives.ZipWriter()
    out = b"".join(writer.begin(name, size=3, crc=0x352441C2) + b"abc" for name, _ in members)
    out += writer.end()
    assert len(out) == archives.length(members)
    with zipfile.ZipFile(BytesIO(out)) as found:
        assert found.namelist() == [name for name, _ in members]
