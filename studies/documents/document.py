"""What both homes of documents share: the document on its way in, keys of a search, its texts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from studies.dicom.overlay import Overlay, merged, of_document

Key = tuple[Any, ...]
"""(site, StudyInstanceUID) of a study, with SeriesInstanceUID of a series, with SOPInstanceUID of
an instance."""

TagQuery = Mapping[tuple[str, ...], "Accepts"]
"""Conditions by path: a tag, or tags of sequences down to one, of which any item may match."""


@dataclass(frozen=True, slots=True)
class Document:
    """An instance's document on its way in; `body` is JSON text."""

    site_id: int
    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    instance_number: int | None
    body: str
    overlay: str | None = None
    """JSON text of what `studies.dicom.overlay.of_document` gives."""


class Accepts(Protocol):
    """A condition on an element of DICOM JSON."""

    def accepts(self, element: Any) -> bool: ...


def has(values: Mapping[str, Any], path: tuple[str, ...], wanted: Accepts) -> bool:
    """Whether elements, by tag, have one at `path` that is wanted."""
    element = values.get(path[0])
    if len(path) == 1:
        return wanted.accepts(element)
    items = element.get("Value") if isinstance(element, dict) else None
    return any(has(item, path[1:], wanted) for item in items or () if isinstance(item, dict))


def compact(value: Any) -> str:
    """JSON text as documents are kept."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def text_of(body: str, overlay: Any) -> str:
    """A document as text, corrected."""
    return compact(merged(json.loads(body), overlay)) if overlay else body


def overlay_text(body: str, overlay: Overlay | None) -> str | None:
    """The `overlay` of a document on its way in."""
    changed = of_document(json.loads(body), overlay) if overlay is not None else {}
    return compact(changed) if changed else None
