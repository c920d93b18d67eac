"""Presentation states: what the viewer is told of one, and what is seen saved as one, read by
programs that we did not write."""

from __future__ import annotations

import subprocess
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from django.test import Client
from PIL import Image
from pydicom.dataset import Dataset

from pacs.audit.models import AuditEvent
from studies import archive
from studies.annotations.models import Measurement
from studies.models import Instance, StudyGrant
from tests.dicom import greys
from tests.dicomweb.asking import Stored, ct_file, store
from tests.dicomweb.states import COLUMNS, ROWS, VALUES, area, image, item, state_file, voi
from tests.dicomweb.states import referenced as reference_to
from tests.reports.test_output_dicom import complaints
from tests.studies.test_annotations import EACH_TOOL

pytestmark = pytest.mark.django_db
GREYSCALE = "1.2.840.10008.5.1.4.1.1.11.1"


def address(stored: Stored, state: Stored) -> str:
    return f"/studies/{stored.study_pk}/presentation-states/{state.instance}/"


def read(client: Client, stored: Stored, state: Stored) -> dict[str, Any]:
    answer = client.get(address(stored, state))
    assert answer.status_code == 200, answer.content
    assert answer["Cache-Control"] == "no-store"
    found: dict[str, Any] = answer.json()
    return found


# What the viewer is told


def test_everything_that_a_state_says(logged_in: Any, radiologist: Any, site: Any) -> None:
    stored = image(site)
    graphic = item(
        GraphicAnnotationUnits="PIXEL", GraphicDimensions=2, NumberOfGraphicPoints=2,
        GraphicData=[10, 10, 13, 14], GraphicType="CIRCLE", GraphicFilled="Y",
    )  # fmt: skip
    text = item(
        UnformattedTextValue="<script>alert(1)</script>\r\nbelow",
        BoundingBoxAnnotationUnits="DISPLAY",
        BoundingBoxTopLeftHandCorner=[0.1, 0.2],
        BoundingBoxBottomRightHandCorner=[0.5, 0.4],
        BoundingBoxTextHorizontalJustification="CENTER",
        AnchorPointAnnotationUnits="PIXEL",
        AnchorPoint=[3.5, 4.5],
        AnchorPointVisibility="Y",
    )
    layer = item(
        GraphicLayer="ONE",
        GraphicLayerOrder=1,
        GraphicLayerRecommendedDisplayGrayscaleValue=0x8080,
    )
    state = store(
        site,
        state_file(
            stored,
            RescaleSlope=2, RescaleIntercept=-10, RescaleType="US",
            SoftcopyVOILUTSequence=voi(WindowCenter=40, WindowWidth=400, VOILUTFunction="SIGMOID"),
            PresentationLUTShape="INVERSE",
            ImageRotation=90, ImageHorizontalFlip="Y",
            DisplayedAreaSelectionSequence=area(3, 5, 12, 20),
            ShutterShape=["RECTANGULAR", "CIRCULAR"],
            ShutterLeftVerticalEdge=2, ShutterRightVerticalEdge=20,
            ShutterUpperHorizontalEdge=1, ShutterLowerHorizontalEdge=19,
            CenterOfCircularShutter=[8, 9], RadiusOfCircularShutter=7,
            ShutterPresentationValue=0xFFFF,
            GraphicLayerSequence=[layer],
            GraphicAnnotationSequence=[
                item(GraphicLayer="ONE", GraphicObjectSequence=[graphic], TextObjectSequence=[text])
            ],
        ),
    )  # fmt: skip
    found = read(logged_in(radiologist), stored, state)
    assert found["left_out"] == []
    (view,) = found["views"]
    assert view["images"] == [[stored.instance, 1]]
    assert view["grey"] == {
        "slope": 2.0, "intercept": -10.0, "modality_table": None, "voi_table": None,
        "window": {"center": 40.0, "width": 400.0, "shape": "SIGMOID"},
        "presentation_table": None, "is_inverse": True,
    }  # fmt: skip
    assert (view["rotation"], view["is_flipped"]) == (90, True)
    assert view["area"] == {"edges": [2, 4, 12, 20], "magnification": 1.0, "fits": True}
    assert view["shutter"] == {
        "rectangle": [2, 1, 20, 19], "circle": [9, 8, 7], "polygon": [], "shade": 255,
        "colour": None,
    }  # fmt: skip
    (drawn,) = view["graphics"]
    around = np.asarray(drawn["points"])
    assert np.allclose(np.hypot(*(around - [10, 10]).T), 5, atol=0.01)
    assert (drawn["is_filled"], drawn["colour"]) == (True, [128, 128, 128])
    (words,) = view["texts"]
    assert words["lines"] == ["<script>alert(1)</script>", "below"]
    assert np.allclose(words["box"], [[0.1, 0.2], [0.5, 0.4]])
    assert words["box_in_pixels"] is False
    assert (words["anchor"], words["anchor_visible"]) == ([3.5, 4.5], True)
    events = AuditEvent.objects.filter(action="study.presentation_state")
    assert [event.study_id for event in events] == [stored.study_pk]


