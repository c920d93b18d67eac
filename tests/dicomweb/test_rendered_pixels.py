"""The decoder's pictures against numpy and the formulas of the standard."""

from __future__ import annotations

import math
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from studies.dicom.pixels import icc
from studies.dicom.pixels.client import BadRequestedRegion, PixelError, PixelService
from studies.dicom.pixels.rendering import GIF, JPEG, PNG, Rendering, Voi
from tests.dicom import greys


@pytest.fixture(scope="module")
def service() -> Iterator[PixelService]:
    made = PixelService()
    yield made
    made.close()


RAMP = np.arange(4096, dtype=np.uint16).reshape(64, 64)


def shown(service: PixelService, path: Path, frames: Any = (1,), **wanted: Any) -> Any:
    """The picture's pixels."""
    wanted.setdefault("kind", PNG)
    return np.asarray(Image.open(BytesIO(service.picture(path, frames, Rendering(**wanted)))))


def linear(x: float, centre: float, width: float) -> float:
    """PS3.3 C.11.2.1.2.1, word by word."""
    if x <= centre - 0.5 - (width - 1) / 2:
        return 0.0
    if x > centre - 0.5 + (width - 1) / 2:
        return 255.0
    return ((x - (centre - 0.5)) / (width - 1) + 0.5) * 255.0


def linear_exact(x: float, centre: float, width: float) -> float:
    """PS3.3 C.11.2.1.3.2."""
    if x <= centre - width / 2:
        return 0.0
    if x > centre + width / 2:
        return 255.0
    return ((x - centre) / width + 0.5) * 255.0


def sigmoid(x: float, centre: float, width: float) -> float:
    """PS3.3 C.11.2.1.3.1."""
    return 255.0 / (1 + math.exp(min(max(-4 * (x - centre) / width, -700), 700)))


@pytest.mark.parametrize(("centre", "width"), [(40, 400), (0, 1), (1000.5, 33.25), (2000, 4000)])
@pytest.mark.parametrize(
    ("function", "formula"),
    [("LINEAR", linear), ("LINEAR_EXACT", linear_exact), ("SIGMOID", sigmoid)],
)
@pytest.mark.parametrize(("slope", "intercept"), [(1, -1024), (0.5, 10), (-1, 2000)])
def test_windows_are_those_of_the_standard(
    service: PixelService,
    tmp_path: Path,
    centre: float,
    width: float,
    function: str,
    formula: Any,
    slope: float,
    intercept: float,
) -> None:
    if width == 1 and function == "LINEAR":
        formula = lambda x, c, w: 255.0 if x > c - 0.5 else 0.0  # noqa: E731
    path = greys.save(tmp_path, greys.image(RAMP, RescaleSlope=slope, RescaleIntercept=intercept))
    got = shown(service, path, window=Voi(centre, width, function))
    wanted = [formula(x * slope + intercept, centre, width) for x in RAMP.ravel().tolist()]
    assert np.abs(got.ravel() - np.asarray(wanted)).max() <= 0.502


def test_the_table_of_samples_is_the_direct_way(service: PixelService, tmp_path: Path) -> None:
    """16 bits go by a table and counted percentiles, 32 bits do not; both look the same."""
    values = np.random.default_rng(3).gamma(2.0, 300, (50, 70)).astype(np.int16) - 200
    elements: dict[str, Any] = {"RescaleSlope": 1.5, "RescaleIntercept": -7, "BitsStored": 16}
    for more in ({}, {"WindowCenter": 300, "WindowWidth": 900}, {"PixelPaddingValue": -150}):
        (tmp_path / "a").mkdir(exist_ok=True)
        short = greys.image(values, **elements, **more)
        if more.get("PixelPaddingValue"):
            short["PixelPaddingValue"].VR = "SS"
        long = greys.image(
            values.astype(np.int32), **{**elements, **more, "BitsAllocated": 32, "BitsStored": 32}
        )
        if more.get("PixelPaddingValue"):
            long["PixelPaddingValue"].VR = "SS"
        one, other = greys.save(tmp_path, short), greys.save(tmp_path / "a", long)
        assert np.array_equal(shown(service, one), shown(service, other))


