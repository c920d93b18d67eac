"""Presentation states: pixels against what the standard says, and whose images they may show."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset

from tests.dicom import greys
from tests.dicomweb.asking import Stored, store
from tests.dicomweb.states import (
    COLUMNS,
    FULL,
    PLAIN,
    ROWS,
    VALUES,
    area,
    image,
    item,
    near,
    referenced,
    state_file,
    voi,
)

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_window_of_the_state_replaces_the_image_s(shown: Any, site: Any) -> None:
    file = image(site)
    assert near(shown(file, SoftcopyVOILUTSequence=voi()), PLAIN)


def test_what_a_state_leaves_out_is_the_identity(shown: Any, site: Any) -> None:
    """Not the image's window, its rescaling or its MONOCHROME1 (PS3.4 N.2.1)."""
    file = image(
        site, RescaleSlope=3, RescaleIntercept=-500, PhotometricInterpretation="MONOCHROME1"
    )
    assert near(shown(file), np.rint(VALUES / 4095 * 255).astype(int))


def test_modality_and_window_of_the_state(shown: Any, site: Any) -> None:
    got = shown(
        image(site), RescaleSlope=2, RescaleIntercept=-1000, RescaleType="US",
        SoftcopyVOILUTSequence=voi(
            WindowCenter=1000, WindowWidth=2000, VOILUTFunction="LINEAR_EXACT"
        ),
    )  # fmt: skip
    assert near(got, np.rint(np.clip((VALUES * 2.0 - 1000) / 2000 * 255, 0, 255)).astype(int))


def test_a_table_and_inversion(shown: Any, site: Any) -> None:
    entries = greys.film()
    table = [item(VOILUTSequence=greys.lut(entries, 0, 12))]
    wanted = np.rint(entries[VALUES] / 4095 * 255).astype(int)
    assert near(shown(image(site), SoftcopyVOILUTSequence=table), wanted)
    inverse = shown(image(site), SoftcopyVOILUTSequence=table, PresentationLUTShape="INVERSE")
    assert near(inverse, 255 - wanted)


def test_a_window_for_another_image_is_not_used(shown: Any, site: Any) -> None:
    file, other = image(site, InstanceNumber=1), image(site, InstanceNumber=2)
    windows = [
        item(ReferencedImageSequence=[referenced(other)], WindowCenter=5, WindowWidth=2),
        item(ReferencedImageSequence=[referenced(file)], **FULL),
    ]
    assert near(shown(file, SoftcopyVOILUTSequence=windows), PLAIN)