def test_each_frame_has_its_own(logged_in: Any, radiologist: Any, site: Any) -> None:
    """Frames and images that look the same are one view; images of no interest are in none."""
    moving = image(site, NumberOfFrames=3, PixelData=VALUES.tobytes() * 3)
    other = store(site, ct_file(size=16, seed=5))
    (table,) = greys.lut([0, 128, 255], 65530, 8)
    state = store(
        site,
        state_file(
            moving, other,
            SoftcopyVOILUTSequence=[
                item(ReferencedImageSequence=[reference_to(moving, [2])], WindowCenter=10,
                     WindowWidth=20),
                item(ReferencedImageSequence=[reference_to(other)], VOILUTSequence=[table]),
            ],
        ),
    )  # fmt: skip
    found = read(logged_in(radiologist), moving, state)
    by_frame = {tuple(each): view for view in found["views"] for each in view["images"]}
    assert set(by_frame) == {(moving.instance, n) for n in (1, 2, 3)} | {(other.instance, 1)}
    assert by_frame[moving.instance, 1] is by_frame[moving.instance, 3]
    assert by_frame[moving.instance, 1]["grey"]["window"] is None
    assert by_frame[moving.instance, 2]["grey"]["window"]["center"] == 10
    assert by_frame[other.instance, 1]["grey"]["voi_table"] == {
        "first": 65530, "bits": 8, "data": [0, 128, 255]
    }  # fmt: skip


def test_what_cannot_be_applied_is_said(logged_in: Any, radiologist: Any, site: Any) -> None:
    stored = image(site)
    client = logged_in(radiologist)
    masked = state_file(
        stored, MaskSubtractionSequence=[item(MaskOperation="TID", TIDOffset=1)],
        RecommendedViewingMode="SUB",
    )  # fmt: skip
    assert read(client, stored, store(site, masked))["left_out"] == ["its subtraction of a mask"]
    blending = store(site, state_file(stored, sop_class="4"))
    assert client.get(address(stored, blending)).status_code == 404
    assert client.get(address(stored, stored)).status_code == 404
    elsewhere = store(site, state_file(stored, StudyInstanceUID="1.2.3.99"))
    assert read(client, elsewhere, elsewhere)["views"] == []
    assert client.get(address(stored, elsewhere)).status_code == 404


def test_who_is_told(
    logged_in: Any, client: Client, site: Any, technician: Any, referrer: Any, stranger: Any
) -> None:
    stored = image(site)
    path = address(stored, store(site, state_file(stored)))
    assert client.get(path).status_code == 401
    assert logged_in(technician).get(path).status_code == 200
    assert logged_in(stranger).get(path).status_code == 404
    assert logged_in(referrer).get(path).status_code == 404
    StudyGrant.objects.create(study_id=stored.study_pk, user=referrer, granted_by=technician)
    assert logged_in(referrer).get(path).status_code == 200


# What is seen, saved


def save(client: Client, stored: Stored, **more: Any) -> Any:
    body = {
        "series_instance_uid": stored.series,
        "sop_instance_uid": stored.instance,
        "name": "Näive lung",
        "window": {"center": 1000, "width": 1500},
        "area": [0, 0, COLUMNS, ROWS],
        **more,
    }
    path = f"/api/studies/{stored.study_pk}/presentation-states/"
    return client.post(path, body, "application/json")


def saved(answer: Any) -> bytes:
    assert answer.status_code == 201, answer.content
    row = Instance.objects.get(sop_instance_uid=answer.json()["sop_instance_uid"])
    with archive.open_file(row.archive_key) as file:
        found: bytes = file.read()
    return found


