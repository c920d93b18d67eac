"""Versions are appended here and nowhere else: hashed, chained, numbered without gaps."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from reports.document import GENESIS, chain_hash, content_hash
from reports.errors import Refused
from reports.models import Report, ReportVersion
from reports.signing.freezing import digest
from reports.signing.wording import plain

CLAMP = timedelta(minutes=5)
"""A clock that stands at most this far before the last signature is corrected, not refused."""


def last_of(report: Report) -> ReportVersion | None:
    """The newest version of a report, None where nothing is signed."""
    found: ReportVersion | None = report.versions.order_by("-number").first()
    return found


def moment(report: Report, last: ReportVersion | None) -> tuple[datetime, str]:
    """When a version that follows `last` is signed, by the server's clock, and a word on that.

    Never before the version before it. Raises Refused where the clock is off by more than CLAMP.
    """
    now = timezone.now()
    earliest = last.signed_at if last is not None else report.created_at
    if now >= earliest:
        return now, ""
    if earliest - now > CLAMP:
        raise Refused(
            "The server's clock stands before the time of the last signature."
            " Nothing was signed; have an administrator set the clock.",
            code="clock",
        )
    return earliest, f"clock was {now.isoformat()}, before the version before"


def append(
    report: Report,
    last: ReportVersion | None,
    frozen: dict[str, Any],
    *,
    signed_at: datetime,
    signer: Any,
    cosigner: Any = None,
) -> ReportVersion:
    """Insert the version after `last`, in the caller's transaction."""
    verification = uuid.uuid4()
    text = plain(frozen)
    content = {
        **frozen,
        "text_sha256": digest(text),
        "verification_sha256": digest(str(verification)),
    }
    sha256 = content_hash(content)
    previous = last.chain_sha256 if last is not None else GENESIS
    version: ReportVersion = ReportVersion.objects.create(
        report=report,
        number=frozen["number"],
        kind=frozen["kind"],
        content=content,
        content_sha256=sha256,
        previous_sha256=previous,
        chain_sha256=chain_hash(previous, sha256),
        signer=signer,
        cosigner=cosigner,
        signed_at=signed_at,
        verification=verification,
        text=text,
    )
    return version
