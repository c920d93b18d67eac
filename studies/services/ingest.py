"""The one door: every image of every source ends here and is stored, a no-op, or quarantined.

Two steps. `prepare` needs no database row: it checks, parses and archives the bytes, and can run
in many threads. `commit` writes the rows of a batch in one transaction, in order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

import structlog
from django.conf import settings
from django.db import IntegrityError, transaction

from pacs.accounts.models import Site
from studies import archive
from studies.archive import room
from studies.corrections import files
from studies.dicom import frames, gate, header, json_model
from studies.dicom.elements import Elements
from studies.dicom.errors import GateError, Reason
from studies.dicom.payload import Payload
from studies.models import Instance
from studies.retention import tombstones
from studies.services import known as index
from studies.services.indexing import Batch

log = structlog.get_logger(__name__)
COMMIT_ATTEMPTS = 5

Outcome = Literal["stored", "duplicate", "quarantined", "refused"]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A file that is archived and understood, or refused with a reason."""

    source: str
    site_id: int
    archive_key: str
    file_size: int
    file_sha256: str
    reason: Reason | None = None
    gate: gate.Gate | None = None
    facts: header.Facts | None = None
    frame_index: str = ""
    number_of_frames: int = 0
    document: str = ""
    same_pixels_as: int | None = None
    """The stored instance that this is: only its encoding differs, or it is what was sent of it
    as it is corrected."""
    not_compared: bool = False
    """What is stored may be the same in another encoding: decoding took too long to say."""


@dataclass(frozen=True, slots=True)
class StoreResult:
    """What became of a file. In quarantine it has a `reason`, and "" for its UID; refused, and not
    kept, a `reason` with its UID."""

    outcome: Outcome
    sop_instance_uid: str
    reason: Reason | None = None
    study_id: int | None = None


class OtherStudyError(ValueError):
    """The file is of another study than the one it was sent to; nothing of it was kept."""

    def __init__(self, gate: gate.Gate) -> None:
        super().__init__("another study")
        self.gate = gate


def spool_dir() -> Path:
    """Where large files wait while they are read."""
    return Path(settings.DATA_DIR) / "incoming"


def _chunks(stream: IO[bytes]) -> Iterator[bytes]:
    while chunk := stream.read(1 << 20):
        yield chunk


def store(stream: IO[bytes], *, source: str, site: Site, actor: Any = None) -> StoreResult:
    """Store one DICOM file of `site`. Idempotent; the bytes are on disk when it returns.

    Raises TooLargeError above MAX_INSTANCE_BYTES; everything else about the file is a result.
    """
    payload = Payload.read(
        _chunks(stream), limit=settings.MAX_INSTANCE_BYTES, spool_dir=spool_dir()
    )
    try:
        return commit([prepare(payload, source=source, site_id=site.pk)], actor=actor)[0]
    finally:
        payload.close()


def prepare(
    payload: Payload, *, source: str, site_id: int, study_instance_uid: str | None = None
) -> Prepared:
    """Check, parse and archive. What is wrong with the file is in the result.

    `study_instance_uid`: the only study to take; raises OtherStudyError for another. Raises
    ArchiveFull where no image is taken now, and OSError where the archive cannot be written.
    """
    room.check()
    refused: Reason | None = None
    checked: gate.Gate | None = None
    facts: header.Facts | None = None
    index = document = ""
    count = 0
    try:
        checked, kept = gate.walk(payload.data, max_size=settings.MAX_INSTANCE_BYTES)
        elements = Elements(kept, lambda: header.read(payload.data))
        facts = header.facts(elements)
        frame_index = frames.index(checked, facts)
        index, count = frame_index.to_json(), frame_index.count
        document = json_model.to_json(elements, checked)
    except GateError as error:
        refused = error.reason
    except Exception as error:  # a parser's surprise must not lose the file or stop the rest
        log.error("header not understood", error=type(error).__name__, sha256=payload.sha256)
        refused = Reason.UNDECODABLE
    if study_instance_uid and checked and checked.study_instance_uid != study_instance_uid:
        raise OtherStudyError(checked)
    same_pixels: bool | None = False
    known = _known(site_id, checked.sop_instance_uid) if checked and refused is None else None
    ours = known is not None and checked is not None and _is_our_correction(known, checked)
    if (
        known is not None
        and checked is not None
        and (ours or known.content_digest == checked.content_digest)
    ):
        key = known.archive_key  # another encoding of what is there: nothing to keep
        same_pixels = ours
    elif known is None and checked is not None and refused is None and _is_buried(site_id, checked):
        refused, key = Reason.DELETED, ""
    else:
        key = archive.put(payload, site_id=site_id, sha256=payload.sha256)
    if known is not None and checked is not None and not ours:
        same_pixels = _only_encoding_differs(known, checked, key)
    return Prepared(
        source=source,
        site_id=site_id,
        archive_key=key,
        file_size=len(payload),
        file_sha256=payload.sha256,
        reason=refused,
        gate=checked,
        facts=facts,
        frame_index=index,
        number_of_frames=count,
        document=document,
        same_pixels_as=known.pk if known is not None and same_pixels else None,
        not_compared=same_pixels is None,
    )


