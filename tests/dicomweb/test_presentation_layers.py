"""Presentation states: overlays, bitmap shutters, masks and palettes, pixel by pixel."""

from __future__ import annotations

import subprocess
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.uid import generate_uid

from tests.dicomweb.asking import store
from tests.dicomweb.states import (
    COLUMNS,
    PLAIN,
    ROWS,
    VALUES,
    image,
    item,
    near,
    state_file,
    voi,
)
from tests.servers.child import require

pytestmark = pytest.mark.django_db(transaction=True)
BITS = np.random.default_rng(6).integers(0, 2, (ROWS, COLUMNS), dtype=bool)
RED = [34885, 53485, 50171]


def packed(bits: Any) -> bytes:
    """Bits as Overlay Data: the first pixel in the lowest bit of the first byte."""
    data = np.packbits(np.asarray(bits).ravel(), bitorder="little").tobytes()
    return data + b"\0" * (len(data) % 2)


def plane(
    group: int = 0x6000, bits: Any = BITS, origin: Any = (1, 1), **more: Any
) -> dict[str, Any]:
    """The elements of an overlay plane; `more`: frames and the first frame."""
    rows, columns = bits.shape[-2:]
    elements = {
        (group, 0x0010): ("US", rows),
        (group, 0x0011): ("US", columns),
        (group, 0x0040): ("CS", "G"),
        (group, 0x0050): ("SS", list(origin)),
        (group, 0x0100): ("US", 1),
        (group, 0x0102): ("US", 0),
        (group, 0x3000): ("OW", packed(bits)),
    }
    if "frames" in more:
        elements[group, 0x0015] = ("IS", more["frames"])
        elements[group, 0x0051] = ("US", more["first"])
    return {"planes": elements}


def with_planes(file: bytes, *planes: dict[str, Any]) -> bytes:
    dataset = dcmread(BytesIO(file))
    for one in planes:
        for tag, (vr, value) in one["planes"].items():
            dataset.add_new(tag, vr, value)
    out = BytesIO()
    dataset.save_as(out)
    return out.getvalue()


def activation(group: int = 0x6000, layer: str = "L") -> dict[str, Any]:
    return {"planes": {(group, 0x1001): ("CS", layer)}}


def layers(**look: Any) -> dict[str, Any]:
    look = look or {"GraphicLayerRecommendedDisplayGrayscaleValue": 65535}
    return {
        "GraphicLayerSequence": [item(GraphicLayer="L", GraphicLayerOrder=1, **look)],
        "SoftcopyVOILUTSequence": voi(),
    }


@pytest.fixture
def seen(client: Any, radiologist: Any, site: Any) -> Any:
    """`seen(image, *planes, ...)`: an image with a state that has these elements besides."""

    def show(file: Any, *planes: dict[str, Any], query: str = "", **elements: Any) -> Any:
        state = store(site, with_planes(state_file(file, **elements), *planes))
        reply = client(radiologist).get(
            f"{state.path}/rendered{query}", headers={"accept": "image/png"}
        )
        assert reply.status == 200, reply.body
        return np.asarray(Image.open(BytesIO(reply.body))).astype(int)

    return show


def image_with(site: Any, *planes: dict[str, Any], **elements: Any) -> Any:
    return store(site, with_planes(image(site, **elements).file, renamed(), *planes))


def renamed() -> dict[str, Any]:
    """Another instance, so that the file is not the one stored already."""
    return {"planes": {(0x0008, 0x0018): ("UI", generate_uid())}}


# Overlays


def test_an_overlay_of_the_image(seen: Any, site: Any) -> None:
    file = image_with(site, plane())
    assert near(seen(file, **layers()), PLAIN)  # not unless the state says so
    assert near(seen(file, activation(), **layers()), np.where(BITS, 255, PLAIN))
    grey = seen(
        file, activation(), **layers(GraphicLayerRecommendedDisplayGrayscaleValue=0x4040)
    )  # fmt: skip
    assert near(grey, np.where(BITS, 0x40, PLAIN))


def test_an_overlay_of_the_state_counts_first(seen: Any, site: Any) -> None:
    file = image_with(site, plane(bits=~BITS))
    got = seen(file, plane(), activation(), **layers())
    assert near(got, np.where(BITS, 255, PLAIN))


