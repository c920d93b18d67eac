"""Search over report texts: what is found, by whom, and what a query cannot do."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client

from pacs.audit.models import AuditEvent
from reports.models import ReportState
from reports.search import table, words
from reports.search.find import Filters, search
from reports.search.snippets import snippet
from tests.reports.factories_find import grant, signed

pytestmark = pytest.mark.django_db
PATH = "/reports/search/"


def ids(who: Any, query: str, **options: Any) -> list[int]:
    return [hit.report.pk for hit in search(who, query, **options).hits]


@pytest.fixture
def texts(study: Any, site: Any, other_study: Any, radiologist: Any, stranger: Any,
          make_study: Any) -> dict[str, Any]:  # fmt: skip
    return {
        "nodule": signed(study, radiologist, "A pulmonary nodule of 12 mm. Pneumothorax left."),
        "umlaut": signed(make_study(site), radiologist, "Größe der Schilddrüse: müßig. Café Łódź"),
        "japanese": signed(make_study(site), radiologist, "右肺に結節を認める。"),
        "elsewhere": signed(other_study, stranger, "A pulmonary nodule at the other site."),
    }


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("nodule", ["nodule"]),
        ("NODULE pulmonary", ["nodule"]),
        ("pneumo", ["nodule"]),
        ("thorax", []),
        ('"pulmonary nodule"', ["nodule"]),
        ('"nodule pulmonary"', []),
        ("nodule -pneumothorax", []),
        ('nodule -"pulmonary mass"', ["nodule"]),
        ("-nodule", []),
        ("grosse", ["umlaut"]),
        ("GRÖSSE", ["umlaut"]),
        ("lodz cafe", ["umlaut"]),
        ("müssig", ["umlaut"]),
        ("結節", ["japanese"]),
        ("節結", []),
        ("12", ["nodule"]),
        ("", []),
        ("...", []),
    ],
)
def test_what_a_query_finds(
    texts: dict[str, Any], radiologist: Any, query: str, found: list[str]
) -> None:
    assert ids(radiologist, query) == [texts[name].report_id for name in found]


HOSTILE = [
    '"', "'", "*", "a*", "^a", "(", ")", "NEAR(a b)", "a AND", "OR", "NOT", "words:x", "site : 1",
    "{words site}: a", "a:*", "a & b", "a | !b", "<->", "\\", "\\'", "a\x00b", "'; DROP TABLE x;--",
    '"a" OR site : ("2")', "-", "--", '-"', "\ufeff", "\u202e", "%s", "%", "@1", "'@2'", "+" * 500,
    "(" * 400, '"x ' * 100, "ﬁ", "½", "e\u0301", "\ud83d\ude00",
]  # fmt: skip


@pytest.mark.parametrize("query", HOSTILE)
def test_hostile_queries_find_nothing_of_others(
    texts: dict[str, Any], radiologist: Any, query: str
) -> None:
    found = ids(radiologist, query)
    assert texts["elsewhere"].report_id not in found
    with_word = ids(radiologist, f"nodule {query}"[:400])
    assert texts["elsewhere"].report_id not in with_word


def test_each_sees_their_own(
    texts: dict[str, Any], study: Any, radiologist: Any, technician: Any, referrer: Any,
    stranger: Any, admin: Any,
) -> None:  # fmt: skip
    here, there = texts["nodule"].report_id, texts["elsewhere"].report_id
    assert ids(radiologist, "nodule") == ids(technician, "nodule") == [here]
    assert ids(stranger, "nodule") == [there]
    assert ids(admin, "nodule") == [there, here]
    # Counts tell nothing of what is hidden.
    assert search(stranger, "pneumothorax").count == 0
    assert search(referrer, "nodule").count == 0
    assert search(None, "nodule").count == 0
    grant(study, referrer, radiologist)
    assert ids(referrer, "nodule") == [here]


def test_versions_and_states(
    study: Any, site: Any, make_study: Any, radiologist: Any, referrer: Any
) -> None:
    grant(study, referrer, radiologist)
    first = signed(study, radiologist, "Perhaps an abscess.", kind="preliminary")
    report = first.report
    assert (ids(radiologist, "abscess"), ids(referrer, "abscess")) == ([report.pk], [])
    signed(study, radiologist, "An angioma.", report=report)
    # What was preliminary no longer counts.
    assert ids(radiologist, "abscess") == ids(referrer, "abscess") == []
    assert ids(referrer, "angioma") == [report.pk]
    signed(study, radiologist, "Also a lipoma.", report=report, kind="addendum")
    assert ids(referrer, "lipoma") == ids(referrer, "angioma lipoma") == [report.pk]
    signed(study, radiologist, "wrong patient", report=report, kind="withdrawal")
    assert ids(referrer, "angioma") == []
    (hit,) = search(radiologist, "angioma").hits
    assert hit.report.state == ReportState.WITHDRAWN


def test_filters(texts: dict[str, Any], study: Any, site: Any, admin: Any) -> None:
    from datetime import date

    here, there = texts["nodule"].report_id, texts["elsewhere"].report_id
    study.study_day = date(2026, 3, 1)
    study.modalities = "CT/SR"
    study.save()
    assert ids(admin, "nodule", filters=Filters(site=site.pk)) == [here]
    assert ids(admin, "nodule", filters=Filters(modality="SR")) == [here]
    days = Filters(first_day=date(2026, 3, 1), last_day=date(2026, 3, 1))
    assert ids(admin, "nodule", filters=days) == [here]
    assert ids(admin, "nodule", filters=Filters(first_day=date(2026, 3, 2))) == []
    assert ids(admin, "nodule", filters=Filters(state="final")) == [there, here]
    assert ids(admin, "nodule", limit=1, offset=1) == [here]
    assert search(admin, "nodule", limit=1).count == 2


def test_many_are_counted_up_to_a_limit(
    texts: dict[str, Any], admin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from reports.search import find

    monkeypatch.setattr(find, "MOST_COUNTED", 1)
    found = search(admin, "nodule", limit=1)
    assert (found.count, found.is_more, len(found.hits)) == (1, True, 1)


def test_snippets_mark_the_words_as_written() -> None:
    text = "Vorher. " * 40 + "Die Größe des Herdes beträgt 5 mm. " + "Danach. " * 60
    pieces = snippet(text, words.parse("grosse"))
    assert [piece.text for piece in pieces if piece.is_hit] == ["Größe"]
    assert pieces[0].text == pieces[-1].text == "…"
    assert len("".join(piece.text for piece in pieces)) < 320
    assert [p.text for p in snippet("a b a c", words.parse('"a c"')) if p.is_hit] == ["a", "c"]
    assert [p.text for p in snippet("<script>x</script>", words.parse("nothing"))] == [
        "<script>x</script>"
    ]


def test_rebuilding(texts: dict[str, Any], radiologist: Any, capsys: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {table.NAME}")
    assert ids(radiologist, "nodule") == []
    call_command("index_reports")
    assert "4 reports indexed" in capsys.readouterr().out
    assert ids(radiologist, "nodule") == [texts["nodule"].report_id]


def test_a_long_text_is_indexed(study: Any, radiologist: Any) -> None:
    made = signed(study, radiologist, "word " * 20_000 + "last " + "x" * 5000)
    assert ids(radiologist, "last") == [made.report_id]
    assert words.to_tsvector(["a", "b", "a"], 3) == "'a':1,3 'b':2 '@3'"


def test_page(logged_in: Any, texts: dict[str, Any], radiologist: Any) -> None:
    client = logged_in(radiologist)
    assert "Search the texts of reports" in client.get(PATH).content.decode()
    page = client.post(PATH, {"q": "nodule"}).content.decode()
    assert "<mark>nodule</mark>" in page
    assert f'data-hit="{texts["nodule"].report_id}"' in page
    fragment = client.post(PATH, {"q": "nodule"}, headers={"HX-Request": "true"})
    assert "<html" not in fragment.content.decode()
    assert "No report says this" in client.post(PATH, {"q": "xylophone"}).content.decode()
    assert "Enter a word" in client.post(PATH, {"q": "-nodule"}).content.decode()
    read = AuditEvent.objects.filter(action="reports.searched").first()
    assert read is not None
    assert "nodule" not in str(read.detail)


def test_words_never_come_by_address(logged_in: Any, texts: Any, radiologist: Any) -> None:
    page = logged_in(radiologist).get(PATH, {"q": "nodule"}).content.decode()
    assert "<mark>" not in page


@pytest.mark.parametrize(
    "data",
    [
        {"q": "x" * 401},
        {"q": "a", "first_day": "2026-02-31"},
        {"q": "a", "first_day": "2026-02-02", "last_day": "2026-02-01"},
        {"q": "a", "state": "no"},
        {"q": "a", "modality": "' OR 1=1"},
        {"q": "a", "offset": "-1"},
        {"q": "a", "site": "999999"},
        {"q": "a\x00"},
    ],
)
def test_page_with_wrong_values(logged_in: Any, radiologist: Any, data: dict[str, str]) -> None:
    answer = logged_in(radiologist).post(PATH, data)
    assert answer.status_code == 200
    assert 'role="alert"' in answer.content.decode()


def test_page_of_nobody_and_of_another_site(
    logged_in: Any, texts: Any, site: Any, stranger: Any
) -> None:
    assert Client().post(PATH, {"q": "nodule"}).status_code in (302, 401)
    answer = logged_in(stranger).post(PATH, {"q": "pneumothorax", "site": ""})
    assert "No report says this" in answer.content.decode()
    # Another's site cannot be asked for.
    assert (
        'role="alert"'
        in logged_in(stranger).post(PATH, {"q": "nodule", "site": site.pk}).content.decode()
    )


def test_html_in_a_report_is_text(logged_in: Any, study: Any, radiologist: Any) -> None:
    other = signed(study, radiologist, "&lt;img onerror=alert(1)&gt; evil")
    page = logged_in(radiologist).post(PATH, {"q": "evil"}).content.decode()
    assert f'data-hit="{other.report_id}"' in page
    assert "<img" not in page.split('id="hits"')[1]
