"""Metadata documents: DICOM JSON (PS3.18 F) of each instance, and series-wide caches of them.

A table beside the index is written with every image, in its transaction. With `MONGODB_URL` each
change goes on to MongoDB through an outbox, and is read and searched there. The functions below are
all that others use. They give documents as they are corrected.
"""

from __future__ import annotations

from studies.documents.document import Accepts, Document, Key, overlay_text
from studies.documents.reading import first_of_each, get_many, instance_json, search
from studies.documents.series import series_json, series_json_gzip, study_json
from studies.documents.table import lay, move, remove, replace_many

__all__ = [
    "Accepts",
    "Document",
    "Key",
    "first_of_each",
    "get_many",
    "instance_json",
    "lay",
    "move",
    "overlay_text",
    "remove",
    "replace_many",
    "search",
    "series_json",
    "series_json_gzip",
    "study_json",
]
