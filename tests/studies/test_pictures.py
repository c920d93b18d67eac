"""Key images as pictures: the window, the inversion, the shape, the measurements on them."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom.data import get_testdata_file

from studies.annotations import pictures
from studies.annotations.models import KeyImage, Measurement
from studies.dicom.pixels.client import PixelTimeout
from studies.models import Instance
from studies.services.pixels import pixel_service
from tests.dicomweb.asking import ct_file, store

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="session", autouse=True)
def _decoder() -> Iterator[None]:
    """The decoders' processes end with the tests."""
    yield
    pixel_service().close()


def pixels_of(png: bytes) -> Any:
    image = Image.open(BytesIO(png))
    assert image.format == "PNG"
    return np.asarray(image)


@pytest.fixture
def key_image(site: Any, radiologist: Any) -> KeyImage:
    """Of a slice whose left half is 1000 and right half 3000."""
    values = np.full((1, 64, 64), 1000, np.uint16)
    values[:, :, 32:] = 3000
    stored = store(site, ct_file(size=64, PixelData=values.tobytes()))
    return KeyImage.objects.create(
        study_id=stored.study_pk,
        series_instance_uid=stored.series,
        sop_instance_uid=stored.instance,
        author=radiologist,
        window_center=2000,
        window_width=2000,
    )


def measure(key_image: KeyImage, **fields: Any) -> Measurement:
    values: dict[str, Any] = {
        "tool": "length",
        "points": [[8, 48], [24, 48]],
        "values": [{"name": "length", "value": 12.34, "unit": "mm"}],
        **fields,
    }
    return Measurement.objects.create(
        study_id=key_image.study_id,
        series_instance_uid=key_image.series_instance_uid,
        sop_instance_uid=key_image.sop_instance_uid,
        author=key_image.author,
        **values,
    )


def test_in_its_window_and_enlarged_by_whole_pixels(key_image: KeyImage) -> None:
    shown = pixels_of(pictures.picture(key_image))
    assert shown.shape == (768, 768)
    assert shown[300, 75] == 0
    assert shown[300, 700] == 255
    key_image.window_width = 8000
    assert 64 < pixels_of(pictures.picture(key_image))[300, 75] < 128


def test_inverted(key_image: KeyImage) -> None:
    key_image.is_inverted = True
    shown = pixels_of(pictures.picture(key_image))
    assert shown[300, 75] == 255
    assert shown[300, 700] == 0


def test_the_length_lies_where_it_was_measured(key_image: KeyImage) -> None:
    plain = pixels_of(pictures.picture(key_image))
    measure(key_image)
    shown = pixels_of(pictures.picture(key_image))
    changed = np.argwhere(plain != shown)
    # From the middle of one pixel to the middle of another.
    row, first, last = 12 * 48 + 6, 12 * 8 + 6, 12 * 24 + 6
    line = shown[row, first:last]
    assert line.min() == 255, "a line from end to end"
    assert shown[row, 12 * 27 :].max() > 0
    assert changed[:, 1].min() >= first - 4
    words = shown[12 * 44 : 12 * 52, 12 * 25 : 12 * 36]
    assert (words == 255).sum() > 100, "the value is beside the line"


def test_what_was_removed_and_what_is_elsewhere_is_not_drawn(key_image: KeyImage) -> None:
    plain = pictures.picture(key_image)
    measure(key_image, removed_at=key_image.created_at)
    measure(key_image, frame=2)
    assert pictures.picture(key_image) == plain


def test_the_words_of_a_measurement(key_image: KeyImage) -> None:
    assert pictures.measured(measure(key_image)) == "12.3 mm"
    said = measure(key_image, label="Node", at_detector=True)
    assert pictures.measured(said) == "Node: 12.3 mm (at the detector)"
    assert pictures.measured(measure(key_image, values=[])) == ""


def test_a_label_without_a_font_costs_the_words_and_not_the_line(key_image: KeyImage) -> None:
    measure(key_image, label="\U000f1234")
    shown = pixels_of(pictures.picture(key_image))
    assert shown[12 * 48 + 6, 12 * 8 + 6 : 12 * 24 + 6].min() == 255


