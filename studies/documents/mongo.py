"""Documents in MongoDB, through pymongo: the functions of `table` over a collection.

One record per instance: `_id` is "site/SOPInstanceUID", since two sites may hold the same UID;
`body` and `overlay` are as in the table. `revision` counts what was written: a writer says which
one it saw, and one that was overtaken writes nothing.

Every call ends within seconds and raises DocumentsDown where the server does not do its part.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from threading import Lock
from typing import Any

import pymongo
from bson import encode
from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument
from django.conf import settings
from pymongo.collection import Collection as MongoCollection
from pymongo.errors import (
    BulkWriteError,
    ConfigurationError,
    DocumentTooLarge,
    OperationFailure,
    PyMongoError,
)
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from studies.dicom.overlay import merged
from studies.documents.document import Key, TagQuery, compact, has
from studies.documents.errors import DocumentsDown

AT_ONCE = 500
READ_SECONDS, LOOK_SECONDS, WRITE_SECONDS = 5.0, 15.0, 60.0
"""What is waited for by a person, by a worker before it writes, and for a batch to be on disk."""
MAX_BYTES = 15 * 2**20
"""MongoDB takes 16 MiB."""
DUPLICATE_KEY = 11000
DATABASE, COLLECTION, MARKS = "lightbox", "documents", "lightbox_marks"
SERIES_INDEX = [("site", 1), ("study", 1), ("series", 1)]

Id = tuple[int, str]
"""Site and SOPInstanceUID."""
_clients: dict[tuple[int, str], pymongo.MongoClient[dict[str, Any]]] = {}
_lock = Lock()


@dataclass(frozen=True, slots=True)
class Stored:
    """A document as the table has it; `row` is its id there and orders documents of one number."""

    site_id: int
    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    instance_number: int | None
    row: int
    body: Mapping[str, Any]
    overlay: Mapping[str, Any] | None

    @property
    def id(self) -> Id:
        return self.site_id, self.sop_instance_uid

    def digest(self) -> str:
        """Of all that is kept, to tell whether MongoDB has the same."""
        said = compact(
            [
                self.study_instance_uid,
                self.series_instance_uid,
                self.instance_number,
                self.row,
                self.body,
                self.overlay,
            ]
        )
        return sha256(said.encode("utf-8", "surrogatepass")).hexdigest()[:32]


@dataclass(slots=True)
class Written:
    """What became of each document."""

    done: set[Id]
    overtaken: set[Id]
    """Another writer came in between: to be tried again."""
    refused: dict[Id, str]
    """MongoDB cannot hold these, and why."""


def text_id(of: Id) -> str:
    return f"{of[0]}/{of[1]}"


def _id(text: str) -> Id:
    site, _, uid = text.partition("/")
    return int(site), uid


@contextmanager
def _asking(seconds: float) -> Iterator[None]:
    try:
        with pymongo.timeout(seconds):
            yield
    except OperationFailure as error:
        raise DocumentsDown(f"MongoDB refuses ({error.code})", refused=True) from error
    except ConfigurationError as error:
        raise DocumentsDown("MONGODB_URL cannot be used", refused=True) from error
    except PyMongoError as error:
        raise DocumentsDown(f"MongoDB does not answer ({type(error).__name__})") from error


def _client() -> pymongo.MongoClient[dict[str, Any]]:
    """One client a process: its connections do not survive a fork."""
    key = (os.getpid(), settings.MONGODB_URL)
    with _lock:
        if key not in _clients:
            _clients[key] = pymongo.MongoClient(
                settings.MONGODB_URL,
                appname="lightbox",
                serverSelectionTimeoutMS=3000,
                connectTimeoutMS=3000,
                socketTimeoutMS=60_000,
                maxPoolSize=20,
            )
        return _clients[key]


def close() -> None:
    """Let go of the connections of this process."""
    with _lock:
        for key in [key for key in _clients if key[0] == os.getpid()]:
            _clients.pop(key).close()


def _in_database(name: str) -> MongoCollection[dict[str, Any]]:
    database = _client().get_default_database(DATABASE)
    # Acknowledged means on the disks of a majority, and what is read was acknowledged.
    return database.get_collection(
        name,
        write_concern=WriteConcern("majority", j=True),
        read_concern=ReadConcern("majority"),
    )


def _documents() -> MongoCollection[dict[str, Any]]:
    return _in_database(COLLECTION)


def prepare() -> None:
    """Make the index. Repeating is harmless."""
    with _asking(WRITE_SECONDS):
        _documents().create_index(SERIES_INDEX, name="series")


def mark() -> str:
    """What `set_mark` left there; "" on a server that is new to us."""
    with _asking(READ_SECONDS):
        found = _in_database(MARKS).find_one({"_id": "portal"})
    return str(found["mark"]) if found else ""


def set_mark(value: str) -> None:
    with _asking(READ_SECONDS):
        _in_database(MARKS).replace_one(
            {"_id": "portal"}, {"_id": "portal", "mark": value}, upsert=True
        )


# Writing


def revisions(ids: Collection[Id]) -> dict[Id, Any]:
    """The revisions that are there. To be asked before the documents are read from the table.

    A record that somebody else wrote may have another value than a number, or None.
    """
    return {key: found.get("revision") for key, found in _fields(ids, "revision").items()}


def digests(ids: Collection[Id]) -> dict[Id, str]:
    """The digests that are there."""
    return {key: found.get("digest", "") for key, found in _fields(ids, "digest").items()}


def _fields(ids: Collection[Id], name: str) -> dict[Id, dict[str, Any]]:
    wanted = [text_id(one) for one in ids]
    found: dict[Id, dict[str, Any]] = {}
    with _asking(LOOK_SECONDS):
        for start in range(0, len(wanted), AT_ONCE):
            some = {"_id": {"$in": wanted[start : start + AT_ONCE]}}
            found |= {_id(one["_id"]): one for one in _documents().find(some, {name: 1})}
    return found


def replace_many(documents: Sequence[Stored], seen: Mapping[Id, Any]) -> Written:
    """Write documents over those whose revision is still the one in `seen`; absent: none."""
    written = Written(set(), set(), {})
    writes: list[pymongo.ReplaceOne[Any]] = []
    ids: list[Id] = []
    for document in documents:
        revision = seen.get(document.id, 0)
        try:
            raw = encode(_record(document, revision + 1 if isinstance(revision, int) else 1))
        except (BSONError, OverflowError, UnicodeError, DocumentTooLarge):
            written.refused[document.id] = "Has values that MongoDB cannot hold"
            continue
        if len(raw) > MAX_BYTES:
            written.refused[document.id] = "Larger than MongoDB takes"
            continue
        # Where the revision is another one by now, the insert meets the record's own _id.
        condition = {"_id": text_id(document.id), "revision": revision}
        writes.append(pymongo.ReplaceOne(condition, RawBSONDocument(raw), upsert=True))
        ids.append(document.id)
    written.done = set(ids)
    if not writes:
        return written
    with _asking(WRITE_SECONDS):
        try:
            _documents().bulk_write(writes, ordered=False)
        except BulkWriteError as error:
            if error.details.get("writeConcernErrors"):
                raise DocumentsDown("MongoDB does not confirm what it wrote") from error
            for one in error.details["writeErrors"]:
                failed = ids[one["index"]]
                written.done.discard(failed)
                if one["code"] == DUPLICATE_KEY:
                    written.overtaken.add(failed)
                else:
                    written.refused[failed] = f"MongoDB refuses it ({one['code']})"
    return written


def remove_many(ids: Collection[Id]) -> None:
    """Records of documents that are no more."""
    if ids:
        with _asking(WRITE_SECONDS):
            _documents().delete_many({"_id": {"$in": [text_id(one) for one in ids]}})


def _record(document: Stored, revision: int) -> dict[str, Any]:
    return {
        "_id": text_id(document.id),
        "revision": revision,
        "digest": document.digest(),
        "site": document.site_id,
        "study": document.study_instance_uid,
        "series": document.series_instance_uid,
        "sop": document.sop_instance_uid,
        "number": document.instance_number,
        "row": document.row,
        "body": document.body,
        "overlay": document.overlay,
    }


# Reading


def get_many(site_id: int, uids: Collection[str]) -> dict[str, Any]:
    """The documents of these SOP Instance UIDs at a site, corrected."""
    wanted = [text_id((site_id, uid)) for uid in uids]
    found: dict[str, Any] = {}
    with _asking(READ_SECONDS):
        for start in range(0, len(wanted), AT_ONCE):
            some = {"_id": {"$in": wanted[start : start + AT_ONCE]}}
            for one in _documents().find(some, {"sop": 1, "body": 1, "overlay": 1}):
                found[one["sop"]] = merged(one["body"], one["overlay"])
    return found


def texts_of_series(site_id: int, study_uid: str, series_uid: str) -> list[str]:
    """The documents of a series as texts, by InstanceNumber and then as they came."""
    with _asking(READ_SECONDS):
        found = list(
            _documents().find(
                {"site": site_id, "study": study_uid, "series": series_uid},
                {"body": 1, "overlay": 1, "number": 1, "row": 1},
            )
        )
    found.sort(key=lambda one: (one["number"] is not None, one["number"] or 0, one["row"]))
    return [compact(merged(one["body"], one["overlay"])) for one in found]


def _of_keys(keys: Collection[Key]) -> Iterator[tuple[dict[str, Any], tuple[str, ...]]]:
    """Conditions of bounded size, with the fields that make a key; they may find more than it."""
    by_site: dict[int, list[Key]] = {}
    for key in keys:
        by_site.setdefault(key[0], []).append(key)
    for site_id, of_site in by_site.items():
        fields = ("site", "study", "series", "sop")[: len(of_site[0])]
        for start in range(0, len(of_site), AT_ONCE):
            some = of_site[start : start + AT_ONCE]
            if len(fields) == 4:
                yield {"_id": {"$in": [text_id((site_id, key[3])) for key in some]}}, fields
                continue
            condition: dict[str, Any] = {
                "site": site_id,
                "study": {"$in": sorted({key[1] for key in some})},
            }
            if len(fields) == 3:
                condition["series"] = {"$in": sorted({key[2] for key in some})}
            yield condition, fields


def first_of_each(keys: Collection[Key]) -> dict[Key, dict[str, Any]]:
    """The document of one instance, the first stored, of each study, series or instance."""
    found: dict[Key, dict[str, Any]] = {}
    with _asking(READ_SECONDS):
        for condition, fields in _of_keys(keys):
            group = {"_id": {name: f"${name}" for name in fields}, "row": {"$min": "$row"}}
            groups = _documents().aggregate([{"$match": condition}, {"$group": group}])
            firsts = [one["row"] for one in groups]
            shown = dict.fromkeys((*fields, "body", "overlay"), 1)
            for start in range(0, len(firsts), AT_ONCE):
                some = {**condition, "row": {"$in": firsts[start : start + AT_ONCE]}}
                for one in _documents().find(some, shown):
                    key = tuple(one[name] for name in fields)
                    found[key] = merged(one["body"], one["overlay"])
    return found


def count_of_keys(keys: Collection[Key]) -> int:
    """How many documents a search among these keys looks at, or some more."""
    with _asking(READ_SECONDS):
        return sum(_documents().count_documents(condition) for condition, _ in _of_keys(keys))


def search(tag_query: TagQuery, limit: int, *, among: Collection[Key]) -> set[Key]:
    """As `table.search`."""
    tops = sorted({path[0] for path in tag_query})
    present = [{f"body.{tag}": {"$exists": True} for tag in tops}, {"overlay": {"$ne": None}}]
    found: set[Key] = set()
    with _asking(READ_SECONDS):
        for condition, fields in _of_keys(among):
            shown = dict.fromkeys((*fields, "overlay", *(f"body.{tag}" for tag in tops)), 1)
            for one in _documents().find({**condition, "$or": present}, shown):
                key = tuple(one[name] for name in fields)
                if key in found or key not in among:
                    continue
                values = one.get("body", {}) | (one["overlay"] or {})
                if all(has(values, path, wanted) for path, wanted in tag_query.items()):
                    found.add(key)
                    if len(found) >= limit:
                        return found
    return found


def ids_after(after: str, limit: int) -> list[Id]:
    """The next records in the order of their `_id`."""
    with _asking(WRITE_SECONDS):
        rows = _documents().find({"_id": {"$gt": after}}, {"_id": 1}).sort("_id", 1).limit(limit)
        return [_id(one["_id"]) for one in rows]


def records(ids: Collection[Id]) -> dict[Id, dict[str, Any]]:
    """Whole records."""
    with _asking(WRITE_SECONDS):
        found = _documents().find({"_id": {"$in": [text_id(one) for one in ids]}})
        return {_id(one["_id"]): one for one in found}
