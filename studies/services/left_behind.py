"""Files that a source has and the portal does not take: an entry in quarantine without a file."""

from __future__ import annotations

import hashlib

from studies.dicom.errors import Reason
from studies.services.ingest import Prepared


def too_large(*, server_id: int, site_id: int, resource: str, size: int) -> Prepared:
    """The instance `resource` of an Orthanc, of `size` bytes: to be committed like others.

    The digest is one of its name, so that it is one entry however often it is met.
    """
    source = f"orthanc:{server_id}/instances/{resource}"
    return Prepared(
        source=source[:80],
        site_id=site_id,
        archive_key="",
        file_size=size,
        file_sha256=hashlib.sha256(source.encode()).hexdigest(),
        reason=Reason.LEFT_AT_ORTHANC,
    )
