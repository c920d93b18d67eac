"""Search over the metadata documents."""

from __future__ import annotations

import json
from typing import Any

import pytest

from studies import documents
from studies.dicom.matching import Matcher
from studies.documents import Document


@pytest.fixture
def stored(site: Any, other_site: Any) -> dict[str, int]:
    """Studies 1 and 2 of two series of two images each, the same UIDs at both sites."""
    made = []
    for at in (site, other_site):
        for study in "12":
            for series in "12":
                for image in "12":
                    uid = f"1.{study}.{series}.{image}"
                    body = {
                        "00080018": {"vr": "UI", "Value": [uid]},
                        "00180060": {"vr": "DS", "Value": [int(series) * 100, None]},
                        "00189004": {"vr": "CS"},
                        "00081032": {
                            "vr": "SQ",
                            "Value": [{}, {"00080100": {"vr": "SH", "Value": [image]}}],
                        },
                        "00081000": {"vr": "LO", "Value": [at.slug]},
                    }
                    made.append(
                        Document(
                            at.pk, f"1.{study}", f"1.{study}.{series}", uid, 1, json.dumps(body)
                        )
                    )
    documents.replace_many(made)
    return {"site": site.pk, "other": other_site.pk}


def search(among: Any, limit: int = 100, **wanted: str) -> set[Any]:
    query = {
        tuple(path.removeprefix("t").split("_")): Matcher("DS" if path == "t00180060" else "", text)
        for path, text in wanted.items()
    }
    return documents.search(query, limit, among=among)


def test_keys_of_each_level(stored: dict[str, int]) -> None:
    at = stored["site"]
    assert search({(at, "1.1"), (at, "1.9")}, t00180060="100") == {(at, "1.1")}
    series = {(at, "1.1", "1.1.1"), (at, "1.1", "1.1.2"), (at, "1.2", "1.2.1")}
    assert search(series, t00180060="200") == {(at, "1.1", "1.1.2")}
    images = {(at, "1.1", "1.1.1", "1.1.1.1"), (at, "1.1", "1.1.1", "1.1.1.2")}
    assert search(images, t00081032_00080100="2") == {(at, "1.1", "1.1.1", "1.1.1.2")}


def test_only_the_keys_given_are_found(stored: dict[str, int]) -> None:
    at = stored["site"]
    assert search({(at, "1.1", "1.1.1")}, t00081000="*") == {(at, "1.1", "1.1.1")}
    assert search({(at, "1.1")}, t00081000="north") == set()
    both = {(at, "1.1"), (stored["other"], "1.1")}
    assert search(both, t00081000="north") == {(stored["other"], "1.1")}
    assert search(set(), t00081000="*") == set()


def test_one_document_matches_all_paths(stored: dict[str, int]) -> None:
    key = (stored["site"], "1.1")
    assert search({key}, t00180060="100", t00081032_00080100="2") == {key}
    assert search({key}, t00180060="300", t00081032_00080100="2") == set()


def test_absent_and_empty_match_nothing(stored: dict[str, int]) -> None:
    key = (stored["site"], "1.1")
    assert search({key}, t00189004="*") == set()
    assert search({key}, t00189999="*") == set()
    assert search({key}, t00081000_00080100="*") == set()


def test_the_limit_ends_it(stored: dict[str, int]) -> None:
    keys = {(stored["site"], "1.1"), (stored["site"], "1.2")}
    assert len(search(keys, 1, t00081000="*")) == 1


def test_the_first_of_each(stored: dict[str, int]) -> None:
    at = stored["site"]
    keys = [(at, "1.1"), (at, "1.2"), (at, "1.9")]
    found = documents.first_of_each(keys)
    assert {key: body["00080018"]["Value"][0] for key, body in found.items()} == {
        (at, "1.1"): "1.1.1.1",
        (at, "1.2"): "1.2.1.1",
    }
    (body,) = documents.first_of_each([(at, "1.2", "1.2.2")]).values()
    assert body["00080018"]["Value"] == ["1.2.2.1"]
