"""What points come to, and in which unit: the same cases as the viewer's own modules."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from studies.annotations import kinds, measuring, outlines, scale, wording

SHARED = json.loads((Path(__file__).parents[1] / "measured.json").read_text())


@pytest.mark.parametrize("case", SHARED["cases"], ids=lambda one: f"{one['tool']}-{one['image']}")
def test_measurements_of_known_geometry(case: dict[str, Any]) -> None:
    document = SHARED["images"][case["image"]]
    drawn = case.get("calibration")
    calibration = (drawn["points"], drawn["mm"]) if drawn else None
    found = scale.scale_of(document, case.get("frame", 1), case["points"], calibration)
    assert found.refused == case.get("refused", False)
    said = measuring.expected(case["tool"], case["points"], found)
    wanted = case.get("says", {})
    assert {name: unit for name, (_, unit) in said.items()} == {
        name: unit for name, (_, unit) in wanted.items()
    }
    for name, (value, _) in wanted.items():
        assert said[name][0] == pytest.approx(value, abs=1e-3)
    assert found.at_detector == case.get("at_detector", False)


def test_values_fit_as_closely_as_rounding_allows() -> None:
    wanted = {"length": (8.544, "mm")}
    assert measuring.fits([{"name": "length", "value": 8.544, "unit": "mm"}], wanted)
    assert measuring.fits([{"name": "length", "value": 8.55, "unit": "mm"}], wanted)
    assert not measuring.fits([{"name": "length", "value": 8.6, "unit": "mm"}], wanted)
    assert not measuring.fits([{"name": "length", "value": 8.544, "unit": "px"}], wanted)
    assert not measuring.fits([], wanted)


def test_what_may_be_calibrated() -> None:
    found = [
        name for name, document in SHARED["images"].items() if scale.may_calibrate(document, 1)
    ]
    assert found == ["bare", "wide", "detector", "uncalibrated"]


def test_every_kind_has_sets_of_its_own_values() -> None:
    for kind in kinds.KINDS.values():
        for names in kind.needs:
            assert set(names) <= set(kind.values)


def test_words() -> None:
    def said(*values: tuple[str, float, str]) -> str:
        return wording.value_text({"name": n, "value": v, "unit": u} for n, v, u in values)

    assert said(("length", 12.34, "mm")) == "12.3 mm"
    assert said(("long_axis", 12.34, "mm"), ("short_axis", 8, "mm")) == "12.3 × 8.0 mm"
    assert said(("angle", 45, "deg")) == "45.0°"
    assert said(("area", 321.4, "mm2"), ("mean", 40.26, "HU"), ("min", 12, "HU")) == (
        "area 3.21 cm², mean 40.3 HU, min 12 HU"
    )
    assert said(("red", 1, ""), ("green", 2, ""), ("blue", 3, "")) == "RGB 1 2 3"
    assert said(("value", 3.456, "g/ml")) == "SUVbw 3.46 g/ml"
    assert said(("length", 45.4, "px")) == "45 px"


def test_outlines_are_closed_where_the_region_is() -> None:
    box = [[0, 0], [4, 2]]
    for tool in ("rectangle", "ellipse"):
        (line,) = outlines.lines_of(tool, box)
        assert line[0] == line[-1]
        assert {max(x for x, _ in line), min(x for x, _ in line)} == {4.0, 0.0}
    assert len(outlines.lines_of("cobb", [[0, 0], [1, 0], [0, 1], [1, 1]])) == 2
    assert outlines.lines_of("probe", [[3, 4]]) == [((3.0, 4.0),)]