def test_overlays_have_a_colour_and_turn_with_the_image(seen: Any, site: Any) -> None:
    red = layers(GraphicLayerRecommendedDisplayCIELabValue=RED)
    got = seen(image_with(site, plane()), activation(), ImageRotation=90, **red)
    turned = np.rot90(BITS, -1)
    assert got.shape == (COLUMNS, ROWS, 3)
    assert got[turned][:, 0].min() > 230
    assert got[turned][:, 1:].max() < 40
    assert near(got[~turned], np.repeat(np.rot90(PLAIN, -1)[~turned][:, None], 3, 1))


@pytest.mark.parametrize("origin", [(3, 5), (-2, -4), (15, 25)])
def test_an_overlay_lies_at_its_origin(seen: Any, site: Any, origin: tuple[int, int]) -> None:
    bits = np.random.default_rng(7).integers(0, 2, (9, 11), dtype=bool)
    got = seen(image(site), plane(bits=bits, origin=origin), activation(), **layers())
    wanted = PLAIN.copy()
    for row, column in np.argwhere(bits):
        y, x = row + origin[0] - 1, column + origin[1] - 1
        if 0 <= y < ROWS and 0 <= x < COLUMNS:
            wanted[y, x] = 255
    assert near(got, wanted)


def test_frames_of_an_overlay(client: Any, radiologist: Any, site: Any) -> None:
    """Two planes for frames 2 and 3 of 3, whose bits begin within a byte."""
    bits = np.random.default_rng(8).integers(0, 2, (2, 7, 9), dtype=bool)
    frames = np.stack([VALUES] * 3)
    cine = image(site, NumberOfFrames=3, PixelData=frames.tobytes())
    state = store(
        site,
        with_planes(
            state_file(cine, **layers()), plane(bits=bits, frames=2, first=2), activation()
        ),
    )
    reply = client(radiologist).get(
        state.path + "/rendered", headers={"accept": 'multipart/related; type="image/png"'}
    )
    got = [np.asarray(Image.open(BytesIO(part.body))).astype(int) for part in reply.parts]
    assert near(got[0], PLAIN)
    for shown, one in zip(got[1:], bits, strict=True):
        wanted = PLAIN.copy()
        wanted[:7, :9][one] = 255
        assert near(shown, wanted)


def test_an_overlay_in_unused_bits(seen: Any, site: Any) -> None:
    both = VALUES | (BITS.astype(np.uint16) << 13)
    file = image_with(
        site,
        {"planes": {
            (0x6002, 0x0010): ("US", ROWS), (0x6002, 0x0011): ("US", COLUMNS),
            (0x6002, 0x0040): ("CS", "G"), (0x6002, 0x0050): ("SS", [1, 1]),
            (0x6002, 0x0100): ("US", 16), (0x6002, 0x0102): ("US", 13),
        }},
        PixelData=both.tobytes(),
    )  # fmt: skip
    assert near(seen(file, **layers()), PLAIN)
    got = seen(file, activation(0x6002), **layers())
    assert near(got, np.where(BITS, 255, PLAIN))


@pytest.mark.parametrize(
    "spoilt",
    [
        {(0x6000, 0x3000): ("OW", b"\1\2")},
        {(0x6000, 0x0010): ("US", 65535), (0x6000, 0x0011): ("US", 65535)},
        {(0x6000, 0x0010): ("US", 0)},
        {(0x6000, 0x0015): ("IS", "5"), (0x6000, 0x0051): ("US", 9)},
        {(0x6000, 0x0050): ("SS", [32767, -32768])},
        {(0x6000, 0x0050): ("SS", [1])},
    ],
)
def test_a_spoilt_overlay_leaves_the_picture(seen: Any, site: Any, spoilt: Any) -> None:
    got = seen(image(site), plane(), {"planes": spoilt}, activation(), **layers())
    if spoilt == {(0x6000, 0x0050): ("SS", [1])}:
        assert near(got, np.where(BITS, 255, PLAIN))
    else:
        assert near(got, PLAIN)


# Bitmap shutters

SHUTTER = {
    "ShutterShape": "BITMAP", "ShutterOverlayGroup": 0x6000, "ShutterPresentationValue": 0x8080
}  # fmt: skip


