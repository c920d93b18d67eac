"""The body of a template: checked, written as text and read again, and what reports lack."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.errors import BadContent
from reports.templating import source
from reports.templating.body import clean_body, objections
from reports.templating.loading import read_folder
from tests.reports.factories_templates import BODY


def changed(*way: Any, to: Any) -> dict[str, Any]:
    raw = copy.deepcopy(BODY)
    at: Any = raw
    for step in way[:-1]:
        at = at[step]
    at[way[-1]] = to
    return raw


def test_a_body_is_cleaned_once_and_for_all() -> None:
    body = clean_body(BODY)
    assert clean_body(copy.deepcopy(body)) == body
    assert body["sections"][0]["required"] is False
    assert body["sections"][1]["fields"][2]["choices"] == []


@pytest.mark.parametrize(
    ("way", "to", "code"),
    [
        (("sections", 1, "fields", 0, "kind"), "date", "kind"),
        (("sections", 1, "fields", 0, "minimum"), 500, "bounds"),
        (("sections", 1, "fields", 0, "default"), 301, "default"),
        (("sections", 1, "fields", 1, "default"), "middle", "default"),
        (("sections", 1, "fields", 1, "choices"), [], "choices"),
        (("sections", 1, "fields", 1, "choices"), ["left", "left"], "twice"),
        (("sections", 1, "fields", 2, "choices"), ["x"], "choices"),
        (("sections", 1, "fields", 2, "maximum"), 3, "bounds"),
        (("sections", 1, "fields", 2, "key"), "size", "twice"),
        (("sections", 1, "fields", 2, "label"), "\u200b", "label"),
        (("sections", 2, "key"), "findings", "twice"),
        (("sections", 1, "required"), "yes", "shape"),
        (("sections", 1, "onclick"), "x", "unknown-part"),
        (("sections",), [], "empty"),
        (("title",), 3, "not-text"),
    ],
)
def test_what_is_no_template_is_refused_with_its_place(way: Any, to: Any, code: str) -> None:
    with pytest.raises(BadContent) as caught:
        clean_body(changed(*way, to=to))
    assert caught.value.code == code
    place = caught.value.detail.get("place", ())
    assert place[: len(way) - 1] == way[: len(way) - 1][: len(place)]


def test_script_in_every_field_of_a_template() -> None:
    bad = "<img src=x onerror=alert(1)>\u202e"
    raw = copy.deepcopy(BODY)
    raw["title"] = bad
    for section in raw["sections"]:
        section["title"] = section["html"] = section["normal"] = f"{bad}x"
        for field in section.get("fields", []):
            field["label"], field["unit"] = bad, bad[:20]
            if field["kind"] == "text":
                field["default"] = bad
            if field["kind"] == "choice":
                field["choices"], field["default"] = [bad], None
    body = clean_body(raw)
    assert {section["html"] for section in body["sections"]} == {"<p>x</p>"}
    assert {section["normal"] for section in body["sections"]} == {"<p>x</p>"}
    assert "\u202e" not in json.dumps(body, ensure_ascii=False)


def test_objections_say_what_is_out_of_range_or_no_choice() -> None:
    body = clean_body(BODY)
    fields = [{"key": "size", "value": 301}, {"key": "lobe", "value": "middle"}]
    content = {"sections": [{"key": "findings", "html": "<p></p>", "fields": fields}]}
    assert objections(content, body) == [
        ("findings", "“Size” is more than 300 mm."),
        ("findings", "“Lobe” is none of its choices."),
    ]
    fields[0]["value"], fields[1]["value"] = 12, None
    assert objections(content, body) == []
    assert objections({"sections": []}, body) == []


def test_zero_is_a_value() -> None:
    body = clean_body(changed("sections", 1, "fields", 0, "minimum", to=1))
    fields = [{"key": "size", "value": 0}]
    content = {"sections": [{"key": "findings", "html": "<p>x</p>", "fields": fields}]}
    assert objections(content, body) == [("findings", "“Size” is less than 1 mm.")]
    assert source.read(source.write(body)) == body


def test_text_says_lines_lists_and_markup() -> None:
    body = source.read(
        'title = "T"\n[[sections]]\nkey = "findings"\n'
        'html = """\nOne < two\n- a\n- b\nEnd\n"""\nnormal = "<p><b>Bold</b></p>"\n'
    )
    section = body["sections"][0]
    assert section["html"] == (
        "<p>One &lt; two</p><ul><li><p>a</p></li><li><p>b</p></li></ul><p>End</p>"
    )
    assert section["normal"] == "<p><strong>Bold</strong></p>"
    assert section["title"] == "Findings"
    assert source.read(source.write(body)) == body


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('title = "T"\n[[sections]]\nkey = findings\n', 3),
        ('title = "T"\n[[sections]\n', 2),
        ('title = "T"\n[[sections]]\nkey = "a"\ncolour = "red"\n', 4),
        ('title = "T"\n[[sections]]\nkey = "a"\n[[sections]]\nkey = "a"\n', 5),
        (
            '[[sections]]\nkey = "a"\n[[sections]]\nkey = "b"\n[[sections.fields]]\nkey = "c"\n'
            'label = "C"\nkind = "number"\n[[sections.fields]]\nkey = "d"\nlabel = "D"\n'
            'kind = "date"\n',
            12,
        ),
        ('[[sections]]\nkey = "a"\n\n[[sections.fields]]\nkey = "b"\nlabel = "B"\n', 4),
        ('title = "T"\nsections = 3\n', 2),
        ('title = "unclosed', 1),
        ("", 1),
    ],
)
def test_errors_name_their_line(text: str, line: int) -> None:
    with pytest.raises(BadContent) as caught:
        source.read(text)
    assert caught.value.detail["line"] == line
    assert caught.value.words.startswith(f"Line {line}: ")


@given(st.text(max_size=200) | st.text(alphabet='[]sections.fields="\n#{}', max_size=200))
@settings(max_examples=150, deadline=None)
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        body = source.read(text)
    except BadContent:
        return
    assert clean_body(body) == body


_texts = st.text(max_size=30).map(lambda text: f"x{text}")
_bodies = st.builds(
    lambda title, html, normal, label, choices, least: {
        "title": title,
        "sections": [
            {"key": "findings", "html": html, "normal": normal, "fields": [
                {"key": "a", "label": f"L {label}", "kind": "choice",
                 "choices": list(dict.fromkeys(choices))},
                {"key": "b", "label": "B", "kind": "number", "minimum": least},
            ]},
        ],
    },
    st.text(max_size=30), st.text(max_size=60), st.text(max_size=60), st.text(max_size=20),
    st.lists(_texts, min_size=1, max_size=4), st.integers(-1000, 1000),
)  # fmt: skip


@given(_bodies)
@settings(max_examples=150, deadline=None)
def test_whatever_a_body_says_its_text_says_it_again(raw: dict[str, Any]) -> None:
    try:
        body = clean_body(raw)
    except BadContent:
        return
    assert clean_body(copy.deepcopy(body)) == body
    assert source.read(source.write(body)) == body


def test_the_start_set_is_whole() -> None:
    found = {entry.slug: entry for entry in read_folder()}
    assert len(found) >= 16
    assert sum(entry.details["language"] == "de" for entry in found.values()) == 3
    for entry in found.values():
        keys = [section["key"] for section in entry.body["sections"]]
        for key in ("clinical_information", "technique", "comparison", "findings", "impression"):
            assert key in keys, (entry.slug, key)
        by_key = {section["key"]: section for section in entry.body["sections"]}
        assert by_key["findings"]["normal"], entry.slug
        assert by_key["impression"]["normal"], entry.slug
        assert by_key["impression"]["required"], entry.slug
        # The normal report says something to each heading of the empty one.
        headings = by_key["findings"]["html"].count("<p>")
        assert by_key["findings"]["normal"].count("<p>") >= headings - 1, entry.slug
        assert source.read(source.write(entry.body)) == entry.body
    birads = {
        field["key"]: field
        for section in found["mg-birads"].body["sections"]
        for field in section["fields"]
    }
    for key in ("composition", "birads_right", "birads_left"):
        assert birads[key]["required"], key
