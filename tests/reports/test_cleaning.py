"""What people paste: nothing that acts, nothing unseen, one spelling, always an answer in words."""

from __future__ import annotations

import json
import re
import sys
import unicodedata
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reports import document
from reports.errors import BadContent
from reports.writing import characters
from reports.writing.cleaning import (
    clean_document,
    clean_html,
    document_text,
    html_of,
    plain_text,
    value_of,
)

ALLOWED = {
    "p", "br", "strong", "em", "u", "s", "ul", "ol", "li", "table", "thead", "tbody", "tr", "th",
    "td",
}  # fmt: skip
SPANS = {"colspan", "rowspan"}

HOSTILE = [
    "<script>alert(1)</script>",
    "<SCRIPT SRC=//evil.example/x.js></SCRIPT >",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)><script>alert(1)</script></svg>",
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;<img src=1"
    " onerror=alert(1)>'>",
    "<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    "<p style='background:url(javascript:alert(1))' onclick=alert(1) class=x id=y>text</p>",
    "<a href='javascript:alert(1)'>text</a>",
    "<a href=\"jav\tascript:alert(1)\">text</a>",
    "<td background='javascript:alert(1)' onmouseover=alert(1)>text</td>",
    "<table><td colspan='2 onclick=alert(1)' rowspan=999999999999999999999>text</table>",
    "<table><td colspan=\"3\" style=color:red>text</table>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'></noscript>",
    "<title><img src=x onerror=alert(1)></title>",
    "<textarea><script>alert(1)</script></textarea>",
    "<plaintext><script>alert(1)</script>",
    "<!--><img src=x onerror=alert(1)>-->",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<?xml version='1.0'?><script>alert(1)</script>",
    "<p title='</p><script>alert(1)</script>'>text",
    "<p a=\"><script>alert(1)</script>",
    "<p/onclick=alert(1)/>text",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;img src=x onerror=alert(1)&#62;",
    "{{ 7*7 }}{% load x %}${7*7}",
    "<base href=//evil.example/><link rel=stylesheet href=//evil.example>"
    "<meta http-equiv=refresh>",
    "<input autofocus onfocus=alert(1)><button formaction=javascript:alert(1)>text</button>",
    "<p>\x00<scr\x00ipt>alert(1)</scr\x00ipt>",
    "\ud83dlone\udc00",
    "<" * 100,
    "<p" * 100,
    "</p></td></table></ul>" * 50,
    "<table><tr><td><table><tr><td>inner</td></tr></table></td></tr></table>",
    "<b><i><b><table><li><p></b><td></i>text</p></table>",
    "<select><option><p>text</select>",
    "<ul>stray<li>one<ul><li>two</ul><ol>three</ol></ul>",
]  # fmt: skip


