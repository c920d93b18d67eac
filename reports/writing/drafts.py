"""Drafts: opened, saved while somebody writes, discarded. Never lost without a word.

A draft is written by one person at a time, the study's reader. Every save names the revision it
was made from; one made from an older revision is refused with what is there now.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from django.db import IntegrityError, models, transaction
from django.utils import timezone

from pacs import audit, events
from pacs.accounts.models import Role, User
from pacs.accounts.principal import Principal, principal_of
from reports import document
from reports.errors import NotAllowed, Refused, ReportError, Stale
from reports.managers import ReportQuerySet
from reports.models import Report, ReportState
from reports.permissions import may_write, needs_cosignature
from reports.templating import choice, inserts, starting
from reports.templating.services import newest_version
from reports.writing import characters
from reports.writing.cleaning import clean_document
from studies.models import ReadingState, Study
from studies.reading import services as reading
from studies.reading.errors import ReadingError

OPEN_STATES = (ReportState.DRAFT, ReportState.PRELIMINARY)
STARTING = (ReadingState.UNREAD, ReadingState.CLAIMED, ReadingState.NOT_NEEDED)


class Saved(NamedTuple):
    """The revision that the content has now, and since when."""

    revision: int
    saved_at: datetime


def current(study: Study) -> Report | None:
    """The study's report that is not withdrawn."""
    reports = Report.objects.exclude(state=ReportState.WITHDRAWN)
    found: Report | None = reports.select_related("saved_by").filter(study=study).first()
    return found


def hindrance(
    study: Study, report: Report | None, who: User, principal: Principal
) -> ReportError | None:
    """Why this person may not write this report as things stand; None where they may."""
    if not may_write(principal, study.site_id):
        return NotAllowed(
            "Only radiologists of the study's site write its report. What was saved is kept.",
            code="role",
        )
    if report is not None:
        if report.state == ReportState.WITHDRAWN:
            return Refused("This report was withdrawn. What was saved is kept.", code="withdrawn")
        if report.state not in OPEN_STATES and not report.is_addending:
            return Refused("This report is signed. It changes by an addendum only.", code="signed")
    elif study.reading_state not in STARTING:
        return Refused("This study has been read without a report here.", code="read")
    if study.reader_id is not None and study.reader_id != who.pk:
        name = str(study.reader)
        return Refused(
            f"{name} writes this report now. What was saved before is kept.",
            code="taken",
            writer={"id": study.reader_id, "name": name},
        )
    if report is not None and report.addendum_waits:
        return Refused(
            "This addendum is signed by a resident and waits for a second signature.",
            code="waiting",
        )
    if study.reader_id is None and report is not None:
        return Refused(
            "The study was released. Claim it again to go on; what was saved is kept.",
            code="released",
        )
    return None


def open_draft(
    study_id: int,
    who: User,
    *,
    principal: Principal | None = None,
    address: str = "",
    session_key: str = "",
) -> Report:
    """Make `who` the writer of the study's report: claims the study if nobody has it, creates the
    draft or returns the one that is there. Safe to repeat.

    Raises NotAllowed for somebody who may not write at the site, Refused where another has the
    study or the report is signed, Study.DoesNotExist where the study is not seen.
    """
    principal = principal or principal_of(who)
    visible = Study.objects.visible_to(principal).select_related("reader", "site")
    study: Study = visible.get(pk=study_id)
    report = current(study)
    problem = hindrance(study, report, who, principal)
    if problem is not None and problem.code != "released":
        raise problem
    if study.reader_id is None:
        try:
            study = reading.claim(study_id, who, address=address, session_key=session_key)
        except ReadingError as error:
            study = visible.get(pk=study_id)
            raise hindrance(study, report, who, principal) or Refused(
                error.words, code="taken"
            ) from error
    if report is not None:
        if report.state == ReportState.DRAFT and study.reading_state == ReadingState.CLAIMED:
            reading.move(study.pk, ReadingState.DRAFT, actor=who)
        return report
    try:
        with transaction.atomic():
            report = Report.objects.create(
                site_id=study.site_id,
                study=study,
                author=who,
                saved_by=who,
                content=beginning(study, who),
            )
            reading.move(study.pk, ReadingState.DRAFT, actor=who)
            audit.record(
                "report.started",
                actor=who,
                study=study,
                address=address,
                session_key=session_key,
                detail={"report": report.pk},
            )
            events.publish("report.changed", site=study.site_id, study=study.pk, report=report.pk)
    except IntegrityError:
        # The same person's other window was faster.
        report = current(study)
        if report is None:
            raise
    return report


def beginning(study: Study, who: User) -> dict[str, Any]:
    """What a new draft says: the best template for the study, or the empty sections."""
    best = next(iter(choice.choose(study, who)), None)
    fits = best is not None and getattr(best, "fits", False)
    version = newest_version(best) if best is not None and fits else None
    if version is not None:
        return starting.start(version, inserts.facts(study, version.template.language))
    title = characters.line(study.study_description) or study.modalities
    return clean_document(document.empty(title=title[:200]))