@pytest.mark.parametrize("flip", ["N", "Y"])
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_turning_is_clockwise_and_then_flipped(
    shown: Any, site: Any, rotation: int, flip: str
) -> None:
    got = shown(
        image(site), SoftcopyVOILUTSequence=voi(), ImageRotation=rotation,
        ImageHorizontalFlip=flip,
    )  # fmt: skip
    wanted = np.rot90(PLAIN, -rotation // 90)
    assert near(got, np.fliplr(wanted) if flip == "Y" else wanted)


def test_the_displayed_area(shown: Any, site: Any) -> None:
    inside = shown(
        image(site), SoftcopyVOILUTSequence=voi(),
        DisplayedAreaSelectionSequence=area(4, 3, 13, 8),
    )  # fmt: skip
    assert near(inside, PLAIN[2:8, 3:13])
    beyond = shown(
        image(site), SoftcopyVOILUTSequence=voi(),
        DisplayedAreaSelectionSequence=area(-4, -1, 30, 20),
    )  # fmt: skip
    assert beyond.shape == (22, 35)
    assert near(beyond[2:, 5:], PLAIN)
    assert not beyond[:2].any()
    assert not beyond[:, :5].any()


def test_a_turned_area_and_a_viewport(shown: Any, site: Any) -> None:
    """Corners are pixels of the image as stored that come to lie at the corners of the picture."""
    got = shown(
        image(site), SoftcopyVOILUTSequence=voi(), ImageRotation=90,
        DisplayedAreaSelectionSequence=area(4, 8, 13, 3),
    )  # fmt: skip
    assert near(got, np.rot90(PLAIN[2:8, 3:13], -1))
    fitted = shown(image(site), "?viewport=60,60", SoftcopyVOILUTSequence=voi())
    assert fitted.shape == (40, 60)
    stretched = shown(
        image(site),
        DisplayedAreaSelectionSequence=area(1, 1, 30, 20, PresentationPixelSpacing=[2, 1]),
    )
    assert stretched.shape == (40, 30)


def test_shutters(shown: Any, site: Any) -> None:
    base = {"SoftcopyVOILUTSequence": voi(), "ShutterPresentationValue": 65535 // 2}
    rectangle = {
        "ShutterShape": "RECTANGULAR", "ShutterLeftVerticalEdge": 5,
        "ShutterRightVerticalEdge": 20, "ShutterUpperHorizontalEdge": 3,
        "ShutterLowerHorizontalEdge": 15,
    }  # fmt: skip
    got = shown(image(site), **base, **rectangle)
    wanted = np.full_like(PLAIN, 127)
    wanted[2:15, 4:20] = PLAIN[2:15, 4:20]
    assert near(got, wanted)
    circle = {
        "ShutterShape": "CIRCULAR", "CenterOfCircularShutter": [10, 15],
        "RadiusOfCircularShutter": 6,
    }  # fmt: skip
    got = shown(image(site), **base, **circle)
    y, x = np.mgrid[1 : ROWS + 1, 1 : COLUMNS + 1]
    distance = np.hypot(x - 15, y - 10)
    assert near(got[distance < 5.5], PLAIN[distance < 5.5])
    assert (np.abs(got[distance > 7] - 127) <= 1).all()
    polygon = {
        "ShutterShape": "POLYGONAL", "VerticesOfThePolygonalShutter": [2, 2, 2, 25, 18, 25, 18, 2]
    }  # fmt: skip
    got = shown(image(site), **base, **polygon)
    assert near(got[1:18, 1:25], PLAIN[1:18, 1:25])
    assert (np.abs(got[19:] - 127) <= 1).all()
    both = shown(
        image(site), **base, **{**rectangle, **circle, "ShutterShape": ["RECTANGULAR", "CIRCULAR"]}
    )
    assert near(both[9, 10:18], PLAIN[9, 10:18])
    assert abs(both[9, 22] - 127) <= 1


def layer(**elements: Any) -> list[Dataset]:
    return [item(GraphicLayer="L", GraphicLayerOrder=1, **elements)]


def drawn(kind: str, data: list[float], filled: str = "N", units: str = "PIXEL") -> Dataset:
    return item(
        GraphicAnnotationUnits=units, GraphicDimensions=2, NumberOfGraphicPoints=len(data) // 2,
        GraphicData=data, GraphicType=kind, GraphicFilled=filled,
    )  # fmt: skip


def annotated(*graphics: Dataset, texts: Any = (), colour: Any = None) -> dict[str, Any]:
    one = item(GraphicLayer="L", GraphicObjectSequence=list(graphics))
    if texts:
        one.TextObjectSequence = list(texts)
    look = colour or {"GraphicLayerRecommendedDisplayGrayscaleValue": 65535}
    return {
        "GraphicAnnotationSequence": [one],
        "GraphicLayerSequence": layer(**look),
        "SoftcopyVOILUTSequence": voi(WindowCenter=9000, WindowWidth=2),  # a black image
    }


def marked(got: Any) -> set[tuple[int, int]]:
    return {(int(x), int(y)) for y, x in np.argwhere(got == 255)}


def test_lines_and_filled_shapes(shown: Any, site: Any) -> None:
    line = shown(image(site), **annotated(drawn("POLYLINE", [2.5, 4.5, 10.5, 4.5])))
    assert marked(line) == {(x, 4) for x in range(2, 11)}
    box = shown(
        image(site),
        **annotated(drawn("POLYLINE", [3.5, 3.5, 8.5, 3.5, 8.5, 6.5, 3.5, 6.5, 3.5, 3.5], "Y")),
    )
    assert marked(box) == {(x, y) for x in range(3, 9) for y in range(3, 7)}


def test_graphics_turn_with_the_image_and_display_units_do_not(shown: Any, site: Any) -> None:
    turned = shown(
        image(site), ImageRotation=90, **annotated(drawn("POLYLINE", [2.5, 4.5, 10.5, 4.5]))
    )
    assert turned.shape == (COLUMNS, ROWS)
    assert marked(turned) == {(ROWS - 1 - 4, y) for y in range(2, 11)}
    flipped = shown(
        image(site), ImageHorizontalFlip="Y",
        **annotated(drawn("POLYLINE", [2.5, 4.5, 10.5, 4.5])),
    )  # fmt: skip
    assert marked(flipped) == {(COLUMNS - 1 - x, 4) for x in range(2, 11)}
    fractions = shown(
        image(site), ImageRotation=90,
        **annotated(drawn("POLYLINE", [0.025, 0.5, 0.975, 0.5], units="DISPLAY")),
    )  # fmt: skip
    assert {y for _, y in marked(fractions)} <= {14, 15}
    assert len(marked(fractions)) >= ROWS - 1


def test_round_shapes(shown: Any, site: Any) -> None:
    circle = marked(shown(image(site), **annotated(drawn("CIRCLE", [15, 10, 21, 10]))))
    assert len(circle) > 20
    assert all(abs(np.hypot(x + 0.5 - 15, y + 0.5 - 10) - 6) < 1 for x, y in circle)
    ellipse = marked(
        shown(image(site), **annotated(drawn("ELLIPSE", [5, 10, 25, 10, 15, 5, 15, 15])))
    )
    assert all(
        abs(np.hypot((x + 0.5 - 15) / 10, (y + 0.5 - 10) / 5) - 1) < 0.25 for x, y in ellipse
    )
    point = marked(shown(image(site), **annotated(drawn("POINT", [12.5, 8.5]))))
    assert (12, 8) in point
    curve = marked(
        shown(image(site), **annotated(drawn("INTERPOLATED", [2.5, 2.5, 12.5, 12.5, 22.5, 2.5])))
    )
    assert {(2, 2), (12, 12), (22, 2)} <= curve


def test_colours_of_layers(shown: Any, site: Any) -> None:
    red = {"GraphicLayerRecommendedDisplayCIELabValue": [34885, 53485, 50171]}
    got = shown(image(site), **annotated(drawn("POLYLINE", [2.5, 4.5, 10.5, 4.5]), colour=red))
    assert got.shape == (ROWS, COLUMNS, 3)
    assert got[4, 5, 0] > 230
    assert got[4, 5, 1:].max() < 40
    assert not got[10].any()


def test_words_lie_in_their_box(shown: Any, site: Any) -> None:
    text = item(
        UnformattedTextValue="Lesion\r\n12 mm", BoundingBoxAnnotationUnits="PIXEL",
        BoundingBoxTopLeftHandCorner=[2, 2], BoundingBoxBottomRightHandCorner=[28, 18],
        BoundingBoxTextHorizontalJustification="LEFT",
    )  # fmt: skip
    got = shown(image(site), "?viewport=600,400", **annotated(texts=[text]))
    places = marked(got)
    assert len(places) > 200
    assert all(38 <= x <= 562 and 38 <= y <= 362 for x, y in places)


def test_a_colour_state_turns_and_draws(shown: Any, site: Any) -> None:
    pixels = np.random.default_rng(5).integers(0, 200, (ROWS, COLUMNS, 3), dtype=np.uint8)
    colour = image(
        site, SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=0,
        BitsAllocated=8, BitsStored=8, HighBit=7, PixelData=pixels.tobytes(),
    )  # fmt: skip
    got = shown(
        colour, sop_class="2", ImageRotation=180,
        **{k: v for k, v in annotated(drawn("POLYLINE", [2.5, 4.5, 10.5, 4.5])).items()
           if k != "SoftcopyVOILUTSequence"},
    )  # fmt: skip
    wanted = pixels[::-1, ::-1].astype(int).copy()
    wanted[ROWS - 1 - 4, COLUMNS - 11 : COLUMNS - 2] = 255
    assert near(got, wanted)


def test_hostile_areas_are_refused(client: Any, radiologist: Any, site: Any) -> None:
    file = image(site)
    for corners in ((1, 1, 10**9, 10**9), (-(2**31), 1, 2**31 - 1, 5), (1, 1, 60000, 60000)):
        state = store(site, state_file(file, DisplayedAreaSelectionSequence=area(*corners)))
        assert client(radiologist).get(state.path + "/rendered").status == 406
    magnified = area(
        1, 1, 30, 20, PresentationSizeMode="MAGNIFY", PresentationPixelMagnificationRatio=1e6
    )
    state = store(site, state_file(file, DisplayedAreaSelectionSequence=magnified))
    assert client(radiologist).get(state.path + "/rendered").status == 406


# What a state may show


def test_several_images_and_frames(client: Any, radiologist: Any, site: Any) -> None:
    frames = np.stack([VALUES, VALUES // 2, VALUES // 3])
    one = image(site, InstanceNumber=1)
    cine = image(site, InstanceNumber=2, NumberOfFrames=3, PixelData=frames.tobytes())
    asking = client(radiologist)
    state = store(site, state_file(one, cine))
    assert len(asking.get(state.path + "/rendered").parts) == 4
    assert asking.get(state.path + "/rendered", headers={"accept": "image/png"}).status == 406
    some = store(site, state_file(cine, frames=[1, 3, 9], SoftcopyVOILUTSequence=voi()))
    parts = asking.get(
        some.path + "/rendered", headers={"accept": 'multipart/related; type="image/png"'}
    ).parts
    assert len(parts) == 2
    third = np.asarray(Image.open(BytesIO(parts[1].body))).astype(int)
    assert near(third, np.rint((VALUES // 3 - 2047.5) / 4095 * 255 + 127.5).astype(int))
    assert len(asking.get(some.series_path + "/rendered").parts) == 2


def test_images_of_another_study_are_not_shown(
    client: Any, radiologist: Any, admin: Any, site: Any, other_site: Any
) -> None:
    file = image(site)
    elsewhere = image(other_site, StudyInstanceUID="1.2.3.4", PatientID="OTHER")
    data = state_file(file, SoftcopyVOILUTSequence=voi())
    dataset = greys_read(data)
    dataset.ReferencedSeriesSequence[0].ReferencedImageSequence = [referenced(elsewhere)]
    out = BytesIO()
    dataset.save_as(out)
    state = store(site, out.getvalue())
    for user in (radiologist, admin):
        reply = client(user).get(state.path + "/rendered")
        assert reply.status == 404
        assert b"not in its study" in reply.body


def greys_read(data: bytes) -> Dataset:
    return dcmread(BytesIO(data))


def test_who_may(client: Any, radiologist: Any, stranger: Any, site: Any) -> None:
    file = image(site)
    state = store(site, state_file(file))
    assert client(radiologist).get(state.path + "/rendered").status == 200
    assert client(stranger).get(state.path + "/rendered").status == 404
    assert client().get(state.path + "/rendered").status == 401


@pytest.mark.parametrize("query", ["?window=1,2,linear", "?viewport=9,9,1,1,5,5", "?viewport=x"])
def test_a_state_decides_itself(client: Any, radiologist: Any, site: Any, query: str) -> None:
    state = store(site, state_file(image(site)))
    assert client(radiologist).get(state.path + "/rendered" + query).status == 400
    assert client(radiologist).get(state.path + "/frames/1/rendered").status == 404


def test_wado_uri_with_a_state(client: Any, radiologist: Any, stranger: Any, site: Any) -> None:
    file, other = image(site, InstanceNumber=1), image(site, InstanceNumber=2)
    state = store(site, state_file(file, SoftcopyVOILUTSequence=voi()))

    def address(about: Stored, shown_with: Stored, more: str = "") -> str:
        return (
            f"/wado?requestType=WADO&studyUID={about.study}&seriesUID={about.series}"
            f"&objectUID={about.instance}&contentType=image/png"
            f"&presentationSeriesUID={shown_with.series}&presentationUID={shown_with.instance}{more}"
        )

    asking = client(radiologist)
    reply = asking.get(address(file, state))
    assert near(np.asarray(Image.open(BytesIO(reply.body))).astype(int), PLAIN)
    assert asking.get(address(other, state)).status == 404
    assert asking.get(address(file, other)).status == 404
    assert asking.get(address(file, state, "&region=0,0,1,1")).status == 400
    assert asking.get(address(file, state, "&windowCenter=1&windowWidth=5")).status == 400
    assert client(stranger).get(address(file, state)).status == 404