def test_a_stretch_of_the_file_is_the_frame(service: PixelService, tmp_path: Path) -> None:
    frames = np.random.default_rng(1).integers(0, 4096, (3, 24, 40), dtype=np.uint16)
    dataset = greys.image(frames[0], NumberOfFrames=3)
    dataset.PixelData = frames.tobytes()
    path = greys.save(tmp_path, dataset)
    start = path.read_bytes().index(frames.tobytes())
    for number in (1, 2, 3):
        span = (start + (number - 1) * 24 * 40 * 2, 24 * 40 * 2)
        wanted = Rendering(kind=PNG, window=Voi(2000, 4000))
        assert service.picture(path, [number], wanted, span=span) == service.picture(
            path, [number], wanted
        )
    with pytest.raises(PixelError):
        service.picture(path, [1], Rendering(), span=(path.stat().st_size - 100, 24 * 40 * 2))


@pytest.mark.parametrize("planar", [0, 1])
def test_a_stretch_of_colours(service: PixelService, tmp_path: Path, planar: int) -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    raw = (pixels.transpose(2, 0, 1) if planar else pixels).tobytes()
    dataset = greys.image(
        pixels, SamplesPerPixel=3, PlanarConfiguration=planar, PhotometricInterpretation="RGB",
        BitsAllocated=8, BitsStored=8,
    )  # fmt: skip
    dataset.PixelData = raw
    path = greys.save(tmp_path, dataset)
    span = (path.read_bytes().index(raw), len(raw))
    got = service.picture(path, [1], Rendering(kind=PNG), span=span)
    assert np.array_equal(np.asarray(Image.open(BytesIO(got))), pixels)


# Geometry


@pytest.fixture
def plain(tmp_path: Path) -> tuple[Path, Any]:
    """A file whose picture is its samples, 60 columns by 40 rows."""
    values = np.random.default_rng(7).integers(0, 256, (40, 60), dtype=np.uint8)
    dataset = greys.image(values, BitsAllocated=8, BitsStored=8, WindowCenter=128, WindowWidth=256)
    return greys.save(tmp_path, dataset), values


def test_crop_and_flips_are_slices(service: PixelService, plain: tuple[Path, Any]) -> None:
    path, values = plain
    assert np.array_equal(shown(service, path), values)
    part = {"viewport": (20, 10), "region": (5.0, 7.0, 20.0, 10.0)}
    wanted = values[7:17, 5:25]
    assert np.array_equal(shown(service, path, **part), wanted)
    assert np.array_equal(shown(service, path, **part, flip_horizontal=True), np.fliplr(wanted))
    assert np.array_equal(shown(service, path, **part, flip_vertical=True), np.flipud(wanted))
    both = shown(service, path, **part, flip_horizontal=True, flip_vertical=True)
    assert np.array_equal(both, wanted[::-1, ::-1])
    edge = shown(service, path, viewport=(20, 10), region=(40.0, 30.0, None, None))
    assert np.array_equal(edge, values[30:, 40:])
    beyond = shown(service, path, viewport=(20, 10), region=(40.0, 30.0, 500.0, 500.0))
    assert np.array_equal(beyond, values[30:, 40:])
    half = shown(service, path, fractions=(0.5, 0.0, 1.0, 0.5))
    assert np.array_equal(half, values[:20, 30:])


