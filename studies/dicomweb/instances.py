"""Where instances are: rows and open files of this process, bounded. Stored bytes never change."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any

from django.db.models import F

from studies import archive
from studies.archive.opened import OpenFile, RemoteFile
from studies.corrections import files
from studies.corrections.overlays import overlay_of
from studies.dicom.errors import GateError
from studies.dicom.frames import FrameIndex
from studies.dicom.overlay import Overlay
from studies.dicomweb.authority import StudyRef
from studies.dicomweb.errors import NotFoundError
from studies.dicomweb.pool import Once, Pool
from studies.models import Instance, Series

LOCATIONS = 8192
OPEN_FILES = 256
SERIES_AT_ONCE = 2000


class Location:
    """One instance's place in the archive and the places of its frames."""

    __slots__ = (
        "_frames",
        "_index_text",
        "archive_key",
        "etag",
        "file_size",
        "number_of_frames",
        "overlay",
        "pk",
        "series_instance_uid",
        "series_pk",
        "sha256",
        "sop_class_uid",
        "sop_instance_uid",
        "transfer_syntax_uid",
    )

    def __init__(self, row: dict[str, Any]) -> None:
        self.pk: int = row["pk"]
        self.sop_instance_uid: str = row["sop_instance_uid"]
        self.sop_class_uid: str = row["sop_class_uid"]
        self.transfer_syntax_uid: str = row["transfer_syntax_uid"]
        self.archive_key: str = row["archive_key"]
        self.file_size: int = row["file_size"]
        self.number_of_frames: int = row["number_of_frames"]
        self.series_pk: int = row["series_id"]
        self.series_instance_uid: str = row["series__series_instance_uid"]
        self.sha256: str = row["file_sha256"]
        self.etag: str = self.sha256[:32]
        self.overlay: Overlay | None = row.get("overlay")
        self._index_text: str = row["frame_index"]
        self._frames: FrameIndex | None = None

    @property
    def header_etag(self) -> str:
        """Of what shows the header: another one where it is corrected otherwise."""
        return self.etag if self.overlay is None else f"{self.etag}-{self.overlay.digest}"

    @property
    def frames(self) -> FrameIndex:
        """Where the frames are; none where the instance has no pixel data."""
        if self._frames is None:
            self._frames = FrameIndex.from_json(self._index_text)
            self._index_text = ""
        return self._frames

    @property
    def needs_decode(self) -> bool:
        """Whether no bytes of the file are a frame, so that a decoder must cut it."""
        return self.frames.needs_decode


COLUMNS = (
    "pk",
    "series_id",
    "series__series_instance_uid",
    "sop_instance_uid",
    "sop_class_uid",
    "transfer_syntax_uid",
    "archive_key",
    "file_size",
    "number_of_frames",
    "file_sha256",
    "frame_index",
)


class Instances:
    """Locations by (study, series UID, SOP UID) and open files by archive key."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._once = Once()
        self._locations: OrderedDict[tuple[int, int, str, str], Location] = OrderedDict()
        self._files: OrderedDict[str, OpenFile | RemoteFile] = OrderedDict()

    async def find(self, study: StudyRef, series_uid: str, sop_uid: str) -> Location:
        """The instance's location. Raises NotFoundError."""
        wanted = (study.pk, study.version, series_uid, sop_uid)
        found = self._locations.get(wanted)
        if found is not None:
            return found
        rows = await self._once.run(
            wanted,
            lambda: self._pool.run(_rows_around, study.pk, series_uid, sop_uid),
        )
        if rows is None:
            raise NotFoundError
        found = self._locations.get(wanted)
        if found is not None:
            return found
        for row in rows:
            key = (study.pk, study.version, series_uid, row["sop_instance_uid"])
            if key not in self._locations:
                self._locations[key] = Location(row)
        while len(self._locations) > LOCATIONS:
            self._locations.popitem(last=False)
        return self._locations.get(wanted) or Location(rows[0])

    async def all_of(self, study: StudyRef, series_uid: str | None) -> list[Location]:
        """The locations of a study or series, in order. Raises NotFoundError for none."""
        rows = await self._pool.run(_rows_of, study.pk, series_uid)
        if not rows:
            raise NotFoundError
        return [Location(row) for row in rows]

    async def open(self, location: Location) -> OpenFile | RemoteFile:
        """The instance's file, kept open for the next reader."""
        known = self._files.get(location.archive_key)
        if known is not None:
            return known
        key, size = location.archive_key, location.file_size
        opened = await self._once.run(key, lambda: self._pool.run(archive.opened, key, size))
        self._files[key] = opened
        if len(self._files) > OPEN_FILES:
            self._files.popitem(last=False)
        return opened

    async def read(
        self,
        file: OpenFile | RemoteFile,
        offset: int,
        length: int,
        before: bytes = b"",
        after: bytes = b"",
    ) -> bytes:
        """Bytes of a file, between two others: from memory at once, from a disk in a thread."""
        data = file.read_cached(offset, length, before, after)
        if data is None:
            data = before + await self._pool.run(file.read, offset, length) + after
        return data


def header_path(location: Location) -> Path:
    """A file whose header is as it is corrected: the archive's own, or a copy in the cache.

    Raises NotFoundError where that cannot be made.
    """
    if location.overlay is None:
        return archive.local_path(location.archive_key)
    try:
        return files.corrected_copy(location.archive_key, location.header_etag, location.overlay)
    except GateError:
        raise NotFoundError from None


def _ordered(study_pk: int, series_uid: str | None) -> Any:
    rows = Instance.objects.filter(series__study_id=study_pk)
    if series_uid is not None:
        rows = rows.filter(series__series_instance_uid=series_uid)
    return rows.order_by(
        F("series__series_number").asc(nulls_last=True),
        "series_id",
        F("instance_number").asc(nulls_last=True),
        "id",
    )


def _rows_of(study_pk: int, series_uid: str | None) -> list[dict[str, Any]]:
    return with_overlays(study_pk, list(_ordered(study_pk, series_uid).values(*COLUMNS)))


def with_overlays(study_pk: int, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows with what is corrected of them."""
    wanted = {row["series_id"] for row in rows}
    series = Series.objects.filter(study_id=study_pk, pk__in=wanted).select_related("study")
    overlays = {one.pk: overlay_of(one.study, one) for one in series}
    for row in rows:
        row["overlay"] = overlays.get(row["series_id"])
    return rows


def _rows_around(study_pk: int, series_uid: str, sop_uid: str) -> list[dict[str, Any]] | None:
    """The instance's row and those of its series, which a viewer asks for next; None if unknown."""
    own = (
        Instance.objects.filter(
            series__study_id=study_pk,
            series__series_instance_uid=series_uid,
            sop_instance_uid=sop_uid,
        )
        .values(*COLUMNS)
        .first()
    )
    if own is None:
        return None
    others = _ordered(study_pk, series_uid).exclude(pk=own["pk"])[:SERIES_AT_ONCE]
    return with_overlays(study_pk, [own, *others.values(*COLUMNS)])
