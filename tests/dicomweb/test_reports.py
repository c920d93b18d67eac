"""Structured reports as pages and as text: what they say, what they may not do, who may read."""

from __future__ import annotations

from html.parser import HTMLParser
from io import BytesIO
from typing import Any

import pydicom
import pytest
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from pacs.audit.models import AuditEvent
from studies.dicom.structured import html, plain, tree
from studies.dicomweb import documents
from tests.dicomweb.asking import TEST_FILES, ct_file, saved, store

pytestmark = pytest.mark.django_db(transaction=True)
HOSTILE = "</span><script>alert(1)</script><img src=x onerror='a()'>\" & \x1b[31m"
VOID = {"meta", "br"}


def item(**elements: Any) -> Dataset:
    made = Dataset()
    for keyword, value in elements.items():
        setattr(made, keyword, value)
    return made


def coded(meaning: str, value: str = "1", scheme: str = "99TEST") -> list[Dataset]:
    return [item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)]


def content(kind: str, concept: str, relationship: str = "CONTAINS", **elements: Any) -> Dataset:
    return item(
        RelationshipType=relationship,
        ValueType=kind,
        ConceptNameCodeSequence=coded(concept),
        **elements,
    )


def report_file(*children: Dataset, title: str = "Imaging Report", **elements: Any) -> bytes:
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.88.33"
    dataset.SOPInstanceUID = generate_uid()
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(), generate_uid()
    dataset.Modality, dataset.PatientID, dataset.PatientName = "SR", "P-1", "DOE^Jane"
    dataset.StudyDate, dataset.StudyTime, dataset.AccessionNumber = "20260102", "101112", "A-1"
    dataset.StudyID, dataset.InstanceNumber, dataset.SeriesNumber = "S1", 1, 9
    dataset.ContentDate, dataset.ContentTime = "20260103", "104059.25"
    dataset.CompletionFlag, dataset.VerificationFlag = "COMPLETE", "UNVERIFIED"
    dataset.ValueType, dataset.ContinuityOfContent = "CONTAINER", "SEPARATE"
    dataset.ConceptNameCodeSequence = coded(title)
    dataset.ContentSequence = list(children)
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return saved(dataset)