@pytest.mark.parametrize(
    ("viewport", "region", "size"),
    [
        ((30, 30), None, (30, 20)),
        ((600, 100), None, (150, 100)),
        ((120, 80), None, (120, 80)),
        ((1, 1), None, (1, 1)),
        ((100, 100), (0.0, 0.0, 10.0, 40.0), (25, 100)),
        ((100, 100), (10.5, 0.0, 49.5, 33.0), (100, 67)),
    ],
)
def test_the_picture_fits_the_viewport(
    service: PixelService, plain: tuple[Path, Any], viewport: Any, region: Any, size: Any
) -> None:
    got = shown(service, plain[0], viewport=viewport, region=region)
    assert got.shape == (size[1], size[0])


def test_high_pixels_fit_as_they_look(service: PixelService, tmp_path: Path) -> None:
    values = np.full((40, 60), 7, np.uint8)
    path = greys.save(
        tmp_path, greys.image(values, BitsAllocated=8, BitsStored=8, PixelSpacing=[3, 1])
    )
    assert shown(service, path, viewport=(60, 60)).shape == (60, 30)


def test_a_region_outside_is_the_asker_s_fault(
    service: PixelService, plain: tuple[Path, Any]
) -> None:
    with pytest.raises(BadRequestedRegion):
        shown(service, plain[0], viewport=(10, 10), region=(60.0, 0.0, 5.0, 5.0))


# Media


def test_a_moving_picture_has_every_frame(service: PixelService, tmp_path: Path) -> None:
    frames = np.asarray([np.full((8, 12), shade, np.uint8) for shade in (0, 90, 200, 255)])
    dataset = greys.image(
        frames[0], BitsAllocated=8, BitsStored=8, WindowCenter=128, WindowWidth=256,
        NumberOfFrames=4, FrameTime=40,
    )  # fmt: skip
    dataset.PixelData = frames.tobytes()
    path = greys.save(tmp_path, dataset)
    moving = Image.open(BytesIO(service.picture(path, [1, 2, 3, 4], Rendering(kind=GIF))))
    assert moving.n_frames == 4
    for number, shade in enumerate((0, 90, 200, 255)):
        moving.seek(number)
        assert abs(int(np.asarray(moving.convert("L"))[3, 3]) - shade) <= 1
        assert moving.info["duration"] == 40


def test_quality_decides_on_size(service: PixelService, plain: tuple[Path, Any]) -> None:
    sizes = [
        len(service.picture(plain[0], [1], Rendering(kind=JPEG, quality=q))) for q in (1, 50, 100)
    ]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[2] / 2


# Annotations


def test_annotation_is_burnt_in_where_it_belongs(service: PixelService, tmp_path: Path) -> None:
    values = np.full((300, 400), 128, np.uint8)
    dataset = greys.image(
        values, BitsAllocated=8, BitsStored=8, WindowCenter=128, WindowWidth=256, KVP=120,
        PatientBirthDate="19700102", PatientSex="F", SpecificCharacterSet="ISO_IR 192",
        PatientName="Yamada^Tarou=山田^太郎=やまだ^たろう",
    )  # fmt: skip
    path = greys.save(tmp_path, dataset)
    plain = shown(service, path)
    patient = shown(service, path, annotation=("patient",))
    technique = shown(service, path, annotation=("technique",))
    both = shown(service, path, annotation=("patient", "technique"))
    assert (patient[:100] != plain[:100]).any()
    assert np.array_equal(patient[150:], plain[150:])
    assert np.array_equal(technique[:200], plain[:200])
    assert (technique[200:] != plain[200:]).any()
    assert np.array_equal(both[:150], patient[:150])
    assert np.array_equal(both[200:], technique[200:])
    assert (patient == 255).any()
    dataset.PatientName = "Yamada^Tarou=鈴木^花子"
    (tmp_path / "other").mkdir()
    other = shown(service, greys.save(tmp_path / "other", dataset), annotation=("patient",))
    assert not np.array_equal(other, patient)


