"""Measurements and key images: who keeps them, where, and what the answers are."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from django.test import Client

from pacs.accounts.models import Role
from pacs.audit.models import AuditEvent
from pacs.events.models import SiteEvent
from studies import documents
from studies.annotations import kinds
from studies.documents import Document
from studies.models import Instance, KeyImage, Measurement, Series, StudyGrant
from tests.conftest import person

pytestmark = pytest.mark.django_db
JSON = "application/json"
KINDS = ("measurements", "key-images")
MODELS = {"measurements": Measurement, "key-images": KeyImage}


@pytest.fixture
def image(study: Any) -> Instance:
    series = Series.objects.create(study=study, series_instance_uid="1.2.3.4", series_number=3)
    return Instance.objects.create(
        site=study.site,
        series=series,
        sop_instance_uid="1.2.3.4.5",
        sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        instance_number=42,
        number_of_frames=2,
        archive_key="a",
        file_size=1,
        file_sha256="0" * 64,
        content_digest="0" * 64,
        dataset_digest="0" * 64,
        source="test",
    )


def body(kind: str = "measurements", **changes: Any) -> dict[str, Any]:
    place = {"series_instance_uid": "1.2.3.4", "sop_instance_uid": "1.2.3.4.5", "frame": 1}
    own: dict[str, Any] = {
        "measurements": {
            "tool": "length",
            "points": [[1, 2], [4, 6]],
            "values": [{"name": "length", "value": 12.34, "unit": "mm"}],
        },
        "key-images": {"window_center": 40, "window_width": 400, "caption": "Nodule"},
    }[kind]
    return {**place, **own, **changes}


def path(study: Any, kind: str, key: Any = "") -> str:
    return f"/api/studies/{study.pk}/{kind}/{f'{key}/' if key else ''}"


def put(client: Client, study: Any, kind: str, key: Any, content: Any) -> Any:
    return client.put(path(study, kind, key), content, JSON)


@pytest.mark.parametrize("kind", KINDS)
def test_kept_listed_changed_removed(
    logged_in: Any, radiologist: Any, study: Any, image: Instance, kind: str
) -> None:
    client, key = logged_in(radiologist), uuid.uuid4()
    assert put(client, study, kind, key, body(kind)).status_code == 201
    # The answer was lost: the same again is the same row, and no second line of the trail.
    assert put(client, study, kind, key, body(kind)).status_code == 200
    name = kind.replace("-", "_")
    listed = client.get(path(study, kind)).json()[name]
    assert [row["id"] for row in listed] == [str(key)]
    assert (listed[0]["series_number"], listed[0]["instance_number"]) == (3, 42)
    assert (listed[0]["author"]["name"], listed[0]["frames"]) == ("radiologist", 2)
    assert put(client, study, kind, key, body(kind, frame=2)).json()["frame"] == 2
    assert client.delete(path(study, kind, key)).status_code == 204
    assert client.delete(path(study, kind, key)).status_code == 204
    assert client.get(path(study, kind)).json()[name] == []
    # Reports may name it: the row stays.
    assert MODELS[kind].objects.get(pk=key).removed_at is not None
    assert put(client, study, kind, key, body(kind)).status_code == 409
    actions = list(AuditEvent.objects.filter(study_id=study.pk).values_list("action", flat=True))
    one = "measurement" if kind == "measurements" else "key_image"
    kept = [each for each in actions if each.startswith(one)]
    assert kept == [f"{one}.saved", f"{one}.changed", f"{one}.removed"]
    assert SiteEvent.objects.filter(type="annotation.changed", study_id=study.pk).count() == 3


@pytest.mark.parametrize("kind", KINDS)
def test_who_may(
    logged_in: Any,
    radiologist: Any,
    technician: Any,
    referrer: Any,
    stranger: Any,
    study: Any,
    image: Instance,
    kind: str,
) -> None:
    key = uuid.uuid4()
    put(logged_in(radiologist), study, kind, key, body(kind))
    StudyGrant.objects.create(study=study, user=referrer, granted_by=radiologist)
    for user, see, do in ((technician, 200, 403), (referrer, 403, 403), (stranger, 404, 404)):
        client = logged_in(user)
        assert client.get(path(study, kind)).status_code == see
        assert put(client, study, kind, uuid.uuid4(), body(kind)).status_code == do
        assert client.delete(path(study, kind, key)).status_code == do
    nobody = Client()
    assert nobody.get(path(study, kind)).status_code == 401
    assert put(nobody, study, kind, key, body(kind)).status_code == 401
    assert nobody.delete(path(study, kind, key)).status_code == 401
    assert MODELS[kind].objects.filter(removed_at=None).count() == 1


def test_a_colleague_may_remove_but_not_change(
    logged_in: Any, radiologist: Any, site: Any, study: Any, image: Instance
) -> None:
    key = uuid.uuid4()
    put(logged_in(radiologist), study, "measurements", key, body())
    client = logged_in(person("colleague", site, Role.RADIOLOGIST))
    moved = body(points=[[0, 0], [9, 9]])
    assert put(client, study, "measurements", key, moved).status_code == 409
    assert client.delete(path(study, "measurements", key)).status_code == 204


@pytest.mark.parametrize("kind", KINDS)
def test_an_id_of_another_study_changes_nothing(
    logged_in: Any,
    radiologist: Any,
    site: Any,
    study: Any,
    image: Instance,
    make_study: Any,
    kind: str,
) -> None:
    client, key, other = logged_in(radiologist), uuid.uuid4(), make_study(site)
    put(client, study, kind, key, body(kind))
    assert put(client, other, kind, key, body(kind)).status_code == 400
    assert client.delete(path(other, kind, key)).status_code == 404
    assert MODELS[kind].objects.get(pk=key).study_id == study.pk


@pytest.mark.parametrize(
    "changes",
    [
        {"sop_instance_uid": "9.9"},
        {"series_instance_uid": "9.9"},
        {"frame": 3},
        {"frame": 0},
        {"points": []},
        {"points": [[1]]},
        {"points": [[1, 2]] * 257},
        {"points": [[1e9, 2], [3, 4]]},
        {"points": "x"},
        {"values": [{"name": "length", "value": 1, "unit": "furlong"}]},
        {"values": [{"name": "<b>", "value": 1, "unit": "mm"}]},
        {"values": [{"name": "length", "value": None, "unit": "mm"}]},
        {"values": [{"name": "length", "value": 1, "unit": "mm"}] * 9},
        {"values": []},
        {"values": [{"name": "area", "value": 1, "unit": "mm2"}]},
        {"values": [{"name": "length", "value": 1, "unit": "mm2"}]},
        {"points": [[1, 2], [3, 4], [5, 6]]},
        {"tool": "angle"},
        {"tool": "text", "points": [[1, 2]], "values": [], "label": " "},
        {"calibration": str(uuid.uuid4())},
        {"tool": "calibration", "values": [{"name": "length", "value": 0, "unit": "mm"}]},
        {"tool": "<script>"},
        {"label": "x" * 121},
    ],
)
def test_what_makes_no_sense(
    logged_in: Any, radiologist: Any, study: Any, image: Instance, changes: dict[str, Any]
) -> None:
    answer = put(logged_in(radiologist), study, "measurements", uuid.uuid4(), body(**changes))
    assert answer.status_code == 400, answer.content
    assert not Measurement.objects.exists()


@pytest.mark.parametrize(
    "changes", [{"window_width": 0}, {"window_width": -1}, {"caption": "x" * 201}, {"frame": 3}]
)
def test_a_key_image_that_makes_no_sense(
    logged_in: Any, radiologist: Any, study: Any, image: Instance, changes: dict[str, Any]
) -> None:
    content = body("key-images", **changes)
    answer = put(logged_in(radiologist), study, "key-images", uuid.uuid4(), content)
    assert answer.status_code == 400


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e400"])
def test_numbers_that_are_none(
    logged_in: Any, radiologist: Any, study: Any, image: Instance, number: str
) -> None:
    client = logged_in(radiologist)
    place = '"series_instance_uid": "1.2.3.4", "sop_instance_uid": "1.2.3.4.5"'
    key_image = f'{{{place}, "window_center": {number}, "window_width": 1}}'
    length = f'{{{place}, "tool": "length", "values": [], "points": [[{number}, 1], [2, 3]]}}'
    for kind, text in (("key-images", key_image), ("measurements", length)):
        answer = client.put(path(study, kind, uuid.uuid4()), text, JSON)
        assert answer.status_code == 400, answer.content


def test_a_body_that_is_none(logged_in: Any, radiologist: Any, study: Any, image: Instance) -> None:
    client = logged_in(radiologist)
    for text in ("[]", "null", "{", '"x"'):
        answer = client.put(path(study, "measurements", uuid.uuid4()), text, JSON)
        assert answer.status_code == 400


REGION = [
    {"name": name, "value": value, "unit": unit}
    for name, value, unit in [
        ("area", 50, "mm2"),
        ("mean", 40.5, "HU"),
        ("sd", 3, "HU"),
        ("min", -5, "HU"),
        ("max", 80, "HU"),
    ]
]
EACH_TOOL = {
    "length": ([[0, 0], [3, 4]], [{"name": "length", "value": 5, "unit": "px"}]),
    "bidirectional": (
        [[0, 0], [6, 8], [6, 1], [0, 9]],
        [
            {"name": "long_axis", "value": 10, "unit": "px"},
            {"name": "short_axis", "value": 10, "unit": "px"},
        ],
    ),
    "angle": ([[0, 4], [0, 0], [3, 0]], [{"name": "angle", "value": 90, "unit": "deg"}]),
    "cobb": ([[0, 0], [1, 0], [2, 2], [3, 3]], [{"name": "angle", "value": 45, "unit": "deg"}]),
    "ellipse": ([[0, 0], [9, 9]], REGION),
    "rectangle": ([[0, 0], [9, 9]], [{"name": "area", "value": 81, "unit": "px2"}]),
    "freehand": ([[0, 0], [9, 0], [9, 9]] * 80, REGION),
    "probe": ([[2, 2]], [{"name": "value", "value": -12, "unit": "HU"}]),
    "arrow": ([[0, 0], [9, 9]], []),
    "text": ([[0, 0]], []),
    "calibration": ([[0, 0], [9, 0]], [{"name": "length", "value": 25.4, "unit": "mm"}]),
}


@pytest.mark.parametrize("tool", EACH_TOOL)
def test_each_tool_is_kept(
    logged_in: Any, radiologist: Any, study: Any, image: Instance, tool: str
) -> None:
    points, values = EACH_TOOL[tool]
    content = body(tool=tool, points=points, values=values, label="Here")
    client, key = logged_in(radiologist), uuid.uuid4()
    answer = put(client, study, "measurements", key, content)
    assert answer.status_code == 201, answer.content
    (row,) = client.get(path(study, "measurements")).json()["measurements"]
    assert (row["tool"], row["points"], row["label"]) == (tool, points, "Here")
    assert [one["name"] for one in row["values"]] == [one["name"] for one in values]
    assert set(EACH_TOOL) == set(kinds.KINDS)


def document_of(study: Any, **elements: Any) -> None:
    """What the archive knows of the image."""
    body = {tag: {"vr": "DS", "Value": value} for tag, value in elements.items()}
    documents.replace_many(
        [
            Document(
                site_id=study.site_id,
                sop_instance_uid="1.2.3.4.5",
                study_instance_uid=study.study_instance_uid,
                series_instance_uid="1.2.3.4",
                instance_number=42,
                body=json.dumps(body),
            )
        ]
    )


def test_values_must_follow_from_the_points(
    logged_in: Any, radiologist: Any, study: Any, image: Instance
) -> None:
    document_of(study, **{"00280030": [2, 2]})
    client = logged_in(radiologist)

    def said(value: float, unit: str = "mm", **more: Any) -> Any:
        values = [{"name": "length", "value": value, "unit": unit}]
        return put(
            client, study, "measurements", uuid.uuid4(), body(values=values, **more)
        ).status_code

    assert said(10) == 201
    assert said(10.004) == 201
    assert said(12.3) == 400
    assert said(5, "px") == 400
    # Nobody's word makes it the detector's, and no calibration is kept where there is a spacing.
    key = uuid.uuid4()
    values = [{"name": "length", "value": 10, "unit": "mm"}]
    content = body(values=values, at_detector=True)
    assert put(client, study, "measurements", key, content).json()["at_detector"] is False
    assert said(25, tool="calibration") == 400


def test_calibrated_by_a_reader(
    logged_in: Any, radiologist: Any, site: Any, study: Any, image: Instance
) -> None:
    document_of(study, **{"00080060": ["OT"]})
    client, ball, key = logged_in(radiologist), uuid.uuid4(), uuid.uuid4()
    known = {"tool": "calibration", "points": [[0, 0], [100, 0]]}
    values = [{"name": "length", "value": 25, "unit": "mm"}]
    assert put(client, study, "measurements", ball, body(values=values, **known)).status_code == 201
    content = body(
        points=[[0, 0], [30, 40]],
        values=[{"name": "length", "value": 12.5, "unit": "mm"}],
        calibration=str(ball),
    )
    other = logged_in(person("colleague", site, Role.RADIOLOGIST))
    kept = put(other, study, "measurements", key, content)
    assert kept.status_code == 201, kept.content
    assert kept.json()["calibrated_by"] == "radiologist"
    assert kept.json()["calibration"] == str(ball)
    # As long as something is measured with it, it stays as it is.
    assert client.delete(path(study, "measurements", ball)).status_code == 409
    longer = [{"name": "length", "value": 50, "unit": "mm"}]
    assert put(client, study, "measurements", ball, body(values=longer, **known)).status_code == 409
    assert client.delete(path(study, "measurements", key)).status_code == 204
    assert client.delete(path(study, "measurements", ball)).status_code == 204
    assert put(other, study, "measurements", uuid.uuid4(), content).status_code == 400


def test_what_was_removed_is_brought_back_as_it_was(
    logged_in: Any, radiologist: Any, site: Any, study: Any, image: Instance
) -> None:
    client, key = logged_in(radiologist), uuid.uuid4()
    colleague = logged_in(person("colleague", site, Role.RADIOLOGIST))
    put(client, study, "measurements", key, body())
    colleague.delete(path(study, "measurements", key))
    moved = body(points=[[0, 0], [9, 9]], restore=True)
    assert put(colleague, study, "measurements", key, moved).status_code == 409
    again = put(colleague, study, "measurements", key, body(restore=True))
    assert again.status_code == 200
    assert again.json()["author"]["name"] == "radiologist"
    assert put(colleague, study, "measurements", key, body(restore=True)).status_code == 200
    client.delete(path(study, "measurements", key))
    assert put(client, study, "measurements", key, moved).status_code == 200
    # Undone before it was saved, and done again: made, once.
    fresh = uuid.uuid4()
    assert put(client, study, "measurements", fresh, body(restore=True)).status_code == 201
    kept = AuditEvent.objects.filter(study_id=study.pk, action__startswith="measurement")
    assert list(kept.values_list("action", flat=True)) == [
        "measurement.saved",
        "measurement.removed",
        "measurement.restored",
        "measurement.removed",
        "measurement.restored",
        "measurement.changed",
        "measurement.saved",
    ]