class Page(HTMLParser):
    """Reads a page strictly: every element is closed in its order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.links: list[str] = []
        self.headings: list[tuple[str, str]] = []
        self.said: list[str] = []
        self.ids: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value or "" for name, value in attrs if name in {"href", "src"}]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.said.append(data.strip())
            if self._open and self._open[-1][0] == "h" and self._open[-1][1:].isdigit():
                self.headings.append((self._open[-1], data.strip()))


def number(value: str, unit: str, meaning: str, scheme: str = "UCUM") -> list[Dataset]:
    units = coded(meaning, unit, scheme)
    return [item(NumericValue=value, MeasurementUnitsCodeSequence=units)]


def test_the_content_tree_is_a_page(client: Any, radiologist: Any, site: Any) -> None:
    image = store(site, ct_file())
    frames = item(
        ReferencedSOPClassUID="1.2.840.10008.5.1.4.1.1.2",
        ReferencedSOPInstanceUID=image.instance,
        ReferencedFrameNumber=[1, 3],
    )
    whole = item(
        ReferencedSOPClassUID="1.2.840.10008.5.1.4.1.1.2",
        ReferencedSOPInstanceUID=image.instance,
    )
    evidence = item(
        StudyInstanceUID=image.study,
        ReferencedSeriesSequence=[
            item(SeriesInstanceUID=image.series, ReferencedSOPSequence=[whole])
        ],
    )
    findings = content(
        "CONTAINER",
        "Findings",
        ContentSequence=[
            content("TEXT", "Finding", TextValue="A nodule.\r\nRound, größer."),
            content("NUM", "Diameter", MeasuredValueSequence=number("7.5", "mm", "millimeter")),
            content("NUM", "Ratio", MeasuredValueSequence=number("0.8", "1", "no units")),
            content(
                "NUM", "Count",
                MeasuredValueSequence=number("3", "{nodules}", "nodules"),
                ContentSequence=[
                    content("CODE", "Method", "INFERRED FROM", ConceptCodeSequence=coded("By eye"))
                ],
            ),
            content(
                "NUM", "Volume", NumericValueQualifierCodeSequence=coded("Not a number"),
                MeasuredValueSequence=[],
            ),
            content("IMAGE", "Seen on", ReferencedSOPSequence=[frames]),
            content("IMAGE", "Key image", ReferencedSOPSequence=[whole]),
        ],
    )  # fmt: skip
    report = store(
        site,
        report_file(
            content("PNAME", "Observer", PersonName="Yamada^Tarou=山田^太郎"),
            content("DATE", "Day", Date="20260102"),
            content("TIME", "Hour", Time="101112"),
            content("DATETIME", "Moment", DateTime="20260102101112.500000+0100"),
            content("UIDREF", "Study", UID="1.2.3"),
            content("SCOORD", "Outline", GraphicType="CIRCLE", GraphicData=[1.5, 2, 3, 4]),
            content("TCOORD", "Beat", TemporalRangeType="POINT", ReferencedTimeOffsets=[0.25]),
            findings,
            content("CONTAINER", "Impression", ContentSequence=[
                item(RelationshipType="SELECTED FROM", ReferencedContentItemIdentifier=[1, 8, 1]),
            ]),
            CurrentRequestedProcedureEvidenceSequence=[evidence],
        ),
    )  # fmt: skip
    asking = client(radiologist)
    reply = asking.get(report.path + "/rendered")
    assert reply.status == 200
    page = Page(reply.body.decode())
    assert page.headings == [
        ("h1", "Imaging Report"), ("h2", "Findings"), ("h2", "Impression"),
    ]  # fmt: skip
    for words in (
        "DOE, Jane", "P-1", "2026-01-03 10:40:59.25", "complete", "Yamada, Tarou / 山田, 太郎",
        "2026-01-02", "10:11:12", "2026-01-02 10:11:12.500000 UTC+01:00", "1.2.3",
        "circle: 1.5, 2, 3, 4", "point: 0.25", "A nodule.", "Round, größer.", "7.5 mm", "0.8",
        "3 nodules", "By eye", "inferred from", "Not a number",
    ):  # fmt: skip
        assert words in page.said, words
    links = page.links
    assert links == [
        f"{image.path}/frames/1/rendered",
        f"{image.path}/frames/3/rendered",
        f"{image.path}/rendered",
        "#item-1.8.1",
    ]
    assert links[3][1:] in page.ids
    assert asking.get(links[2]).headers["content-type"] == "image/jpeg"
    at_site = asking.get(report.path.replace("/dicom-web", "/dicom-web/sites/main") + "/rendered")
    assert Page(at_site.body.decode()).links[2].startswith("/dicom-web/sites/main/studies/")


def test_the_page_may_do_nothing(client: Any, radiologist: Any, site: Any) -> None:
    reply = client(radiologist).get(store(site, report_file()).path + "/rendered")
    policy = reply.headers["content-security-policy"].split("; ")
    assert {"default-src 'none'", "form-action 'none'", "base-uri 'none'", "sandbox"} <= {*policy}
    assert not any("unsafe" in one or "self" in one for one in policy)
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["cache-control"] == "no-store"
    assert reply.headers["content-type"] == "text/html; charset=utf-8"


def test_hostile_text_stays_text(client: Any, radiologist: Any, site: Any) -> None:
    """In every place where a report may put words of its own."""
    code = coded(HOSTILE, HOSTILE, HOSTILE)
    reference = item(ReferencedSOPInstanceUID=HOSTILE, ReferencedSOPClassUID=HOSTILE)
    evidence = item(
        StudyInstanceUID=HOSTILE,
        ReferencedSeriesSequence=[
            item(SeriesInstanceUID=HOSTILE, ReferencedSOPSequence=[reference])
        ],
    )
    measured = [item(NumericValue="1", MeasurementUnitsCodeSequence=code)]
    kinds = {
        "TEXT": {"TextValue": HOSTILE},
        "PNAME": {"PersonName": HOSTILE},
        "DATETIME": {"DateTime": HOSTILE},
        "UIDREF": {"UID": HOSTILE},
        "CODE": {"ConceptCodeSequence": code},
        "NUM": {"MeasuredValueSequence": measured},
        "SCOORD": {"GraphicType": HOSTILE},
        "IMAGE": {"ReferencedSOPSequence": [reference]},
        "CONTAINER": {},
        HOSTILE: {},
    }
    children = [
        item(ValueType=kind, RelationshipType=HOSTILE, ConceptNameCodeSequence=code, **values)
        for kind, values in kinds.items()
    ]
    file = report_file(
        *children,
        title=HOSTILE,
        PatientName=HOSTILE,
        StudyDescription=HOSTILE,
        CompletionFlag=HOSTILE,
        CurrentRequestedProcedureEvidenceSequence=[evidence],
    )
    reply = client(radiologist).get(store(site, file).path + "/rendered")
    assert reply.status == 200
    page = Page(reply.body.decode())
    assert page.tags <= {
        "html", "head", "meta", "title", "body", "main", "h1", "h2", "dl", "dt", "dd", "section",
        "ul", "li", "b", "i", "span", "a", "br",
    }  # fmt: skip
    assert page.attributes <= {"lang", "charset", "name", "content", "id", "title", "dir", "href"}
    assert page.links == []
    assert "\x1b" not in reply.body.decode()


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("", "text/html; charset=utf-8"),
        ("text/html", "text/html; charset=utf-8"),
        ("text/*", "text/html; charset=utf-8"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "text/html; charset=utf-8"),
        ("text/plain", "text/plain; charset=utf-8"),
        ("text/html;q=0.1, text/plain", "text/plain; charset=utf-8"),
        ('multipart/related; type="text/html"', "multipart/related"),
        ("image/jpeg", None),
        ("application/pdf", None),
        ("application/dicom", None),
    ],
)
@pytest.mark.parametrize("in_query", [False, True])
def test_negotiation(
    client: Any, radiologist: Any, site: Any, accept: str, kind: str | None, in_query: bool
) -> None:
    report = store(site, report_file(content("TEXT", "Finding", TextValue="Nothing.")))
    path, headers = report.path + "/rendered", {"accept": accept}
    if in_query:
        quoted = accept.replace("+", "%2B").replace(";", "%3B").replace("=", "%3D")
        path, headers = f"{path}?accept={quoted}", {"accept": "image/png" if accept else ""}
    reply = client(radiologist).get(path, headers=headers)
    assert reply.status == (406 if kind is None else 200)
    if kind is not None:
        assert reply.headers["content-type"].startswith(kind)
        body = reply.parts[0].body if kind.startswith("multipart") else reply.body
        assert b"Finding" in body


def test_plain_text(client: Any, radiologist: Any, site: Any) -> None:
    reply = client(radiologist).get(
        store(site, report_file(
            content("CONTAINER", "Findings", ContentSequence=[
                content("TEXT", "Lung", TextValue="Clear.\nNo <nodule>."),
            ]),
        )).path + "/rendered?accept=text/plain"
    )  # fmt: skip
    assert reply.body.decode().endswith("Findings\n  Lung: Clear.\n    No <nodule>.\n")


@pytest.mark.parametrize(
    "file", ["test-SR.dcm", "reportsi.dcm", "reportsi_with_empty_number_tags.dcm"]
)
def test_real_reports(file: str) -> None:
    """Every text value of the file is on the page and in the text."""
    dataset = pydicom.dcmread(TEST_FILES / file)
    report = tree.read(dataset)
    said, words = " ".join(Page(html.page(report, "/dicom-web")).said), plain.text(report)
    found = [element.value for element in dataset.iterall() if element.keyword == "TextValue"]
    assert found
    for value in found:
        for line in filter(None, value.splitlines()):
            assert line.strip() in said
            assert line.strip() in words


def test_bounds(client: Any, radiologist: Any, site: Any, monkeypatch: Any) -> None:
    asking = client(radiologist)
    monkeypatch.setattr(documents, "MAX_REPORT_BYTES", 500)
    reply = asking.get(store(site, report_file()).path + "/rendered")
    assert (reply.status, reply.body) == (
        406, b"The report is larger than can be shown as a page.\n"
    )  # fmt: skip


def nested(depth: int) -> Dataset:
    found = content("TEXT", "Deepest", TextValue="x")
    for _ in range(depth - 1):
        found = content("CONTAINER", "Deeper", ContentSequence=[found])
    return found


def test_depth() -> None:
    deepest = tree.read(item(ValueType="CONTAINER", ContentSequence=[nested(tree.MAX_DEPTH)]))
    assert Page(html.page(deepest, "")).headings[-1][0] == "h6"
    with pytest.raises(tree.CannotShow, match="deeper than 30"):
        tree.read(item(ValueType="CONTAINER", ContentSequence=[nested(tree.MAX_DEPTH + 1)]))


def test_too_much(monkeypatch: Any) -> None:
    many = item(ValueType="CONTAINER", ContentSequence=[content("TEXT", "A", TextValue="b")] * 9)
    monkeypatch.setattr(tree, "MAX_ITEMS", 8)
    with pytest.raises(tree.CannotShow, match="more than 8 content items"):
        tree.read(many)
    monkeypatch.setattr(tree, "MAX_ITEMS", 9)
    monkeypatch.setattr(tree, "MAX_LETTERS", 17)
    with pytest.raises(tree.CannotShow, match="more text"):
        tree.read(many)


def test_no_content_is_said(client: Any, radiologist: Any, site: Any) -> None:
    file = report_file()
    dataset = pydicom.dcmread(BytesIO(file))
    del dataset.ContentSequence, dataset.ValueType
    out = BytesIO()
    dataset.save_as(out)
    reply = client(radiologist).get(store(site, out.getvalue()).path + "/rendered")
    assert reply.status == 406
    assert b"no content tree" in reply.body


def test_who_may(client: Any, radiologist: Any, stranger: Any, site: Any, other_site: Any) -> None:
    path = store(site, report_file()).path + "/rendered"
    assert client().get(path).status == 401
    assert client(stranger).get(path).status == 404
    assert not AuditEvent.objects.filter(action="study.retrieved").exists()
    assert client(radiologist).get(path).status == 200
    assert AuditEvent.objects.filter(action="study.retrieved").count() == 1
    assert client(radiologist).get(path, method="HEAD").body == b""


def test_wado_uri(client: Any, radiologist: Any, site: Any) -> None:
    report = store(site, report_file(content("TEXT", "Finding", TextValue="Nothing.")))
    query = f"requestType=WADO&studyUID={report.study}&seriesUID={report.series}"
    path = f"/wado?{query}&objectUID={report.instance}"
    asking = client(radiologist)
    page = asking.get(f"{path}&contentType=text/html")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "content-security-policy" in page.headers
    assert asking.get(f"{path}&contentType=text/plain").body.endswith(b"Finding: Nothing.\n")
    assert asking.get(path).headers["content-type"].startswith("application/dicom")
    assert asking.get(f"{path}&contentType=image/jpeg").status == 406


def test_thumbnail_is_an_icon(client: Any, radiologist: Any, site: Any) -> None:
    report = store(site, report_file())
    asking = client(radiologist)
    for path in (report.path, report.series_path, report.study_path):
        reply = asking.get(path + "/thumbnail?viewport=100,80")
        assert reply.status == 200
        assert Image.open(BytesIO(reply.body)).size == (80, 80)
        again = asking.get(
            path + "/thumbnail?viewport=100,80", headers={"if-none-match": reply.headers["etag"]}
        )
        assert again.body in {reply.body, b""}
    assert asking.get(report.path + "/frames/1/thumbnail").status == 404
