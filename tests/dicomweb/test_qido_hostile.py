"""No query string is a server error, and none finds what its user may not see."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studies.dicomweb.search.keys import BY_KEYWORD
from tests.dicomweb.asking import ct_file, store

pytestmark = pytest.mark.django_db(transaction=True)

OPTIONS = ["limit", "offset", "includefield", "fuzzymatching"]
OTHERS = ["00181000", "KVP", "AcquisitionDateTime", "ImageType", "SourceImageSequence"]
SIGNS = [*"*?-%_[]'\",=^\\٣\ud7ff", "--", "*a*b*c*d*e*f*", "[]", "[^a]*", "=*=", "ﷺ*", "İ*"]
WORDS = ["", "20260101-", "-2026", "20260101-20260202", "10-11", "CT,MR", "true", "all", "1e999"]
NUMBERS = ["0", "-0", "1" * 70, "9" * 40, "' OR 1=1 --"]
NAMES = st.one_of(st.sampled_from([*BY_KEYWORD, *OPTIONS, *OTHERS]), st.text(max_size=20))
VALUES = st.one_of(
    st.sampled_from([*SIGNS, *WORDS, *NUMBERS]), st.text(max_size=30), st.integers().map(str)
)


@given(
    level=st.sampled_from(["studies", "series", "instances"]),
    pairs=st.lists(st.tuples(NAMES, VALUES), max_size=5),
    raw=st.one_of(st.just(""), st.text(alphabet="&=%+;ab01*?", max_size=12)),
)
@settings(
    max_examples=250,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_any_query_string(asked: Any, level: str, pairs: list[tuple[str, str]], raw: str) -> None:
    query = "&".join(f"{quote(name)}={quote(value)}" for name, value in pairs)
    reply = asked.get(f"/dicom-web/{level}?{query}&{raw}")
    assert reply.status in {200, 400}, (query, reply.status)
    if reply.status == 200:
        assert {one["00100020"]["Value"][0] for one in reply.json} <= {"P-1"}
    else:
        assert len(reply.body) > 10


@pytest.fixture
def asked(client: Any, radiologist: Any, site: Any, other_site: Any) -> Any:
    store(site, ct_file())
    store(other_site, ct_file(PatientID="HIDDEN"))
    return client(radiologist)


@pytest.mark.parametrize(
    "query", ["PatientName=" + "*a" * 1500, "InstitutionName=" + "*a" * 1500, "KVP=" + "1" * 41]
)
def test_patterns_of_many_wildcards_are_quick(asked: Any, query: str) -> None:
    assert asked.get(f"/dicom-web/studies?{query}").status in {200, 400}


def test_a_pattern_of_many_wildcards_over_a_long_document(
    client: Any, radiologist: Any, site: Any
) -> None:
    store(site, ct_file(ImageComments="a" * 10_000))
    reply = client(radiologist).get(f"/dicom-web/studies?ImageComments={'*a' * 1000}*b")
    assert reply.json == []
