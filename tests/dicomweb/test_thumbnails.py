"""Thumbnails at every level, and what stands for a series and a study."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from studies.models import Series
from studies.services import thumbnails
from tests.dicomweb.asking import ct_file, store

pytestmark = pytest.mark.django_db(transaction=True)
SECOND = "1.2.826.0.1.3680043.10.9.1.2"


def test_what_stands_for_what(client: Any, radiologist: Any, site: Any) -> None:
    scout = store(site, ct_file(seed=9, series=SECOND, SeriesNumber=0))
    slices = [store(site, ct_file(number=n, seed=n)) for n in (3, 1, 2)]
    asking = client(radiologist)
    middle = asking.get(slices[2].path + "/thumbnail").body
    assert (
        asking.get(scout.series_path + "/thumbnail").body
        == asking.get(scout.path + "/thumbnail").body
    )
    assert asking.get(scout.series_path + "/thumbnail").body != middle
    assert asking.get(slices[0].series_path + "/thumbnail").body == middle
    assert asking.get(scout.study_path + "/thumbnail").body == middle


def test_frames(client: Any, radiologist: Any, site: Any) -> None:
    cine = store(site, ct_file(frames=3))
    asking = client(radiologist)
    bodies = [asking.get(f"{cine.path}/frames/{n}/thumbnail").body for n in (1, 2, 3)]
    assert len(set(bodies)) == 3
    assert asking.get(cine.path + "/thumbnail").body == bodies[1]
    assert asking.get(cine.path + "/frames/4/thumbnail").status == 404
    assert asking.get(cine.path + "/frames/x/thumbnail").status == 400


@pytest.mark.parametrize(
    ("viewport", "size"),
    [("60,60", (60, 60)), ("100,30", (30, 30)), ("200,200", (200, 200)), ("5000,5000", (300, 300))],
)
def test_it_fits_the_viewport(
    client: Any, radiologist: Any, site: Any, viewport: str, size: Any
) -> None:
    file = store(site, ct_file(size=300))
    reply = client(radiologist).get(f"{file.path}/thumbnail?viewport={viewport}")
    assert Image.open(BytesIO(reply.body)).size == size


@pytest.mark.parametrize(
    "viewport", ["x", "0,5", "5", "1,2,3,4", "10,10,1,1,5,5", "999999999,1", "9999,9999"]
)
def test_bad_viewports(client: Any, radiologist: Any, ct: Any, viewport: str) -> None:
    assert client(radiologist).get(f"{ct.path}/thumbnail?viewport={viewport}").status == 400


def test_only_jpeg(client: Any, radiologist: Any, ct: Any) -> None:
    asking = client(radiologist)
    assert asking.get(ct.path + "/thumbnail", headers={"accept": "image/png"}).status == 406
    assert asking.get(ct.path + "/thumbnail", headers={"accept": "image/*"}).status == 200


def test_no_image_at_all(client: Any, radiologist: Any, site: Any, test_file: Any) -> None:
    report = store(site, test_file("reportsi.dcm"))
    asking = client(radiologist)
    assert asking.get(report.study_path + "/thumbnail").status == 200  # an icon
    assert asking.get(report.study_path + "/rendered").status == 404
    assert asking.get(f"{report.study_path}/series/1.2.3/thumbnail").status == 404


def test_made_ahead_is_what_is_asked_for(site: Any, ct: Any) -> None:
    series = Series.objects.get()
    thumbnails.make_for_series(series)
    found = thumbnails.representative(ct.study_pk, ct.series)
    assert found is not None
    assert thumbnails.kept(found[0]) is not None