def run(*command: Any) -> str:
    said = subprocess.run(
        [str(each) for each in command], capture_output=True, text=True, timeout=60
    )
    assert said.returncode == 0, said.stdout + said.stderr
    return said.stdout + said.stderr


def shown_by_dcmtk(tmp_path: Path, state: bytes, stored: Stored) -> Any:
    """The picture that dcmtk makes of the image with the state, and what it says of the state."""
    state_path, image_path = tmp_path / "state.dcm", tmp_path / "image.dcm"
    state_path.write_bytes(state)
    image_path.write_bytes(stored.file)
    said = run("dcmpschk", "-v", state_path)
    assert "Test passed" in said, said
    assert "warning" not in said.lower(), said
    out = tmp_path / "shown.pgm"
    run("dcmp2pgm", "-p", state_path, image_path, out)
    return np.asarray(Image.open(out)).astype(int)


def windowed(values: Any, centre: float, width: float) -> Any:
    low = centre - 0.5 - (width - 1) / 2
    return np.clip(np.rint((values.astype(float) - low) * 255 / (width - 1)), 0, 255)


def test_a_window_is_what_dcmtk_shows(
    logged_in: Any, radiologist: Any, site: Any, tmp_path: Path
) -> None:
    stored = image(site, RescaleSlope=2, RescaleIntercept=-1000, RescaleType="HU")
    state = saved(save(logged_in(radiologist), stored))
    assert complaints(state, tmp_path) == []
    got = shown_by_dcmtk(tmp_path, state, stored)
    wanted = windowed(VALUES * 2.0 - 1000, 1000, 1500)
    assert got.shape == wanted.shape
    assert np.abs(got - wanted).max() <= 1
    dataset = pydicom.dcmread(BytesIO(state))
    assert dataset.ContentDescription == "Näive lung"
    assert (dataset.RescaleSlope, dataset.RescaleIntercept) == (2, -1000)
    assert dataset.PatientID == "P-1"
    assert "GraphicAnnotationSequence" not in dataset
    (event,) = AuditEvent.objects.filter(action="presentation_state.stored")
    assert event.actor_id == radiologist.pk


