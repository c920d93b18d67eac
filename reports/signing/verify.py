"""Whether what was signed is what is here: hashes, chains, numbers, states, pictures, triggers.

The chain tells a version that was changed, moved or taken out of the middle. A newest one that was
taken away is missed by the audit trail, which names the chain of each signature.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db import connection

from pacs.audit.models import AuditEvent
from reports.document import GENESIS, chain_hash, content_hash
from reports.models import Report, ReportState, ReportVersion, VersionKind
from reports.signing.freezing import digest
from reports.signing.triggers import GUARDS
from studies import archive

STATE_AFTER = {
    VersionKind.PRELIMINARY: ReportState.PRELIMINARY,
    VersionKind.FINAL: ReportState.FINAL,
    VersionKind.ADDENDUM: ReportState.ADDENDED,
    VersionKind.WITHDRAWAL: ReportState.WITHDRAWN,
}
SIGNING = ("report.signed", "report.withdrawn")
BATCH = 500


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with which report (0: the database) and version (0: the whole report)."""

    report: int
    version: int
    code: str
    words: str


def verify() -> Iterator[Problem]:
    """Everything that does not hold; nothing where all does. Reads the whole table in batches."""
    for guard in GUARDS:
        for name in guard.missing(connection):
            yield Problem(0, 0, "trigger", f"the trigger {name} is missing: run migrate")
    chains: dict[int, dict[int, str]] = {}
    for report in Report.objects.order_by("id").iterator(BATCH):
        versions = list(report.versions.order_by("number"))
        chains[report.pk] = {each.number: each.chain_sha256 for each in versions}
        yield from of_report(report, versions)
    yield from _trail(chains)


def of_report(report: Report, versions: list[ReportVersion]) -> Iterator[Problem]:
    """The problems of one report and its versions."""
    previous, before = GENESIS, None
    for expected, version in enumerate(versions, start=1):
        if version.number != expected:
            yield Problem(
                report.pk, version.number, "gap", f"version {expected} is not where it should be"
            )
            # The rest is compared with what is there.
            previous = version.previous_sha256
        if version.previous_sha256 != previous:
            yield Problem(report.pk, version.number, "chain", "it does not follow the one before")
        yield from _of_version(report, version)
        if before is not None and version.signed_at < before:
            yield Problem(report.pk, version.number, "time", "it is older than the one before")
        previous, before = version.chain_sha256, version.signed_at
    yield from _state(report, versions)


def _of_version(report: Report, version: ReportVersion) -> Iterator[Problem]:
    def wrong(code: str, words: str) -> Problem:
        return Problem(report.pk, version.number, code, words)

    content = version.content
    if not isinstance(content, dict):
        yield wrong("content", "there is no content")
        return
    if content_hash(content) != version.content_sha256:
        yield wrong("content", "the content is not what was signed")
    if chain_hash(version.previous_sha256, version.content_sha256) != version.chain_sha256:
        yield wrong("chain", "its link is not that of its content")
    columns = {
        "report": report.pk,
        "number": version.number,
        "kind": version.kind,
        "signed_at": version.signed_at.isoformat(),
        "signer": version.signer_id,
        "cosigner": version.cosigner_id,
        "text_sha256": digest(version.text),
        "verification_sha256": digest(str(version.verification)),
        "study": report.study_id,
    }
    for name, value in columns.items():
        said = content.get(name)
        if isinstance(said, dict):
            said = said.get("id")
        if said != value:
            yield wrong("column", f"{name} is not what was signed")
    for image in content.get("key_images") or []:
        if not _picture_is_there(image):
            yield wrong("picture", f"the picture {str(image.get('sha256'))[:12]} is not as signed")


def _picture_is_there(image: dict[str, Any]) -> bool:
    try:
        with archive.open_file(str(image["archive_key"])) as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == image["sha256"]
    except (OSError, KeyError, ValueError):
        return False


def _state(report: Report, versions: list[ReportVersion]) -> Iterator[Problem]:
    expected = STATE_AFTER[VersionKind(versions[-1].kind)] if versions else ReportState.DRAFT
    if report.state != expected:
        yield Problem(
            report.pk, 0, "state", f"it is {report.state}, its last version makes it {expected}"
        )


def _trail(chains: dict[int, dict[int, str]]) -> Iterator[Problem]:
    """Every signature in the audit trail has its version, with the chain it had then."""
    signed = AuditEvent.objects.filter(action__in=SIGNING, outcome="ok").order_by("id")
    for event in signed.values_list("detail", flat=True).iterator(BATCH):
        report, number = int(event.get("report") or 0), int(event.get("version") or 0)
        found = chains.get(report, {}).get(number)
        if found is None:
            yield Problem(report, number, "missing", "it was signed and is not here")
        elif found != event.get("chain"):
            yield Problem(report, number, "trail", "the audit trail names another chain")