def save(
    report_id: int,
    who: User,
    content: Any,
    revision: int,
    *,
    principal: Principal | None = None,
    address: str = "",
    session_key: str = "",
) -> Saved:
    """Keep `content` as the draft, made from `revision`. One transaction, compare-and-set.

    The same content again with the old revision is no conflict: the answer is the revision that
    holds it. Raises Stale (with what is there now) where somebody saved in between, NotAllowed and
    Refused where `who` may no longer write, BadContent for what is no document,
    Report.DoesNotExist where the report is not seen.
    """
    principal = principal or principal_of(who)
    report = _visible(report_id, principal)
    problem = hindrance(report.study, report, who, principal)
    if problem is not None:
        raise problem
    cleaned = clean_document(content)
    now = timezone.now()
    with transaction.atomic():
        kept = _writable(report_id, who).filter(revision=revision)
        changed = kept.update(
            content=cleaned, revision=revision + 1, saved_at=now, saved_by_id=who.pk
        )
        if changed:
            # One event for who writes in a session, not one for every few seconds of typing.
            audit.record_read(
                "report.written",
                actor=who,
                study=report.study,
                address=address,
                session_key=session_key,
                detail={"report": report_id, "revision": revision + 1},
            )
            reading.seen(report.study_id, who)
    if changed:
        return Saved(revision + 1, now)
    return _after_a_miss(report_id, who, principal, cleaned)


def _after_a_miss(
    report_id: int, who: User, principal: Principal, cleaned: dict[str, Any]
) -> Saved:
    """Why nothing was saved: the same was saved before, or somebody else did or took the study."""
    report = _visible(report_id, principal)
    problem = hindrance(report.study, report, who, principal)
    if problem is not None:
        raise problem
    if report.content == cleaned:
        return Saved(report.revision, report.saved_at)
    raise _stale(report)


def discard(
    report_id: int,
    who: User,
    *,
    revision: int | None = None,
    principal: Principal | None = None,
    address: str = "",
    session_key: str = "",
) -> None:
    """Delete a draft that nobody has signed; the study goes back to claimed.

    With `revision`, only as it was seen: Stale otherwise. Raises as `save`, and Refused for what
    carries a signature or a critical result.
    """
    principal = principal or principal_of(who)
    report = _visible(report_id, principal)
    problem = hindrance(report.study, report, who, principal)
    if problem is not None:
        raise problem
    refused = Refused(
        "Only a draft that nobody has signed can be discarded.", code="not-discardable"
    )
    if report.state != ReportState.DRAFT or report.is_addending:
        raise refused
    try:
        with transaction.atomic():
            drafts = _writable(report_id, who).filter(state=ReportState.DRAFT)
            if revision is not None:
                drafts = drafts.filter(revision=revision)
            if not drafts.select_for_update(of=("self",)).exists():
                raise _stale(_visible(report_id, principal))
            Report.objects.filter(pk=report_id).delete()
            reading.move(report.study_id, ReadingState.CLAIMED, actor=who)
            audit.record(
                "report.discarded",
                actor=who,
                study=report.study,
                address=address,
                session_key=session_key,
                detail={
                    "report": report_id,
                    "revision": report.revision,
                    "content_sha256": document.content_hash(report.content),
                },
            )
            events.publish(
                "report.changed", site=report.site_id, study=report.study_id, report=report_id
            )
    except models.ProtectedError as error:
        raise refused from error


def unfinished(who: User, principal: Principal | None = None) -> models.QuerySet[Report]:
    """Drafts and addenda that this person has begun and not signed, the newest first."""
    principal = principal or principal_of(who)
    # The studies in hand are few and have an index; reports are many.
    reading_now = list(Study.objects.filter(reader_id=who.pk).values_list("pk", flat=True)[:500])
    mine: ReportQuerySet = Report.objects.visible_to(principal).filter(study__in=reading_now)
    begun = models.Q(state=ReportState.DRAFT) | models.Q(is_addending=True)
    return mine.filter(begun).select_related("study", "study__site").order_by("-saved_at")


def waiting_addenda(who: User, principal: Principal | None = None) -> models.QuerySet[Report]:
    """Residents' addenda that this radiologist may sign as second, the longest waiting first."""
    principal = principal or principal_of(who)
    sites = {
        site
        for site, role in principal.roles
        if role == Role.RADIOLOGIST.value and not needs_cosignature(principal, site)
    }
    waiting: ReportQuerySet = Report.objects.visible_to(principal).filter(site_id__in=sites)
    return (
        waiting.filter(is_addending=True, cosigner_wanted=True)
        .exclude(addendum_signer_id=who.pk)
        .select_related("study__site", "addendum_signer")
        .order_by("saved_at")
    )


def _visible(report_id: int, principal: Principal) -> Report:
    """The report with its study, for somebody who sees the site whole: drafts are no referrer's."""
    reports = Report.objects.visible_to(principal)
    if not principal.is_superuser:
        reports = reports.filter(site_id__in=principal.whole_sites)
    found: Report = reports.select_related("study", "study__reader", "saved_by").get(pk=report_id)
    return found


def _writable(report_id: int, who: User) -> models.QuerySet[Report]:
    begun = models.Q(state__in=OPEN_STATES) | models.Q(is_addending=True, withdrawn_at=None)
    return Report.objects.filter(begun, pk=report_id, study__reader_id=who.pk)


def _stale(report: Report) -> Stale:
    return Stale(
        "This report was saved elsewhere in between. Nothing was overwritten.",
        revision=report.revision,
        content=report.content,
        saved_at=report.saved_at,
        saved_by={"id": report.saved_by_id, "name": str(report.saved_by)},
    )