@pytest.mark.parametrize(("rotation", "is_flipped"), [(90, False), (270, True), (180, False)])
def test_turned_and_inverse_is_what_dcmtk_shows(
    logged_in: Any, radiologist: Any, site: Any, tmp_path: Path, rotation: int, *, is_flipped: bool
) -> None:
    stored = image(site)
    answer = save(
        logged_in(radiologist), stored, rotation=rotation, is_flipped=is_flipped, is_inverse=True
    )
    got = shown_by_dcmtk(tmp_path, saved(answer), stored)
    wanted = np.rot90(255 - windowed(VALUES, 1000, 1500), -rotation // 90)
    wanted = np.fliplr(wanted) if is_flipped else wanted
    assert got.shape == wanted.shape
    assert np.abs(got - wanted).max() <= 1


def test_the_part_that_is_seen(logged_in: Any, radiologist: Any, site: Any, tmp_path: Path) -> None:
    stored = image(site)
    client = logged_in(radiologist)
    state = saved(save(client, stored, area=[3.2, 5, 20.7, 15]))
    (shown,) = pydicom.dcmread(BytesIO(state)).DisplayedAreaSelectionSequence
    assert list(shown.DisplayedAreaTopLeftHandCorner) == [4, 6]
    assert list(shown.DisplayedAreaBottomRightHandCorner) == [21, 15]
    shown_by_dcmtk(tmp_path, state, stored)
    # The portal reads it as it was said.
    uid = str(pydicom.dcmread(BytesIO(state)).SOPInstanceUID)
    answer = client.get(f"/studies/{stored.study_pk}/presentation-states/{uid}/")
    assert answer.json()["views"][0]["area"]["edges"] == [3, 5, 21, 15]
    # Beyond the image there is nothing to be seen.
    wide = saved(save(client, stored, area=[-50, -9.5, 500, 2000]))
    (shown,) = pydicom.dcmread(BytesIO(wide)).DisplayedAreaSelectionSequence
    assert list(shown.DisplayedAreaBottomRightHandCorner) == [COLUMNS, ROWS]


def test_what_was_drawn_comes_along(
    logged_in: Any, radiologist: Any, site: Any, tmp_path: Path
) -> None:
    stored = store(site, ct_file(size=64))
    other = store(site, ct_file(size=64, number=2, seed=1))
    place = {
        "study_id": stored.study_pk,
        "series_instance_uid": stored.series,
        "author": radiologist,
    }
    for tool, (points, values) in EACH_TOOL.items():
        Measurement.objects.create(
            **place, sop_instance_uid=stored.instance, tool=tool, points=points, values=values,
            label=f"My {tool}",
        )  # fmt: skip
    Measurement.objects.create(
        **place, sop_instance_uid=other.instance, tool="probe", points=[[1, 2]],
        values=[{"name": "value", "value": 7, "unit": "HU"}],
    )  # fmt: skip
    client = logged_in(radiologist)
    state = saved(save(client, stored, area=[0, 0, 64, 64]))
    assert complaints(state, tmp_path) == []
    shown_by_dcmtk(tmp_path, state, stored)
    dataset = pydicom.dcmread(BytesIO(state))
    (annotation,) = dataset.GraphicAnnotationSequence
    assert annotation.ReferencedImageSequence[0].ReferencedSOPInstanceUID == stored.instance
    kinds = [each.GraphicType for each in annotation.GraphicObjectSequence]
    assert {"POLYLINE", "ELLIPSE", "POINT"} == set(kinds)
    said = [each.UnformattedTextValue for each in annotation.TextObjectSequence]
    assert len(said) == len([tool for tool in EACH_TOOL if tool != "calibration"])
    assert not any("calibration" in words for words in said)
    points, _ = EACH_TOOL["length"]
    line = next(each for each in annotation.GraphicObjectSequence if each.GraphicType == "POLYLINE")
    assert np.allclose(line.GraphicData, np.asarray(points).ravel() + 0.5)
    # The whole series brings the other image, and what is on it.
    whole: Dataset = pydicom.dcmread(
        BytesIO(saved(save(client, stored, area=[0, 0, 64, 64], whole_series=True)))
    )
    (series,) = whole.ReferencedSeriesSequence
    uids = {each.ReferencedSOPInstanceUID for each in series.ReferencedImageSequence}
    assert uids == {stored.instance, other.instance}
    assert len(whole.GraphicAnnotationSequence) == 2
    assert whole.InstanceNumber == 2


def test_a_colour_image_and_an_own_table(
    logged_in: Any, radiologist: Any, site: Any, tmp_path: Path
) -> None:
    client = logged_in(radiologist)
    colour = store(
        site,
        ct_file(
            SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=0,
            BitsAllocated=8, BitsStored=8, HighBit=7, PixelData=bytes(16 * 16 * 3),
            SOPClassUID="1.2.840.10008.5.1.4.1.1.7",
        ),
    )  # fmt: skip
    state = saved(save(client, colour, window=None, area=[0, 0, 16, 16]))
    assert complaints(state, tmp_path) == []
    dataset = pydicom.dcmread(BytesIO(state))
    assert dataset.SOPClassUID == "1.2.840.10008.5.1.4.1.1.11.2"
    assert b"acsp" in dataset.ICCProfile[:64]
    assert "PresentationLUTShape" not in dataset
    (table,) = greys.lut([at // 16 for at in range(4096)], 0, 8)
    tabled = image(site, VOILUTSequence=[table])
    state = saved(save(client, tabled, window=None))
    got = shown_by_dcmtk(tmp_path, state, tabled)
    assert np.abs(got - VALUES // 16).max() <= 1


def test_who_may_save_and_what_is_refused(
    logged_in: Any, client: Client, site: Any, radiologist: Any, technician: Any, stranger: Any
) -> None:
    stored = image(site)
    assert save(client, stored).status_code == 401
    assert save(logged_in(technician), stored).status_code == 403
    assert save(logged_in(stranger), stored).status_code == 404
    reader = logged_in(radiologist)
    for wrong in (
        {"name": ""},
        {"name": "x" * 65},
        {"rotation": 45},
        {"area": [5, 5, 5, 9]},
        {"area": [0, 0, 1e9, 1]},
        {"window": {"center": 0, "width": 0}},
        {"sop_instance_uid": "1.2.3"},
        {"frame": 2},
    ):
        assert save(reader, stored, **wrong).status_code == 400, wrong
    assert not Instance.objects.filter(sop_class_uid=GREYSCALE).exists()