def test_pixels_that_are_not_square(site: Any, radiologist: Any) -> None:
    """A row twice as high as wide is drawn so, and what is measured on it with it."""
    stored = store(site, ct_file(size=64, PixelSpacing=[2.0, 1.0]))
    key_image = KeyImage.objects.create(
        study_id=stored.study_pk,
        series_instance_uid=stored.series,
        sop_instance_uid=stored.instance,
        author=radiologist,
    )
    plain = pixels_of(pictures.picture(key_image))
    assert plain.shape[0] == 2 * plain.shape[1]
    measure(key_image, points=[[8, 48], [40, 48]], values=[])
    shown = pixels_of(pictures.picture(key_image))
    rows = np.unique(np.argwhere(plain != shown)[:, 0])
    assert abs(rows.mean() / plain.shape[0] - 48 / 64) < 0.02


def test_colours(site: Any, radiologist: Any) -> None:
    with open(get_testdata_file("SC_rgb_rle.dcm"), "rb") as file:
        stored = store(site, file.read())
    key_image = KeyImage.objects.create(
        study_id=stored.study_pk,
        series_instance_uid=stored.series,
        sop_instance_uid=stored.instance,
        author=radiologist,
        window_center=1,
        window_width=2,
    )
    measure(key_image)
    assert pixels_of(pictures.picture(key_image)).shape[2] == 3


def test_a_frame_that_is_not_there(key_image: KeyImage) -> None:
    key_image.frame = 2
    with pytest.raises(pictures.FrameMissing):
        pictures.picture(key_image)
    key_image.frame, key_image.sop_instance_uid = 1, "1.2.3"
    with pytest.raises(pictures.FrameMissing):
        pictures.picture(key_image)


def test_a_frame_of_another_study_is_not_there(key_image: KeyImage, other_study: Any) -> None:
    key_image.study = other_study
    with pytest.raises(pictures.FrameMissing):
        pictures.picture(key_image)


def test_a_broken_frame(site: Any, radiologist: Any, monkeypatch: Any) -> None:
    stored = store(site, ct_file(size=64))
    key_image = KeyImage.objects.create(
        study_id=stored.study_pk,
        series_instance_uid=stored.series,
        sop_instance_uid=stored.instance,
        author=radiologist,
    )
    instance = Instance.objects.get(sop_instance_uid=stored.instance)
    instance.archive_key = "1/00/gone"
    instance.save()
    with pytest.raises(pictures.FrameBroken):
        pictures.picture(key_image)

    def slow(*_: Any, **__: Any) -> bytes:
        raise PixelTimeout("the decoder is busy")

    monkeypatch.setattr(pictures.renderings, "make", slow)
    with pytest.raises(pictures.PictureBusy):
        pictures.picture(key_image)


def test_every_tool_is_drawn_where_it_lies(key_image: KeyImage) -> None:
    """Points of each tool's lines are bright, in the middle of their pixels."""
    plain = pixels_of(pictures.picture(key_image))

    def changed(**fields: Any) -> Any:
        made = measure(key_image, values=[], **fields)
        shown = pixels_of(pictures.picture(key_image))
        made.delete()
        return {tuple(place) for place in np.argwhere((plain != shown) & (shown == 255))}

    def at(column: float, row: float) -> tuple[int, int]:
        return round(12 * (row + 0.5)), round(12 * (column + 0.5))

    box = [[4, 40], [20, 56]]
    assert {at(4, 48), at(20, 48), at(12, 40), at(12, 56)} <= changed(tool="ellipse", points=box)
    rectangle = changed(tool="rectangle", points=box)
    assert {at(6, 40), at(6, 56), at(4, 50)} <= rectangle
    assert at(12, 48) not in rectangle
    cross = [[4, 48], [20, 48], [12, 44], [12, 52]]
    assert {at(8, 48), at(12, 46)} <= changed(tool="bidirectional", points=cross)
    assert at(12, 46) in changed(tool="freehand", points=[[4, 46], [20, 46], [12, 56]])
    assert at(10, 50) in changed(tool="probe", points=[[10, 50]])
    assert at(10, 50) in changed(tool="arrow", points=[[4, 50], [20, 50]])