def test_a_bitmap_shutter_covers_set_bits(seen: Any, site: Any) -> None:
    got = seen(image(site), plane(), SoftcopyVOILUTSequence=voi(), **SHUTTER)
    assert near(got, np.where(BITS, 0x80, PLAIN))
    both = seen(image(site), plane(), activation(), **layers(), **SHUTTER)
    assert near(both, np.where(BITS, 0x80, PLAIN))  # a shutter is no graphic
    elsewhere = seen(image(site), plane(0x6004), SoftcopyVOILUTSequence=voi(), **SHUTTER)
    assert near(elsewhere, PLAIN)


def test_a_shutter_of_a_colour_image_has_a_colour(seen: Any, site: Any) -> None:
    pixels = np.random.default_rng(5).integers(0, 200, (ROWS, COLUMNS, 3), dtype=np.uint8)
    colour = image(
        site, SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=0,
        BitsAllocated=8, BitsStored=8, HighBit=7, PixelData=pixels.tobytes(),
    )  # fmt: skip
    got = seen(colour, plane(), sop_class="2", ShutterPresentationColorCIELabValue=RED, **SHUTTER)
    assert near(got[~BITS], pixels[~BITS].astype(int))
    assert got[BITS][:, 0].min() > 230
    assert got[BITS][:, 1:].max() < 40


