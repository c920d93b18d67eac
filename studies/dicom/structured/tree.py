"""The content tree of a structured report as plain values (PS3.3 C.17.3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pydicom import Dataset

from studies.dicom.structured.values import (
    KINDS_OF_REFERENCE,
    Code,
    Reference,
    code,
    codes,
    items,
    moment,
    name,
    text,
    value_of,
    whole_numbers,
)

MAX_ITEMS: Final = 20_000
MAX_DEPTH: Final = 30
MAX_LETTERS: Final = 4_000_000


class CannotShow(Exception):
    """The words say why, in a reader's terms."""


@dataclass(frozen=True, slots=True)
class Item:
    """A content item. `number` is its place from the root: 1, 1.2, 1.2.1.

    `same_as`: the place of the item that stands for this one (by-reference relationship).
    """

    number: str
    relationship: str
    kind: str
    concept: Code
    lines: tuple[str, ...]
    meaning: Code | None
    references: tuple[Reference, ...]
    same_as: str
    children: tuple[Item, ...]

    @property
    def is_container(self) -> bool:
        return self.kind == "CONTAINER"


@dataclass(frozen=True, slots=True)
class Report:
    """A report: its title, what its header says as (label, value), and its content."""

    title: str
    facts: tuple[tuple[str, str], ...]
    content: tuple[Item, ...]


def read(dataset: Dataset) -> Report:
    """The report of a data set. CannotShow where it has no content, or more than can be shown."""
    if not items(dataset, "ContentSequence") and not text(dataset, "ValueType"):
        raise CannotShow("this instance has no content tree")
    children = _Reading(_places(dataset)).children(dataset, "1", 1)
    return Report(code(dataset, "ConceptNameCodeSequence").meaning, _facts(dataset), children)


class _Reading:
    """One pass over the tree, with its bounds."""

    def __init__(self, places: dict[str, tuple[str, str]]) -> None:
        self._places = places
        self._items = 0
        self._letters = 0

    def children(self, parent: Dataset, number: str, depth: int) -> tuple[Item, ...]:
        found = items(parent, "ContentSequence")
        if found and depth > MAX_DEPTH:
            raise CannotShow(f"its content is nested deeper than {MAX_DEPTH} levels")
        return tuple(
            self._item(one, f"{number}.{place}", depth) for place, one in enumerate(found, 1)
        )

    def _item(self, item: Dataset, number: str, depth: int) -> Item:
        self._items += 1
        if self._items > MAX_ITEMS:
            raise CannotShow(f"it has more than {MAX_ITEMS} content items")
        kind = text(item, "ValueType").upper()
        lines, meaning = value_of(item, kind)
        concept = code(item, "ConceptNameCodeSequence")
        self._letters += sum(len(line) for line in lines) + len(concept.meaning)
        if self._letters > MAX_LETTERS:
            raise CannotShow("it has more text than can be shown on a page")
        same_as = whole_numbers(item, "ReferencedContentItemIdentifier")
        return Item(
            number=number,
            relationship=text(item, "RelationshipType").upper(),
            kind=kind,
            concept=concept,
            lines=lines,
            meaning=meaning,
            references=self._references(item, kind) if kind in KINDS_OF_REFERENCE else (),
            same_as=".".join(str(place) for place in same_as),
            children=self.children(item, number, depth + 1),
        )

    def _references(self, item: Dataset, kind: str) -> tuple[Reference, ...]:
        found = []
        for one in items(item, "ReferencedSOPSequence")[:1]:
            found.append(self._reference(one, KINDS_OF_REFERENCE[kind]))
            # The presentation state that an image is to be seen with (PS3.3 C.18.4).
            states = items(one, "ReferencedSOPSequence")[:1]
            found += [self._reference(state, "presentation state") for state in states]
        return tuple(found)

    def _reference(self, item: Dataset, words: str) -> Reference:
        uid = text(item, "ReferencedSOPInstanceUID")
        study, series = self._places.get(uid, ("", ""))
        return Reference(
            words=words,
            sop_instance_uid=uid,
            study_instance_uid=study,
            series_instance_uid=series,
            frames=tuple(whole_numbers(item, "ReferencedFrameNumber")),
        )


def _places(dataset: Dataset) -> dict[str, tuple[str, str]]:
    """Study and series of what the report refers to, by SOP Instance UID (PS3.3 C.17.2.1)."""
    found: dict[str, tuple[str, str]] = {}
    for keyword in (
        "CurrentRequestedProcedureEvidenceSequence",
        "PertinentOtherEvidenceSequence",
        "PredecessorDocumentsSequence",
        "IdenticalDocumentsSequence",
    ):
        for study in items(dataset, keyword):
            for series in items(study, "ReferencedSeriesSequence"):
                place = text(study, "StudyInstanceUID"), text(series, "SeriesInstanceUID")
                for instance in items(series, "ReferencedSOPSequence"):
                    if len(found) < MAX_ITEMS:
                        found.setdefault(text(instance, "ReferencedSOPInstanceUID"), place)
    return found


def _facts(dataset: Dataset) -> tuple[tuple[str, str], ...]:
    """Who and what the report is about, and what it is worth."""
    found = [
        ("Patient", name(dataset, "PatientName")),
        ("Patient ID", text(dataset, "PatientID")),
        ("Born", moment(dataset, "PatientBirthDate")),
        ("Sex", text(dataset, "PatientSex")),
        ("Study", text(dataset, "StudyDescription")),
        ("Study date", moment(dataset, "StudyDate")),
        ("Accession number", text(dataset, "AccessionNumber")),
        ("Referred by", name(dataset, "ReferringPhysicianName")),
        ("Institution", text(dataset, "InstitutionName")),
        ("Made by", " ".join(filter(None, (text(dataset, k) for k in MAKER)))),
        ("Written", _joined(moment(dataset, "ContentDate"), moment(dataset, "ContentTime"))),
        ("Completion", text(dataset, "CompletionFlag").lower()),
        ("Verification", text(dataset, "VerificationFlag").lower()),
    ]
    for observer in items(dataset, "VerifyingObserverSequence")[:20]:
        words = (
            name(observer, "VerifyingObserverName"),
            text(observer, "VerifyingOrganization"),
            moment(observer, "VerificationDateTime"),
        )
        found.append(("Verified by", ", ".join(word for word in words if word)))
    reasons = codes(dataset, "PerformedProcedureCodeSequence")
    found.append(("Procedure", ", ".join(one.meaning for one in reasons if one.meaning)))
    return tuple((label, value) for label, value in found if value)


MAKER = ("Manufacturer", "ManufacturerModelName")


def _joined(*words: str) -> str:
    return " ".join(word for word in words if word)