class _Strict(HTMLParser):
    """Fails on whatever is not the markup of a section."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in ALLOWED, tag
        for name, value in attrs:
            assert tag in ("td", "th"), (tag, name)
            assert name in SPANS, (tag, name)
            assert value is not None
            assert value.isdigit()
            assert 1 < int(value) <= 50

    def handle_endtag(self, tag: str) -> None:
        assert tag in ALLOWED, tag

    def handle_comment(self, data: str) -> None:
        raise AssertionError("comment")

    def handle_decl(self, decl: str) -> None:
        raise AssertionError("declaration")

    def handle_pi(self, data: str) -> None:
        raise AssertionError("processing instruction")


def assert_safe(html: str) -> None:
    parser = _Strict()
    parser.feed(html)
    parser.close()
    assert not [c for c in html if unicodedata.category(c) in ("Cc", "Cs", "Co")]
    assert clean_html(html) == html


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_markup_comes_out_as_nothing_but_text(text: str) -> None:
    assert_safe(clean_html(text))


_markup = st.lists(
    st.one_of(
        st.sampled_from(
            [f"<{t}>" for t in [*sorted(ALLOWED), "div", "b", "i", "h2", "a href='x'", "caption",
             "pre", "svg", "style", "script", "select", "textarea", "math", "td colspan=3",
             "p onclick=x", "form", "tfoot", "span style='x'"]]
            + [f"</{t}>" for t in [*sorted(ALLOWED), "div", "b", "a", "pre", "svg", "script"]]
            + ["<!--", "-->", "&lt;", "&#x200b;", "&nbsp;", "&#x202e;", "\u200b", " ", "\n", "<"]
        ),
        st.text(max_size=12),
    ),
    max_size=40,
).map("".join)  # fmt: skip


@given(_markup)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_cleaning_is_a_fixed_point_and_only_known_markup(text: str) -> None:
    assert_safe(clean_html(text))


@given(st.lists(st.sampled_from(HOSTILE), min_size=2, max_size=5).map("".join))
@settings(max_examples=100, deadline=None)
def test_hostile_markup_in_any_order(text: str) -> None:
    assert_safe(clean_html(text))


@given(st.text())
@settings(max_examples=300, deadline=None)
def test_characters_are_a_fixed_point_in_nfc(text: str) -> None:
    cleaned = characters.clean(text)
    assert characters.clean(cleaned) == cleaned
    assert unicodedata.is_normalized("NFC", cleaned)
    cleaned.encode()


def test_format_characters_are_gone_whatever_unicode_has_of_them() -> None:
    seen = set(
        "\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd"
    )
    found = [
        character
        for character in map(chr, range(sys.maxunicode + 1))
        if unicodedata.category(character) in ("Cf", "Cs", "Co", "Cc") and character not in seen
    ]
    left = characters.clean("a".join(found))
    assert set(left) == {"a", "\n", "\t", "•"}


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("می\u200cخواهم", "می\u200cخواهم"),  # Persian: the non-joiner is spelling
        ("a\u200cb", "ab"),
        ("क्\u200dष", "क्\u200dष"),  # Devanagari half form
        ("ന്\u200d", "ന്\u200d"),  # Malayalam chillu at the end of a word
        ("ه\u200d ", "ه "),
        ("صدر \u202eabc\u202c", "صدر abc"),  # right-to-left text stays, overrides do not
        ("e\u0301", "é"),
        ("no\u00a0mass", "no mass"),
        ("zal" + "\u0301" * 50, "za" + unicodedata.normalize("NFC", "l" + "\u0301" * 8)),
        ("葛\U000e0100", "葛\U000e0100"),  # a variant of an ideograph
        ("a\ufe0f\ufe01", "a"),
        ("pa\u00adtient", "patient"),
        ("one\r\ntwo\rthree\u2028four", "one\ntwo\nthree\nfour"),
        ("\uf0b7 item", "• item"),
    ],
)
def test_what_is_seen_stays_and_what_is_not_seen_goes(text: str, kept: str) -> None:
    assert characters.clean(text) == kept


@pytest.mark.parametrize(
    ("pasted", "html"),
    [
        ("No mass.", "<p>No mass.</p>"),
        ("", ""),
        ("<div>No mass</div><div>No effusion</div>", "<p>No mass</p><p>No effusion</p>"),
        ("<p>A <b>bold <i>both</i></b></p>",
         "<p>A <strong>bold </strong><strong><em>both</em></strong></p>"),
        ("<h2>Findings</h2>text", "<p><strong>Findings</strong></p><p>text</p>"),
        ("<ul><li>one</li><li><p>two</p></li></ul>",
         "<ul><li><p>one</p></li><li><p>two</p></li></ul>"),
        ("<p></p><p>a<br>b</p>", "<p></p><p>a<br>b</p>"),
        ("<a href='http://x'>link</a> <img alt='x'>end", "<p>link end</p>"),
        ("<table><tr><td colspan='2'>a</td><td colspan='1'>b</td></tr></table>",
         '<table><tbody><tr><td colspan="2"><p>a</p></td><td><p>b</p></td></tr></tbody></table>'),
        ("a < b & c > d", "<p>a &lt; b &amp; c &gt; d</p>"),
        ("<p class=MsoNormal><o:p></o:p><span lang=EN-US>Word</span></p>", "<p>Word</p>"),
        ("<svg>x</svg>text", "<p>text</p>"),
        ("<svg>text", "<p>text</p>"),
    ],
)  # fmt: skip
def test_pasted_markup_has_one_spelling(pasted: str, html: str) -> None:
    assert clean_html(pasted) == html


@pytest.mark.parametrize(
    "text",
    [
        "word " * 200_000,
        "<p>word</p>" * 100_000,
        "&amp;" * 200_000,
        "<div>" * 200_000,
        "<ul><li>" * 120_000,
        "<b a='" * 150_000,
        "<script>" * 120_000,
        "<!--" * 250_000,
        "x" * 3_000_000,
    ],
)
def test_a_megabyte_is_answered_in_words(text: str) -> None:
    try:
        words = ""
        assert len(clean_html(text).encode()) <= 100_000
    except BadContent as error:
        words = error.words
    assert not words or "Paste the part" in words


def test_a_megabyte_of_word_markup_around_a_page_of_text_is_cleaned() -> None:
    paragraph = "<p class=MsoNormal style='" + "margin:0cm;" * 500 + "'><!--[if x]-->No mass.</p>"
    assert plain_text(clean_html(paragraph * 180)).splitlines() == ["No mass."] * 180


def test_plain_text_keeps_lists_tables_and_paragraphs() -> None:
    html = clean_html(
        "<p>First<br>line</p><ul><li>one<ol><li>deep</li><li>deeper</li></ol></li><li>two</li></ul>"
        "<table><thead><tr><th>Lesion</th><th>Size</th></tr></thead>"
        "<tr><td>A</td><td>12 mm</td></tr><tr><td>B</td><td></td></tr></table><p>Last &lt; 5</p>"
    )
    assert plain_text(html).split("\n") == [
        "First",
        "line",
        "- one",
        "  1. deep",
        "  2. deeper",
        "- two",
        "Lesion\tSize",
        "A\t12 mm",
        "B",
        "Last < 5",
    ]


@given(st.text(alphabet=st.characters(exclude_categories=("Cs",)), max_size=200))
@settings(max_examples=150, deadline=None)
def test_plain_text_and_back(text: str) -> None:
    once = plain_text(html_of(text))
    assert plain_text(html_of(once)) == once
    assert clean_html(html_of(text)) == html_of(text) or not once


def full_document() -> dict[str, Any]:
    content = document.empty("CT chest", "en")
    content["template"] = {"id": 3, "version": 2, "name": "CT chest"}
    content["sections"][3]["html"] = "<p>A nodule.</p>"
    content["sections"][3]["fields"] = [
        {"key": "size", "label": "Size", "kind": "number", "unit": "mm", "value": 12.5},
        {"key": "lobe", "label": "Lobe", "kind": "choice", "unit": "", "value": "left upper"},
        {"key": "note", "label": "Note", "kind": "text", "unit": "", "value": None},
    ]
    content["key_images"] = [{"id": "0b6f2f0e-3d3b-4a59-9d59-9f2f4a5b6c7d", "caption": "Nodule"}]
    content["measurements"] = ["1b6f2f0e-3d3b-4a59-9d59-9f2f4a5b6c7d"]
    return content


def test_a_good_document_passes_unchanged() -> None:
    content = full_document()
    assert clean_document(json.loads(json.dumps(content))) == content
    assert document_text(content) == (
        "CT chest\n\nFindings\nSize: 12.5 mm\nLobe: left upper\nA nodule."
    )


def test_script_in_every_part_of_a_document() -> None:
    bad = "<img src=x onerror=alert(1)>\u202e\u200b"
    content = full_document()
    content["title"] = bad
    content["template"]["name"] = bad
    for section in content["sections"]:
        section["title"], section["html"] = bad, f"{bad}text"
        for field in section["fields"]:
            field["label"] = field["unit"] = bad[:20]
            if field["kind"] != "number":
                field["value"] = bad
    content["key_images"][0]["caption"] = bad
    cleaned = clean_document(content)
    assert {section["html"] for section in cleaned["sections"]} == {"<p>text</p>"}
    # The others are plain text: escaped where they are shown, without what cannot be seen.
    assert not re.search("[\u200b\u202e]", json.dumps(cleaned, ensure_ascii=False))
    assert clean_document(cleaned) == cleaned


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"v": 2}, "version"),
        ({"other": 1}, "unknown-part"),
        ({"title": 7}, "not-text"),
        ({"title": "x" * 201}, "too-long"),
        ({"language": "<en>"}, "language"),
        ({"template": {"id": -1, "version": 1, "name": ""}}, "template"),
        ({"template": {"id": True, "version": 1, "name": ""}}, "template"),
        ({"template": []}, "shape"),
        ({"sections": {}}, "shape"),
        ({"sections": [{"key": "a"}] * 2}, "twice"),
        ({"sections": [{"key": f"a{n}"} for n in range(25)]}, "too-many"),
        ({"sections": [{"key": "A b"}]}, "key"),
        ({"sections": [{"key": "a", "onclick": ""}]}, "unknown-part"),
        ({"sections": [{"key": "a", "html": None}]}, "not-text"),
        ({"sections": [{"key": "a", "fields": [{"key": "b", "kind": "date"}]}]}, "kind"),
        ({"sections": [{"key": f"a{n}", "html": "x" * 90_000} for n in range(6)]}, "too-long"),
        ({"key_images": [{"id": "../../etc", "caption": ""}]}, "identifier"),
        ({"measurements": ["0" * 32] * 2}, "twice"),
        ({"measurements": [4]}, "identifier"),
    ],
)
def test_what_is_no_document_is_refused_in_words(change: dict[str, Any], code: str) -> None:
    with pytest.raises(BadContent) as caught:
        clean_document({**document.empty(), **change})
    assert caught.value.code == code
    assert caught.value.words[0].isupper()


@pytest.mark.parametrize("raw", [None, [], "text", 3, True])
def test_what_is_no_mapping_is_refused(raw: Any) -> None:
    with pytest.raises(BadContent):
        clean_document(raw)


@pytest.mark.parametrize(
    ("given_value", "kept"),
    [(12, 12), (12.0, 12), ("12,5", 12.5), (" 7.25 ", 7.25), ("−3", -3), ("", None), (None, None),
     ("0,125", 0.125)],
)  # fmt: skip
def test_numbers(given_value: Any, kept: Any) -> None:
    assert value_of("number", given_value, "Size") == kept


@pytest.mark.parametrize(
    "given_value",
    ["12 mm", "1,234", "1e5", "NaN", float("nan"), float("inf"), 1e300, True, [], "١٢"],
)
def test_what_is_no_number_is_refused(given_value: Any) -> None:
    with pytest.raises(BadContent):
        value_of("number", given_value, "Size")


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(st.data())
@settings(max_examples=120, deadline=None)
def test_whatever_stands_in_a_document_is_cleaned_or_refused(data: st.DataObject) -> None:
    content: Any = full_document()
    place = data.draw(st.sampled_from(sorted(content)))
    if place == "sections" and data.draw(st.booleans()):
        section = content["sections"][3]
        section[data.draw(st.sampled_from(sorted(section)))] = data.draw(_json)
    else:
        content[place] = data.draw(_json)
    try:
        cleaned = clean_document(content)
    except BadContent:
        return
    assert clean_document(cleaned) == cleaned
    document.canonical(cleaned)
