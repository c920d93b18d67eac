"""The steps that signing, addenda, co-signatures and withdrawals share, in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import F

from pacs import audit, events
from reports.delivery.planning import plan
from reports.document import canonical
from reports.errors import Refused, ReportError, Stale
from reports.models import Report, ReportState, ReportVersion
from reports.search.index import refresh
from reports.signing import pictures as key_pictures
from reports.signing.freezing import freeze, occasion
from reports.signing.signer import Signer, signer_at, user_id_of
from reports.signing.versions import append, last_of, moment
from studies.models import ReadingState, Study


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request comes from, as the audit trail keeps it."""

    address: str = ""
    session_key: str = ""

    def as_facts(self) -> dict[str, str]:
        return {"address": self.address, "session_key": self.session_key}


@dataclass(slots=True)
class Opened:
    """A report that is locked in a transaction, with its study, its last version and the signer."""

    report: Report
    study: Study
    last: ReportVersion | None
    signer: Signer

    @property
    def next_number(self) -> int:
        return self.last.number + 1 if self.last is not None else 1


@contextmanager
def refusals_kept(action: str, report_id: int, who: Any, origin: Origin) -> Iterator[None]:
    """What is refused is in the trail, although its transaction is not."""
    try:
        yield
    except ReportError as error:
        report = Report.objects.select_related("study").filter(pk=report_id).first()
        if report is not None:
            audit.record(
                action,
                actor=user_id_of(who),
                study=report.study,
                outcome="refused",
                detail={"report": report_id, "code": error.code},
                **origin.as_facts(),
            )
        raise


def _stale(report: Report) -> Stale:
    return Stale(
        "Somebody saved this report in between. Read it again before you sign it.",
        revision=report.revision,
        content=report.content,
    )


def document_at(report_id: int, revision: int) -> dict[str, Any]:
    report = Report.objects.only("revision", "content").get(pk=report_id)
    if report.revision != revision:
        raise _stale(report)
    return dict(report.content)


def pictures_of(
    report_id: int, draft: dict[str, Any], *, leave_out: bool
) -> dict[str, key_pictures.Picture]:
    """Made outside of the transaction, and of what the draft at this revision names."""
    study_id, site_id = Report.objects.values_list("study_id", "site_id").get(pk=report_id)
    return key_pictures.make(draft, study_id=study_id, site_id=site_id, leave_out=leave_out)


def open_report(report_id: int, who: Any, revision: int | None) -> Opened:
    """Lock study, then report; check the person and the revision."""
    study_id = Report.objects.values_list("study_id", flat=True).get(pk=report_id)
    study = Study.objects.select_for_update(of=("self",)).select_related("site").get(pk=study_id)
    report = Report.objects.select_for_update().get(pk=report_id)
    signer = signer_at(who, study.site_id)
    if revision is not None and report.revision != revision:
        raise _stale(report)
    return Opened(report, study, last_of(report), signer)


@contextmanager
def signing(
    report_id: int, who: Any, revision: int, origin: Origin, *, without_pictures: bool
) -> Iterator[tuple[Opened, dict[str, key_pictures.Picture]]]:
    """A draft as it is at `revision`, locked for its signature, with its pictures, made before."""
    with refusals_kept("report.signed", report_id, who, origin):
        draft = document_at(report_id, revision)
        pictures = pictures_of(report_id, draft, leave_out=without_pictures)
        with transaction.atomic():
            yield open_report(report_id, who, revision), pictures


def require_reader(opened: Opened) -> None:
    """The signer reads the study; a preliminary report that nobody holds may be taken up."""
    reader_id = opened.study.reader_id
    if reader_id == opened.signer.user.pk:
        return
    if reader_id is None and opened.report.state == ReportState.PRELIMINARY:
        return
    raise Refused(
        "Nothing was signed: the study is not yours (any more). Take it over first."
        if reader_id is not None
        else "Nothing was signed: claim the study first.",
        code="not-reader",
    )


def require_unclaimed(opened: Opened) -> None:
    if opened.study.reader_id not in (None, opened.signer.user.pk):
        raise Refused("Somebody else is working on this report.", code="not-reader")


def append_document(
    opened: Opened,
    document: dict[str, Any],
    pictures: Mapping[str, key_pictures.Picture],
    *,
    signer: Signer | None = None,
    **signed: Any,
) -> ReportVersion:
    def frozen(facts: dict[str, Any]) -> dict[str, Any]:
        return freeze(opened.report, opened.study, document, pictures=pictures, **facts)

    return _append_with(opened, frozen, signer=signer, **signed)


def append_frozen(opened: Opened, content: dict[str, Any], **signed: Any) -> ReportVersion:
    """A version with the words of an earlier one."""
    return _append_with(opened, lambda facts: {**content, **facts}, **signed)


def _append_with(
    opened: Opened,
    frozen: Callable[[dict[str, Any]], dict[str, Any]],
    *,
    signer: Signer | None = None,
    cosigner: Signer | None = None,
    **signed: Any,
) -> ReportVersion:
    signer = signer or opened.signer
    signed_at, clock = moment(opened.report, opened.last)
    facts = occasion(
        number=opened.next_number,
        signed_at=signed_at,
        signer=signer.identity,
        cosigner=cosigner.identity if cosigner else None,
        clock=clock,
        **signed,
    )
    return append(
        opened.report,
        opened.last,
        frozen(facts),
        signed_at=signed_at,
        signer=signer.user,
        cosigner=cosigner.user if cosigner else None,
    )


def wording(content: dict[str, Any]) -> bytes:
    """What of a version a reader reads: the same bytes are the same words and pictures."""
    keys = ("title", "language", "sections", "measurements", "patient")
    images = [(each["id"], each["caption"]) for each in content["key_images"]]
    return canonical([{key: content[key] for key in keys}, images])


def settle(opened: Opened, state: ReportState, **changes: Any) -> None:
    """Move the report, by compare-and-set on what was read. The editor's next save is stale."""
    report = opened.report
    changed = Report.objects.filter(
        pk=report.pk,
        state=report.state,
        revision=report.revision,
        is_addending=report.is_addending,
    ).update(state=state, revision=F("revision") + 1, **changes)
    if changed != 1:
        raise Refused("Somebody else was faster. Nothing was signed.", code="raced")
    report.refresh_from_db()


def move_study(opened: Opened, to: ReadingState, *, origin: Origin, **reader: Any) -> None:
    """Bring the study's reading along; `reader`: who reads it from now on. Unread has none."""
    from studies.reading.services import move

    move(opened.study.pk, to, actor=opened.signer.user, **reader, **origin.as_facts())


def follow_up(
    opened: Opened, version: ReportVersion, origin: Origin, *, action: str = "report.signed"
) -> None:
    """Deliveries, search, audit and event of a new version, in its transaction."""
    report, study = opened.report, opened.study
    plan(version)
    refresh(report)
    audit.record(
        action,
        actor=opened.signer.user,
        study=study,
        detail={
            "report": report.pk,
            "version": version.number,
            "kind": version.kind,
            "chain": version.chain_sha256,
            # Which warnings; the words of the answers are in the version.
            "answered": sorted({each["code"] for each in version.content["answers"].values()}),
        },
        **origin.as_facts(),
    )
    events.publish("report.changed", site=study.site_id, study=study.pk, report=report.pk)
