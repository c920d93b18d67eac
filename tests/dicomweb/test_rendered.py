"""Rendered resources at every level: media types, parameters, who may, what is kept."""

from __future__ import annotations

import time
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate

from studies.dicom.pixels.client import PixelTimeout
from studies.dicomweb import pictures
from studies.dicomweb.errors import BusyError
from studies.services import renderings
from tests.dicomweb.asking import ct_file, saved, store

pytestmark = pytest.mark.django_db(transaction=True)
MULTIPART = 'multipart/related; type="image/jpeg"'


def opened(body: bytes) -> Image.Image:
    return Image.open(BytesIO(body))


@pytest.fixture
def cine(site: Any) -> Any:
    return store(site, ct_file(frames=3, size=32, FrameTime=50))


LEVELS = ["study_path", "series_path", "path"]


@pytest.mark.parametrize("level", LEVELS)
def test_many_pictures_are_parts(client: Any, radiologist: Any, site: Any, level: str) -> None:
    first = store(site, ct_file(number=1, seed=1))
    store(site, ct_file(number=2, seed=2, frames=2))
    reply = client(radiologist).get(
        getattr(first, level) + "/rendered", headers={"accept": MULTIPART}
    )
    assert reply.status == 200
    assert [part.headers["content-type"] for part in reply.parts] == ["image/jpeg"] * (
        1 if level == "path" else 3
    )
    for part in reply.parts:
        single = client(radiologist).get(part.headers["content-location"])
        assert single.body == part.body
    assert reply.parts[0].headers["content-location"] == f"{first.path}/frames/1/rendered"


def test_levels_without_accept(client: Any, radiologist: Any, site: Any) -> None:
    only = store(site, ct_file(number=1, seed=1))
    asking = client(radiologist)
    assert asking.get(only.study_path + "/rendered").headers["content-type"] == "image/jpeg"
    store(site, ct_file(number=2, seed=2))
    assert len(asking.get(only.study_path + "/rendered").parts) == 2
    reply = asking.get(only.series_path + "/rendered", headers={"accept": "image/jpeg"})
    assert reply.status == 406
    assert asking.get(only.series_path + "/rendered", method="HEAD").status == 200


def test_several_frames(client: Any, radiologist: Any, cine: Any) -> None:
    asking = client(radiologist)
    one, all_, moving = (
        asking.get(cine.path + "/rendered", headers={"accept": accept})
        for accept in ("image/png", MULTIPART, "image/gif")
    )
    assert one.body == asking.get(cine.path + "/frames/1/rendered?accept=image/png").body
    assert len(all_.parts) == 3
    assert opened(moving.body).n_frames == 3
    listed = asking.get(cine.path + "/frames/3,1/rendered")
    assert [part.body for part in listed.parts] == [all_.parts[2].body, all_.parts[0].body]
    assert asking.get(cine.path + "/frames/1,4/rendered").status == 404
    assert asking.get(cine.path + "/frames/0/rendered").status == 400
    assert (
        asking.get(cine.path + "/frames/1,2/rendered", headers={"accept": "image/png"}).status
        == 406
    )


def test_accept_in_the_query_counts_first(client: Any, radiologist: Any, ct: Any) -> None:
    asking = client(radiologist)
    reply = asking.get(ct.path + "/rendered?accept=image%2Fpng", headers={"accept": "image/jpeg"})
    assert reply.headers["content-type"] == "image/png"
    assert asking.get(ct.path + "/rendered?accept=video%2Fmp4").status == 406


def test_parameters_reach_the_picture(client: Any, radiologist: Any, site: Any) -> None:
    values = np.arange(256, dtype=np.uint16).reshape(16, 16) * 16
    file = store(site, ct_file(PixelData=values.tobytes()))
    asking = client(radiologist)

    def pixels(query: str) -> Any:
        reply = asking.get(f"{file.path}/rendered?{query}", headers={"accept": "image/png"})
        assert reply.status == 200, reply.body
        return np.asarray(opened(reply.body)).astype(int)

    for comma in (",", "%2C"):
        got = pixels(f"window=2048{comma}4096{comma}linear")
        assert np.abs(got - (values - 2047.5) / 4095 * 255 - 127.5).max() <= 1
    exact = pixels("window=2048,1024,linear-exact")
    assert np.abs(exact - np.clip((values / 1024 - 1.5) * 255, 0, 255)).max() <= 1
    soft = pixels("window=2048,1024,sigmoid")
    assert np.abs(soft - 255 / (1 + np.exp(-4 * (values - 2048.0) / 1024))).max() <= 1
    whole = pixels("window=2048,4096,linear")
    assert np.array_equal(pixels("window=2048,4096,linear&viewport=4,4,2,3,4,4"), whole[3:7, 2:6])
    assert np.array_equal(
        pixels("window=2048,4096,linear&viewport=4,4,2,3,-4,4"), whole[3:7, 2:6][:, ::-1]
    )
    assert np.array_equal(pixels("window=2048,4096,linear&viewport=16,16,,,,-16"), whole[::-1])
    assert pixels("viewport=8,100").shape == (8, 8)
    assert pixels("iccprofile=srgb").shape == (16, 16, 3)
    assert pixels("unknown=1&whatever=x").shape == (16, 16)