def test_dcmtk_covers_the_same_pixels(seen: Any, site: Any, tmp_path: Path) -> None:
    """dcmp2pgm, an implementation of its own, of the same files."""
    dcmp2pgm = require("dcmp2pgm")
    file = image(site)
    elements = {
        "ContentLabel": "STATE", "ContentDescription": "", "ContentCreatorName": "",
        "PresentationCreationDate": "20260102", "PresentationCreationTime": "101112",
        "Manufacturer": "", "PatientBirthDate": "", "PatientSex": "",
        "ReferringPhysicianName": "",
        "DisplayedAreaSelectionSequence": [item(
            DisplayedAreaTopLeftHandCorner=[1, 1],
            DisplayedAreaBottomRightHandCorner=[COLUMNS, ROWS],
            PresentationSizeMode="MAGNIFY", PresentationPixelAspectRatio=[1, 1],
            PresentationPixelMagnificationRatio=1,
        )],
        **SHUTTER, "SoftcopyVOILUTSequence": voi(),
    }  # fmt: skip
    (tmp_path / "image.dcm").write_bytes(file.file)
    (tmp_path / "state.dcm").write_bytes(with_planes(state_file(file, **elements), plane()))
    command = [dcmp2pgm, "-p", "state.dcm", "image.dcm", "out.pgm"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    theirs = np.asarray(Image.open(tmp_path / "out.pgm")).astype(int)
    ours = seen(file, plane(), **elements)
    assert theirs.shape == ours.shape
    assert np.abs(theirs - ours).max() <= 1


# Masks

STACK = np.random.default_rng(9).integers(0, 4096, (5, ROWS, COLUMNS), dtype=np.uint16)
WIDE = {"WindowCenter": 0, "WindowWidth": 8192, "VOILUTFunction": "LINEAR_EXACT"}


def mask(**elements: Any) -> dict[str, Any]:
    return {
        "MaskSubtractionSequence": [item(**elements)],
        "RecommendedViewingMode": "SUB",
        "SoftcopyVOILUTSequence": voi(**WIDE),
    }


@pytest.fixture
def cine(site: Any) -> Any:
    return image(site, NumberOfFrames=5, PixelData=STACK.tobytes())


def greys(differences: Any) -> Any:
    return np.rint(np.clip((differences + 4096) / 8192 * 255, 0, 255)).astype(int)


def test_averaged_masks_are_subtracted(seen: Any, cine: Any) -> None:
    frames = STACK.astype(float)
    one = mask(MaskOperation="AVG_SUB", MaskFrameNumbers=2)
    assert near(seen(cine, frames=[4], **one), greys(frames[3] - frames[1]))
    two = mask(MaskOperation="AVG_SUB", MaskFrameNumbers=[1, 2], ContrastFrameAveraging=2)
    wanted = greys(frames[3:5].mean(0) - frames[0:2].mean(0))
    assert near(seen(cine, frames=[4], **two), wanted)
    earlier = mask(MaskOperation="TID", TIDOffset=2)
    assert near(seen(cine, frames=[5], **earlier), greys(frames[4] - frames[2]))


def test_subtraction_comes_after_the_modality_table(seen: Any, cine: Any) -> None:
    frames = STACK.astype(float)
    got = seen(
        cine, frames=[3], RescaleSlope=0.5, RescaleIntercept=100, RescaleType="US",
        PresentationLUTShape="INVERSE", **mask(MaskOperation="AVG_SUB", MaskFrameNumbers=1),
    )  # fmt: skip
    assert near(got, 255 - greys(frames[2] * 0.5 - frames[0] * 0.5))


def test_without_a_window_all_differences_are_seen(seen: Any, cine: Any) -> None:
    elements = mask(MaskOperation="AVG_SUB", MaskFrameNumbers=1)
    del elements["SoftcopyVOILUTSequence"]
    differences = STACK[2].astype(float) - STACK[0]
    wanted = np.rint((differences + 4095) / 8190 * 255).astype(int)
    assert near(seen(cine, frames=[3], **elements), wanted)


def test_a_mask_is_moved_down_and_left(seen: Any, cine: Any) -> None:
    frames = STACK.astype(float)
    got = seen(
        cine, frames=[3],
        **mask(MaskOperation="AVG_SUB", MaskFrameNumbers=1, MaskSubPixelShift=[2, 3]),
    )  # fmt: skip
    assert near(got[2:, :-3], greys(frames[2][2:, :-3] - frames[0][:-2, 3:]))
    half = seen(
        cine, frames=[3],
        **mask(MaskOperation="AVG_SUB", MaskFrameNumbers=1, MaskSubPixelShift=[0.5, 0]),
    )  # fmt: skip
    between = (frames[0][1:] + frames[0][:-1]) / 2
    assert near(half[1:], greys(frames[2][1:] - between))


def test_a_mask_that_is_not_there(client: Any, radiologist: Any, site: Any, cine: Any) -> None:
    for elements in (
        mask(MaskOperation="AVG_SUB", MaskFrameNumbers=6),
        mask(MaskOperation="TID", TIDOffset=3),
    ):
        state = store(site, state_file(cine, frames=[2], **elements))
        reply = client(radiologist).get(state.path + "/rendered")
        assert reply.status == 406
        assert b"no frame that is its mask" in reply.body


def test_a_state_without_subtraction_mode(seen: Any, cine: Any) -> None:
    elements = mask(MaskOperation="AVG_SUB", MaskFrameNumbers=1)
    native = seen(cine, frames=[3], **{**elements, "RecommendedViewingMode": "NAT"})
    assert near(native, greys(STACK[2].astype(float)))


# Palettes


def palette(entries: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, values in zip(("Red", "Green", "Blue"), entries.T, strict=True):
        found[f"{name}PaletteColorLookupTableDescriptor"] = [len(values), 0, 16]
        found[f"{name}PaletteColorLookupTableData"] = values.astype("<u2").tobytes()
    return found


@pytest.mark.parametrize("count", [256, 4096])
def test_a_pseudo_colour_state(seen: Any, site: Any, count: int) -> None:
    ramp = np.linspace(0, 65535, count)
    entries = np.rint(np.stack([ramp, ramp[::-1], np.sqrt(ramp / 65535) * 65535], 1))
    got = seen(
        image(site), sop_class="3", SoftcopyVOILUTSequence=voi(), **palette(entries)
    )  # fmt: skip
    assert got.shape == (ROWS, COLUMNS, 3)
    places = np.rint(PLAIN / 255 * (count - 1)).astype(int)
    wanted = np.rint(entries[places] / 257)
    assert np.abs(got[..., :2] - wanted[..., :2]).max() <= 2
    steep = PLAIN > 20  # where one shade is not many colours
    assert np.abs(got[steep] - wanted[steep]).max() <= 4


def test_a_pseudo_colour_state_without_a_palette(client: Any, radiologist: Any, site: Any) -> None:
    state = store(site, state_file(image(site), sop_class="3"))
    reply = client(radiologist).get(state.path + "/rendered")
    assert reply.status == 406
    assert b"palette" in reply.body
