"""Celery tasks: each loads, calls a service, and leaves the rest to a row and a sweep."""

from __future__ import annotations

from datetime import timedelta

import structlog
from celery import shared_task
from django.db.models import Q
from django.utils import timezone

from studies import documents
from studies.backup import database, engine, enrolment, health, target, verify
from studies.backup.errors import NotEscrowed
from studies.dicom.pixels.client import PixelError
from studies.documents import delivery
from studies.documents import health as documents_health
from studies.errors import PermanentError, RetriableError
from studies.models import OrthancServer, Series
from studies.orders import matching
from studies.orthanc import presence
from studies.orthanc.follow import follow
from studies.reading import assignment, sweeps
from studies.retention import erase, quota
from studies.sending import deliver as sending
from studies.services import arrival, quarantine, thumbnails

log = structlog.get_logger(__name__)
SAMPLE = 50


@shared_task(name="studies.follow_changes", ignore_result=True)
def follow_changes(server_id: int) -> None:
    """One slice of following an Orthanc; enqueues the next where there is more."""
    outcome = follow(server_id)
    if not outcome.ran or outcome.failed:
        return
    hinted = OrthancServer.objects.filter(pk=server_id, hint_pending=True).exists()
    if outcome.more or hinted:
        follow_changes.delay(server_id)


@shared_task(name="studies.follow_sweep", ignore_result=True)
def follow_sweep() -> None:
    """Every server whose turn it is and that nobody follows: lost hints and lost tasks end here."""
    now = timezone.now()
    due = OrthancServer.objects.filter(
        Q(next_attempt_at=None) | Q(next_attempt_at__lte=now),
        Q(lease_until=None) | Q(lease_until__lt=now),
        is_enabled=True,
    ).values_list("id", flat=True)
    for server_id in due:
        follow_changes.apply_async((server_id,), expires=now + timedelta(seconds=30))


@shared_task(name="studies.arrival_sweep", ignore_result=True)
def arrival_sweep() -> None:
    """Studies whose quiet timer has run out; their caches are made before anyone opens them."""
    for study_id in arrival.settle_quiet():
        warm_study.delay(study_id)


@shared_task(name="studies.warm_study", ignore_result=True)
def warm_study(study_id: int) -> None:
    """Series metadata and thumbnails of a study. Losing it only makes the first look slower."""
    for series in Series.objects.filter(study_id=study_id).select_related("study"):
        documents.series_json_gzip(series)
        try:
            thumbnails.make_for_series(series)
        except PixelError as error:
            log.info("no thumbnail", series=series.pk, reason=str(error))


@shared_task(name="studies.deliver", ignore_result=True)
def deliver(destination_id: int) -> None:
    """A slice of sending to one destination; enqueues the next where there is more."""
    if sending.deliver(destination_id):
        deliver.delay(destination_id)


@shared_task(name="studies.deliver_sweep", ignore_result=True)
def deliver_sweep() -> None:
    """Every destination with something to do that nobody works for: lost tasks end here."""
    sending.give_up()
    soon = timezone.now() + timedelta(seconds=10)
    for destination_id in sending.waiting():
        deliver.apply_async((destination_id,), expires=soon)


@shared_task(name="studies.orders_sweep", ignore_result=True)
def orders_sweep() -> None:
    """Orders and studies that came at the same moment and did not see each other."""
    matching.sweep()


@shared_task(name="studies.presence_sweep", ignore_result=True)
def presence_sweep() -> None:
    """What was deleted at an Orthanc, and its version."""
    presence.sweep()


@shared_task(name="studies.quarantine_sweep", ignore_result=True)
def quarantine_sweep() -> None:
    """Sites that are to be told of a file, and files that were discarded long ago."""
    quarantine.tell_sites()
    quarantine.erase_discarded()


@shared_task(name="studies.assign_due", ignore_result=True)
def assign_due(site_id: int) -> None:
    """Studies of a site that its rules have still to look at."""
    assignment.assign_by_rules(site_id)


@shared_task(name="studies.reading_sweep", ignore_result=True)
def reading_sweep() -> None:
    """Idle claims, people who read there no more, assignments that a lost task left undone."""
    sweeps.sweep()


@shared_task(name="studies.retention_sweep", ignore_result=True)
def retention_sweep() -> None:
    """What was approved and whose grace is over; what a killed worker left half erased."""
    erase.run()


@shared_task(name="studies.quota_sweep", ignore_result=True)
def quota_sweep() -> None:
    """What the images of each site take, and who has to be told."""
    quota.count()
    quota.tell()


@shared_task(name="studies.backup", ignore_result=True)
def backup() -> None:
    """A slice of backing up; enqueues the next where there is more."""
    if engine.run():
        backup.delay()


@shared_task(name="studies.backup_sweep", ignore_result=True)
def backup_sweep() -> None:
    """Rows that are due: lost tasks end here. Also what was stored before there was a backup."""
    if not target.is_configured():
        return
    enrolment.catch_up()
    if engine.is_due():
        backup.apply_async(expires=timezone.now() + timedelta(seconds=10))
    if database.is_due() and not health.is_paused():
        backup_database.apply_async(expires=timezone.now() + timedelta(seconds=10))


@shared_task(name="studies.backup_database", ignore_result=True)
def backup_database() -> None:
    """A copy of the database, where the last one is old."""
    if not database.claim():
        return
    try:
        database.take()
    except NotEscrowed as error:
        health.say(str(error))
    except (PermanentError, RetriableError) as error:
        health.broke(str(error), refused=False)


@shared_task(name="studies.backup_check", ignore_result=True)
def backup_check() -> None:
    """Both copies of the files that were looked at longest ago, read back and compared."""
    if not target.is_configured():
        return
    health.tell()
    if not health.is_paused():
        verify.verify(verify.sample(SAMPLE))


@shared_task(name="studies.documents", ignore_result=True)
def deliver_documents() -> None:
    """A slice of delivering documents to MongoDB; enqueues the next where there is more."""
    if delivery.run():
        deliver_documents.delay()


@shared_task(name="studies.documents_sweep", ignore_result=True)
def documents_sweep() -> None:
    """Changes that are due: lost tasks end here. Also what MongoDB should have and has not."""
    delivery.watch()
    documents_health.tell()
    if delivery.is_due():
        deliver_documents.apply_async(expires=timezone.now() + timedelta(seconds=10))


@shared_task(name="studies.documents_check", ignore_result=True)
def documents_check() -> None:
    """The next documents of the table compared with what MongoDB has."""
    delivery.watch(check=True)
