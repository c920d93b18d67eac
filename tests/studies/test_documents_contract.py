"""One suite over both homes of documents: the table, and MongoDB's protocol over a socket."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from studies import documents
from studies.dicom.matching import Matcher
from studies.dicom.overlay import Overlay
from studies.documents import mongo, reading, table
from studies.documents.document import Document
from studies.models import MetadataDocument
from tests.studies.mongo_homes import deliver_all, mongo_home

pytestmark = pytest.mark.django_db(transaction=True)

BODY = {
    "00080018": {"vr": "UI", "Value": ["1.1"]},
    "00081032": {
        "vr": "SQ",
        "Value": [{}, {"00080100": {"vr": "SH", "Value": ["$where", "a.b"]}}],
    },
    "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Müller^Jörg", "Ideographic": "王^小东"}]},
    "00180060": {"vr": "DS", "Value": [100.5, None, -3, 1e-7]},
    "00189004": {"vr": "CS"},
    "00189999": {"vr": "UV", "Value": [9007199254740993]},
    "00280010": {"vr": "US", "Value": [512]},
    "7FE00010": {"vr": "OW", "BulkDataURI": "x"},
}


@pytest.fixture(params=["table", "mongo"])
def home(request: Any, settings: Any) -> Iterator[Any]:
    """The module of the home; what was written is there after `settle()`."""
    if request.param == "table":
        yield table
        return
    with mongo_home(request.getfixturevalue("mongo_server"), settings):
        yield mongo


@pytest.fixture
def settle(home: Any) -> Callable[[], None]:
    return deliver_all if home is mongo else lambda: None


def document(site: Any, uid: str = "1.1.1.1", **values: Any) -> Document:
    body = values.pop("body", BODY)
    whole = {
        "site_id": site.pk,
        "study_instance_uid": "1.1",
        "series_instance_uid": "1.1.1",
        "sop_instance_uid": uid,
        "instance_number": None,
        "body": json.dumps(body, ensure_ascii=False, separators=(",", ":")),
    }
    return Document(**whole | values)


def test_written_is_read_again(home: Any, settle: Any, site: Any) -> None:
    documents.replace_many([document(site)])
    settle()
    assert home.get_many(site.pk, ["1.1.1.1", "1.9"]) == {"1.1.1.1": BODY}
    (text,) = home.texts_of_series(site.pk, "1.1", "1.1.1")
    assert json.loads(text) == BODY
    assert list(json.loads(text)) == list(BODY), "the order of elements stays"
    assert documents.instance_json(site.pk, "1.1.1.1") == f"[{text}]".encode()


def test_one_uid_at_two_sites(home: Any, settle: Any, site: Any, other_site: Any) -> None:
    here, there = {**BODY, "00081000": {"vr": "LO", "Value": ["h"]}}, BODY
    documents.replace_many([document(site, body=here), document(other_site, body=there)])
    settle()
    assert home.get_many(site.pk, ["1.1.1.1"]) == {"1.1.1.1": here}
    assert home.get_many(other_site.pk, ["1.1.1.1"]) == {"1.1.1.1": there}
    keys = {(site.pk, "1.1"), (other_site.pk, "1.1")}
    assert home.search({("00081000",): Matcher("", "h")}, 9, among=keys) == {(site.pk, "1.1")}
    assert len(home.texts_of_series(site.pk, "1.1", "1.1.1")) == 1


def test_replacing_is_idempotent(home: Any, settle: Any, site: Any) -> None:
    many = [document(site, f"1.1.1.{number}", instance_number=number) for number in range(60)]
    for _ in range(2):
        documents.replace_many(many)
        settle()
    newer = {"00080018": {"vr": "UI", "Value": ["new"]}}
    documents.replace_many([document(site, "1.1.1.7", instance_number=7, body=newer)])
    settle()
    texts = home.texts_of_series(site.pk, "1.1", "1.1.1")
    assert len(texts) == 60
    assert json.loads(texts[7]) == newer
    assert all(json.loads(text) == BODY for text in texts[:7] + texts[8:])


def test_order_of_a_series(home: Any, settle: Any, site: Any) -> None:
    def numbered(name: str, number: int | None) -> Document:
        body = {"00080018": {"vr": "UI", "Value": [name]}}
        return document(site, f"1.1.1.{name}", instance_number=number, body=body)

    documents.replace_many(
        [numbered("10", 10), numbered("2", 2), numbered("none", None), numbered("2b", 2)]
    )
    documents.replace_many([numbered("-1", -1)])
    settle()
    found = [
        json.loads(text)["00080018"]["Value"][0]
        for text in home.texts_of_series(site.pk, "1.1", "1.1.1")
    ]
    assert found == ["none", "-1", "2", "2b", "10"]


def test_first_of_each_level(home: Any, settle: Any, site: Any) -> None:
    def at(series: str, image: str) -> Document:
        body = {"00080018": {"vr": "UI", "Value": [f"{series}-{image}"]}}
        where = {"series_instance_uid": f"1.1.{series}", "body": body}
        return document(site, f"1.1.{series}.{image}", **where)

    documents.replace_many([at("2", "9"), at("2", "1"), at("1", "5"), at("1", "4")])
    settle()

    def name(*key: str) -> Any:
        whole = (site.pk, *key)
        return home.first_of_each([whole])[whole]["00080018"]["Value"][0]

    assert name("1.1") == "2-9"
    assert name("1.1", "1.1.1") == "1-5"
    assert name("1.1", "1.1.2", "1.1.2.1") == "2-1"
    assert home.first_of_each([(site.pk, "1.2")]) == {}
    both = [(site.pk, "1.1", "1.1.1"), (site.pk, "1.1", "1.1.2")]
    assert home.first_of_each(both).keys() == set(both)


def test_search_by_tags(home: Any, settle: Any, site: Any) -> None:
    made = []
    for study in ("1", "2"):
        for image, code in (("1", "A"), ("2", "B")):
            body = {
                "00180060": {"vr": "DS", "Value": [int(study) * 100, None]},
                "00081032": {
                    "vr": "SQ",
                    "Value": [{}, {"00080100": {"vr": "SH", "Value": [code]}}],
                },
                "00189004": {"vr": "CS"},
            }
            uids = {"study_instance_uid": f"1.{study}", "series_instance_uid": f"1.{study}.1"}
            made.append(document(site, f"1.{study}.1.{image}", body=body, **uids))
    documents.replace_many(made)
    settle()
    one, two = (site.pk, "1.1"), (site.pk, "1.2")
    kvp, code = ("00180060",), ("00081032", "00080100")

    def search(limit: int = 9, among: Any = frozenset({one, two}), **_: Any) -> Any:
        return home.search(query, limit, among=among)

    query: dict[tuple[str, ...], Any] = {kvp: Matcher("DS", "100")}
    assert search() == {one}
    query = {kvp: Matcher("DS", "200"), code: Matcher("", "B")}
    assert search() == {two}
    images = {(site.pk, "1.2", "1.2.1", "1.2.1.1"), (site.pk, "1.2", "1.2.1", "1.2.1.2")}
    assert search(among=images) == {(site.pk, "1.2", "1.2.1", "1.2.1.2")}
    assert search(among={(site.pk, "1.2", "1.2.1")}) == {(site.pk, "1.2", "1.2.1")}
    query = {("00189004",): Matcher("", "*")}
    assert search() == set()
    query = {code: Matcher("", "A")}
    assert len(search(limit=1)) == 1
    assert search(among={two}) == {two}
    assert search(among=set()) == set()


def test_corrections_are_what_is_said_and_found(home: Any, settle: Any, site: Any) -> None:
    """Laid over, taken off, and moved: text, search and first document follow."""
    documents.replace_many([document(site), document(site, "1.1.1.2", instance_number=2)])
    settle()
    name = ("00100010",)
    key = {(site.pk, "1.1")}
    overlay = Overlay({0x00100010: "Right^Name"}, frozenset({0x00280010}), "20260101120000")
    documents.lay(site.pk, "1.1", "1.1.1", overlay)
    settle()
    for text in home.texts_of_series(site.pk, "1.1", "1.1.1"):
        said = json.loads(text)
        assert said["00100010"]["Value"] == [{"Alphabetic": "Right^Name"}]
        assert "00280010" not in said
        assert said["04000561"]["Value"][0]["04000550"]["Value"][0]["00280010"]["Value"] == [512]
    assert home.search({name: Matcher("PN", "Right^Name")}, 9, among=key) == key
    assert home.search({name: Matcher("PN", "Müller*")}, 9, among=key) == set()
    assert home.search({("00280010",): Matcher("", "512")}, 9, among=key) == set()
    first = home.first_of_each(key)[(site.pk, "1.1")]
    assert first["00100010"]["Value"] == [{"Alphabetic": "Right^Name"}]

    documents.lay(site.pk, "1.1", "1.1.1", None)
    documents.move(site.pk, ["1.1.1.2"], "1.7")
    settle()
    assert [json.loads(text) for text in home.texts_of_series(site.pk, "1.1", "1.1.1")] == [BODY]
    assert [json.loads(text) for text in home.texts_of_series(site.pk, "1.7", "1.1.1")] == [BODY]
    assert home.search({name: Matcher("PN", "Right^Name")}, 9, among=key) == set()
    assert home.count_of_keys([(site.pk, "1.1")]) == home.count_of_keys([(site.pk, "1.7")]) == 1


def test_more_than_one_slice(home: Any, settle: Any, site: Any) -> None:
    """Beyond the size of one statement, one bulk and one page of keys."""
    body = {"00180060": {"vr": "DS", "Value": [1]}}
    made = []
    for number in range(520):
        uids = {"study_instance_uid": f"1.{number}", "series_instance_uid": f"1.{number}.1"}
        made.append(document(site, f"1.{number}.1.1", body=body, **uids))
    documents.replace_many(made)
    settle()
    keys = {(site.pk, f"1.{number}") for number in range(520)}
    assert home.search({("00180060",): Matcher("DS", "1")}, 1000, among=keys) == keys
    assert home.first_of_each(keys).keys() == keys
    assert home.count_of_keys(keys) == 520
    assert len(home.get_many(site.pk, [f"1.{number}.1.1" for number in range(520)])) == 520


def test_the_door_gives_what_the_home_has(home: Any, settle: Any, site: Any) -> None:
    """Nothing but MongoDB is asked where it serves: what only it says is what is answered."""
    documents.replace_many([document(site)])
    settle()
    if home is mongo:
        MetadataDocument.objects.update(body="{}", instance_number=5)
    assert documents.get_many(site.pk, ["1.1.1.1"]) == {"1.1.1.1": BODY}
    assert [json.loads(text) for text in reading.texts_of_series(site.pk, "1.1", "1.1.1")] == [BODY]
    key = {(site.pk, "1.1")}
    assert documents.search({("00280010",): Matcher("", "512")}, 9, among=key) == key
    assert documents.first_of_each(key)[(site.pk, "1.1")] == BODY