def _known(site_id: int, sop_instance_uid: str) -> index.Known | None:
    return index.instances(site_id, [sop_instance_uid]).get(sop_instance_uid)


def _is_buried(site_id: int, checked: gate.Gate) -> bool:
    return bool(tombstones.buried(site_id, [checked.sop_instance_uid]))


def _is_our_correction(known: index.Known, checked: gate.Gate) -> bool:
    """Whether a file is the corrected form of what is stored, come back from where it was sent."""
    if known.content_digest == checked.content_digest:
        return False
    rows = Instance.objects.select_related("series__study").filter(pk=known.pk)
    overlay = next((files.overlay_of_instance(row) for row in rows), None)
    if overlay is None:
        return False
    try:
        before, rest_at = files.patched(known.archive_key, overlay)
        with archive.open_file(known.archive_key) as stored:
            stored.seek(rest_at)
            made = gate.inspect(before + stored.read(), max_size=settings.MAX_INSTANCE_BYTES)
    except (GateError, OSError):
        return False
    return made.content_digest == checked.content_digest


def _only_encoding_differs(known: index.Known, checked: gate.Gate, key: str) -> bool | None:
    """Whether another transfer syntax carries the very same pixels: compared decoded.

    None where that took too long.
    """
    from studies.dicom.pixels.client import PixelError, PixelTimeout
    from studies.services.pixels import pixel_service

    if (
        known.content_digest == checked.content_digest
        or known.transfer_syntax_uid == checked.transfer_syntax_uid
        or known.dataset_digest != checked.dataset_digest
    ):
        return False
    try:
        service = pixel_service()
        return service.decoded_digest(archive.local_path(known.archive_key)) == (
            service.decoded_digest(archive.local_path(key))
        )
    except PixelTimeout:
        return None
    except PixelError:
        return False


def commit(
    prepared: Sequence[Prepared],
    *,
    actor: Any = None,
    as_prior: bool = False,
    address: str = "",
    session_key: str = "",
    also: Callable[[], None] | None = None,
) -> list[StoreResult]:
    """Write the rows of a batch, all of one site, in order. One transaction, one event a study.

    Files first: when the first row is written, every file and its name are on the disk.

    `as_prior`: studies that are new with this batch need no reading. `actor`, `address` and
    `session_key` are for the audit trail. `also` is done last in the transaction: what it raises
    undoes it.
    """
    if not prepared:
        return []
    archive.settle({file.archive_key for file in prepared if file.archive_key})
    for attempt in range(COMMIT_ATTEMPTS):
        try:
            with transaction.atomic():
                batch = Batch(
                    prepared[0].site_id,
                    actor=actor,
                    as_prior=as_prior,
                    address=address,
                    session_key=session_key,
                )
                results = batch.write(prepared)
                if also is not None:
                    also()
                return results
        except IntegrityError:
            # Another process stored one of these at the same moment: look again.
            if attempt == COMMIT_ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable")