def test_a_name_that_cannot_be_written_is_refused(service: PixelService, tmp_path: Path) -> None:
    """Never a box in place of a letter: without any font for it there is no picture."""
    values = np.full((300, 400), 128, np.uint8)
    dataset = greys.image(
        values, BitsAllocated=8, BitsStored=8, SpecificCharacterSet="ISO_IR 192",
        PatientName="\ue123\ue124",
    )  # fmt: skip
    path = greys.save(tmp_path, dataset)
    with pytest.raises(PixelError, match=r"U\+E123"):
        shown(service, path, annotation=("patient",))
    dataset.PatientName = "Gaiji^Name=\ue123\ue124"
    shown(service, greys.save(tmp_path, dataset), annotation=("patient",))


def test_no_room_for_a_name_is_refused(service: PixelService, tmp_path: Path) -> None:
    path = greys.save(tmp_path, greys.image(np.zeros((16, 16), np.uint16)))
    with pytest.raises(PixelError, match="too small"):
        shown(service, path, annotation=("patient",))


# Colour spaces


def colours(tmp_path: Path, **elements: Any) -> Path:
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[..., 0], pixels[..., 1], pixels[..., 2] = 255, 128, 0
    return greys.save(
        tmp_path,
        greys.image(
            pixels, SamplesPerPixel=3, PlanarConfiguration=0, PhotometricInterpretation="RGB",
            BitsAllocated=8, BitsStored=8, **elements,
        ),
    )  # fmt: skip


def picture(service: PixelService, path: Path, profile: str, kind: str = PNG) -> Image.Image:
    return Image.open(BytesIO(service.picture(path, [1], Rendering(kind=kind, icc=profile))))


@pytest.mark.parametrize("kind", [JPEG, PNG])
def test_profiles_are_embedded_as_asked(service: PixelService, tmp_path: Path, kind: str) -> None:
    path = colours(tmp_path)
    assert "icc_profile" not in picture(service, path, "no", kind).info
    names = {"yes": "sRGB", "srgb": "sRGB", "adobergb": "Adobe RGB", "rommrgb": "ROMM RGB"}
    for asked, name in names.items():
        found = ImageCms.ImageCmsProfile(
            BytesIO(picture(service, path, asked, kind).info["icc_profile"])
        )
        assert name in ImageCms.getProfileDescription(found)


def test_colours_are_converted(service: PixelService, tmp_path: Path) -> None:
    """By the definition of Adobe RGB (1998): sRGB to XYZ (D65) to Adobe RGB, gamma 563/256."""
    to_xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    from_xyz = np.array(
        [[2.0414, -0.5649, -0.3447], [-0.9693, 1.876, 0.0416], [0.0134, -0.1184, 1.0154]]
    )
    encoded = np.array([255, 128, 0]) / 255
    straight = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    wanted = np.clip(from_xyz @ to_xyz @ straight, 0, 1) ** (256 / 563) * 255
    got = np.asarray(picture(service, colours(tmp_path), "adobergb"))[0, 0]
    assert np.abs(got - wanted).max() <= 2
    plain = np.asarray(picture(service, colours(tmp_path), "srgb"))[0, 0]
    assert plain.tolist() == [255, 128, 0]


def test_the_image_s_own_profile_counts(service: PixelService, tmp_path: Path) -> None:
    own = icc.profile("adobergb")
    path = colours(tmp_path, ICCProfile=own)
    assert picture(service, path, "yes").info["icc_profile"] == own
    assert np.asarray(picture(service, path, "adobergb"))[0, 0].tolist() == [255, 128, 0]
    assert np.asarray(picture(service, path, "srgb"))[0, 0].tolist() != [255, 128, 0]
    broken = colours(tmp_path, ICCProfile=b"no profile at all!")
    assert np.asarray(picture(service, broken, "srgb"))[0, 0].tolist() == [255, 128, 0]


def test_grey_pictures_with_a_profile_are_of_three_colours(
    service: PixelService, plain: tuple[Path, Any]
) -> None:
    found = picture(service, plain[0], "srgb")
    assert found.mode == "RGB"
    assert np.array_equal(np.asarray(found)[..., 1], plain[1])