@pytest.mark.parametrize(
    "query",
    [
        "window=1", "window=a,2,linear", "window=1,2,cubic", "window=1,0,linear",
        "window=1,-5,sigmoid", "window=nan,5,linear", "window=1,inf,linear",
        "window=1,2,linear,4", "window=", "window=1e99,5,linear",
        "viewport=", "viewport=5", "viewport=0,5", "viewport=-5,5", "viewport=a,b",
        "viewport=5,5,a", "viewport=5,5,0,0,0,5", "viewport=5,5,0,0,5,5,5", "viewport=1.5,2",
        "viewport=1000000000,1000000000", "viewport=99999,1", "viewport=16384,16384",
        "viewport=5,5,16,0,5,5", "viewport=5,5,1e300,0,5,5", "viewport=²,5",
        "quality=0", "quality=101", "quality=x", "quality=", "quality=-1", "quality=1.5",
        "annotation=", "annotation=nurse", "annotation=patient,", "annotation=patient,x",
        "iccprofile=", "iccprofile=cmyk", "quality=5&quality=5", "quality=%FF",
    ],
)  # fmt: skip
def test_bad_parameters_are_400_in_words(
    client: Any, radiologist: Any, ct: Any, query: str
) -> None:
    reply = client(radiologist).get(f"{ct.path}/rendered?{query}")
    assert reply.status == 400
    assert len(reply.body) > 20


def test_pictures_are_kept_and_known_again(
    client: Any, radiologist: Any, ct: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asking = client(radiologist)
    path = ct.path + "/rendered?quality=41"
    first = asking.get(path)
    name = f"*/{first.headers['etag'][3:-1]}.jpeg"
    deadline = time.monotonic() + 5
    while not list(renderings.folder().glob(name)):  # written behind the answer
        assert time.monotonic() < deadline
        time.sleep(0.01)

    def refused(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("the decoder was asked again")

    monkeypatch.setattr(renderings, "make", refused)
    assert asking.get(path).body == first.body
    assert asking.get(path, headers={"if-none-match": first.headers["etag"]}).status == 304


def test_an_etag_names_what_was_asked(client: Any, radiologist: Any, cine: Any) -> None:
    asking = client(radiologist)
    ways = ["", "?quality=30", "?viewport=9,9", "?window=1,2,linear", "?window=1,2,sigmoid",
            "?accept=image/png", "?iccprofile=yes"]  # fmt: skip
    tags = [asking.get(cine.path + "/rendered" + way).headers["etag"] for way in ways]
    tags.append(asking.get(cine.path + "/frames/2/rendered").headers["etag"])
    assert len(set(tags)) == len(tags)


def test_what_cannot_be_decoded_is_406_in_words(
    client: Any, radiologist: Any, site: Any, test_file: Any
) -> None:
    broken = dcmread(BytesIO(test_file("MR_small_jp2klossless.dcm")))
    broken.PixelData = encapsulate([b"\xff\x4f\xff\x51 no image at all"])
    out = BytesIO()
    broken.save_as(out)
    file = store(site, out.getvalue())
    reply = client(radiologist).get(file.path + "/rendered")
    assert reply.status == 406
    assert reply.body.startswith(b"No picture can be made:")
    good = store(site, ct_file(study=file.study, series=file.series, PatientID=broken.PatientID))
    parts = client(radiologist).get(good.series_path + "/rendered").parts
    kinds = sorted(part.headers["content-type"].partition(";")[0] for part in parts)
    assert kinds == ["image/jpeg", "text/plain"]


def test_a_decoder_that_takes_too_long_is_503() -> None:
    answer = pictures.refusal(PixelTimeout("the image takes too long to decode"))
    assert isinstance(answer, BusyError)
    assert answer.status == 503


def test_encapsulated_pdf(client: Any, radiologist: Any, site: Any) -> None:
    pdf = b"%PDF-1.4\n%some odd document\n%%EOF"
    dataset = Dataset()
    dataset.update(ct_dataset())
    for keyword in ("PixelData", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit"):
        del dataset[keyword]
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.104.1"
    dataset.MIMETypeOfEncapsulatedDocument = "application/pdf"
    dataset.EncapsulatedDocument = pdf + b"\0" * (len(pdf) % 2)
    dataset.EncapsulatedDocumentLength = len(pdf)
    file = store(site, saved(dataset))
    asking = client(radiologist)
    for accept in ("", "application/pdf", "*/*"):
        reply = asking.get(file.path + "/rendered", headers={"accept": accept})
        assert (reply.status, reply.body) == (200, pdf)
        assert reply.headers["content-type"] == "application/pdf"
    assert asking.get(file.path + "/rendered", headers={"accept": "image/jpeg"}).status == 406
    assert asking.get(file.path + "/thumbnail").status == 200  # an icon


def ct_dataset(**elements: Any) -> Dataset:
    return dcmread(BytesIO(ct_file(**elements)))


WAYS = ["study_path", "series_path", "path", "frames"]


@pytest.mark.parametrize("what", ["rendered", "thumbnail"])
@pytest.mark.parametrize("way", WAYS)
def test_who_may(
    client: Any, radiologist: Any, stranger: Any, ct: Any, way: str, what: str
) -> None:
    path = f"{ct.path}/frames/1" if way == "frames" else getattr(ct, way)
    assert client(radiologist).get(f"{path}/{what}").status == 200
    hidden = client(stranger).get(f"{path}/{what}")
    unknown = client(stranger).get(f"{path}/{what}".replace(ct.study, "1.2.3"))
    assert (hidden.status, hidden.body) == (unknown.status, unknown.body) == (404, unknown.body)
    assert client().get(f"{path}/{what}").status == 401
