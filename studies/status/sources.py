"""The panels that the portal itself has: Orthanc, work, storage, backup, quarantine."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.db.models import Count, F, Min, Sum
from django.template.defaultfilters import capfirst, filesizeformat
from django.urls import reverse
from django.utils import timezone

from pacs.health import metrics, queues
from pacs.health.models import Heartbeat
from studies import archive
from studies.backup import health, target
from studies.backup.models import BackupState, DatabaseBackup
from studies.documents import health as documents_health
from studies.models import OrthancServer, QuarantinedFile
from studies.orthanc.models import GoneAtOrthanc
from studies.orthanc.presence import is_outdated
from studies.retention import status as retention
from studies.sending.models import OPEN, Send, State
from studies.status import metrics as numbers
from studies.status.registry import Level, Line, Panel, Reach, register

SILENT_AFTER = timedelta(minutes=2)
BEHIND = 1000
LONG_QUEUE = 1000
FREE_WARN, FREE_STAT = 0.10, 0.03
BACKUP_LATE = timedelta(minutes=15)
DELETIONS_SHOWN = 20
SENDS_DAYS = 7


def orthanc(reach: Reach) -> Panel:
    servers = reach.within(OrthancServer.objects.select_related("site")).order_by(
        "site__name", "name"
    )
    return Panel(
        "orthanc",
        "Orthanc servers",
        [_server(server) for server in servers],
        empty="No Orthanc is followed. Enter one in the admin; its page in the guide says how.",
    )


def _server(server: OrthancServer) -> Line:
    level, words, problem = Level.OK, "Followed", server.last_error
    now = timezone.now()
    contact = server.last_contact_at
    if not server.is_enabled:
        level, words, problem = Level.IDLE, "Switched off", ""
    elif server.failures:
        level, words = Level.STAT, "Not reached"
        problem = (
            f"{capfirst(server.last_error)}. Tried {server.failures} times, and again by itself."
        )
    elif contact is None:
        level, words = Level.WARN, "Never reached yet"
    elif now - contact > SILENT_AFTER:
        level, words = Level.STAT, "Not followed"
        problem = "Nobody has asked it for a while: look whether the worker runs."
    elif server.lag >= BEHIND:
        level, words = Level.WARN, "Behind"
    if level in (Level.OK, Level.WARN) and is_outdated(server.version):
        level = Level.WARN
        problem = (problem + " " if problem else "") + (
            "Older than 1.12.11: crafted files can end it (CVE-2026-5437 to 5445). Update it."
        )
    return Line(
        server.name,
        level,
        words,
        where=server.site.name,
        facts=(
            ("Last contact", contact or "never"),
            ("Changes behind", server.lag),
            ("Version", server.version or "not known yet"),
            ("Deletions looked for", server.looked_at or "not yet"),
        ),
        problem=problem,
    )


def deletions(reach: Reach) -> Panel:
    gone = reach.within(GoneAtOrthanc.objects.all(), "server__site_id")
    rows = (
        gone.values("server__name", "server__site__name", "server_id")
        .annotate(
            of_series=Count("id"),
            images=Sum(F("came") - F("held")),
            of_studies=Count("series__study_id", distinct=True),
            since=Min("noticed_at"),
        )
        .order_by("server__name")[:DELETIONS_SHOWN]
    )
    return Panel(
        "deletions",
        "Deleted at Orthanc",
        [
            Line(
                row["server__name"],
                Level.IDLE,
                "Kept in the archive",
                where=row["server__site__name"],
                facts=(
                    ("Studies", row["of_studies"]),
                    ("Series", row["of_series"]),
                    ("Images", row["images"]),
                    ("First noticed", row["since"]),
                ),
            )
            for row in rows
        ],
        empty="Nothing that came from an Orthanc was deleted there, as far as was looked.",
    )


def work(reach: Reach) -> Panel | None:
    if not reach.is_everything:
        return None
    beat = Heartbeat.objects.filter(name="worker").first()
    stale = timedelta(seconds=settings.WORKER_HEARTBEAT_STALE_SECONDS)
    lines = []
    if beat is not None and timezone.now() - beat.at <= stale:
        lines.append(Line("Worker", Level.OK, "Works", facts=(("Sign of life", beat.at),)))
    else:
        lines.append(
            Line(
                "Worker",
                Level.STAT,
                "Silent",
                facts=(("Sign of life", beat.at if beat else "never"),),
                problem="Nothing is fetched, delivered or backed up. Start worker and beat.",
            )
        )
    try:
        waiting = queues.depths()
        is_long = max(waiting.values()) >= LONG_QUEUE
        lines.append(
            Line(
                "Queues",
                Level.WARN if is_long else Level.OK,
                "Long" if is_long else "In time",
                facts=tuple(waiting.items()),
            )
        )
    except queues.BrokerUnavailable:
        lines.append(
            Line(
                "Queues",
                Level.STAT,
                "Broker silent",
                problem="What is due is in the database and is done when it is back.",
            )
        )
    return Panel("work", "Worker and queues", lines)


def storage(reach: Reach) -> Panel | None:
    if not reach.is_everything:
        return None
    lines = [_disk("Data folder", Path(settings.DATA_DIR))]
    folder = archive.folder()
    lines.insert(0, _bucket() if folder is None else _disk("Archive", folder))
    return Panel("storage", "Storage", lines)


def _bucket() -> Line:
    if (trouble := archive.trouble()) is not None:
        return Line("Archive", Level.STAT, "Not reached", problem=trouble)
    return Line("Archive", Level.OK, "At an object storage")


def _disk(name: str, place: Path) -> Line:
    try:
        usage = shutil.disk_usage(place)
    except FileNotFoundError:
        return Line(name, Level.IDLE, "Not made yet", problem="It is made with the first image.")
    except OSError as error:
        return Line(name, Level.STAT, "Not readable", problem=error.strerror or "")
    share = usage.free / usage.total if usage.total else 0.0
    level, words, problem = Level.OK, "Room", ""
    if share < FREE_STAT:
        level, words = Level.STAT, "Nearly full"
        problem = "When it is full no more images are taken; Orthanc keeps them. Make room."
    elif share < FREE_WARN:
        level, words = Level.WARN, "Filling"
    facts = (
        ("Free", filesizeformat(usage.free)),
        ("Of", filesizeformat(usage.total)),
        ("Free share", f"{share:.0%}"),
    )
    return Line(name, level, words, facts=facts, problem=problem)


def backup(reach: Reach) -> Panel:
    if not target.is_configured():
        words = "There is no backup storage. Images lie in one place only: set PACS_BACKUP_URL."
        return Panel("backup", "Backup", [Line("Backup", Level.WARN, "Off", problem=words)])
    lines = [_copies(reach)]
    if reach.is_everything:
        lines += [_target(), _database()]
    return Panel("backup", "Backup", lines)


def _copies(reach: Reach) -> Line:
    states = reach.within(BackupState.objects.all())
    pending = states.filter(state=BackupState.State.PENDING).aggregate(
        files=Count("id"), bytes=Sum("file_size"), since=Min("created_at")
    )
    failed = states.filter(state=BackupState.State.FAILED).count()
    since = pending["since"]
    level, words, problem = Level.OK, "Up to date", ""
    if pending["files"]:
        words = "Uploading"
    if since and timezone.now() - since > BACKUP_LATE:
        level, words = Level.WARN, "Late"
    if failed:
        level, words = Level.STAT, "Failed files"
        problem = "These files have one copy only. Their rows say why."
    return Line(
        "Image files",
        level,
        words,
        facts=(
            ("Waiting", pending["files"]),
            ("To upload", filesizeformat(pending["bytes"] or 0)),
            ("Oldest since", since or "none"),
            ("Failed", failed),
        ),
        problem=problem,
    )


def _target() -> Line:
    row = health.row()
    level, words = Level.OK, "Works"
    if row.failures or row.last_error:
        level, words = Level.STAT, "Fails" if row.failures else "Stands still"
    elif row.last_success_at is None:
        level, words = Level.IDLE, "Not used yet"
    return Line(
        "Backup storage",
        level,
        words,
        facts=(("Last success", row.last_success_at or "never"), ("Failures", row.failures)),
        problem=row.last_error,
    )


def _database() -> Line:
    last = DatabaseBackup.objects.order_by("-taken_at").values_list("taken_at", flat=True).first()
    late = timedelta(minutes=2 * settings.BACKUP_DATABASE_MINUTES)
    if last is None:
        words = "Reports, users and the audit trail have no copy yet."
        return Line("Database", Level.STAT, "No copy", problem=words)
    if timezone.now() - last > late:
        return Line("Database", Level.STAT, "Late", facts=(("Last copy", last),))
    return Line("Database", Level.OK, "Up to date", facts=(("Last copy", last),))


def documents(reach: Reach) -> Panel | None:
    """The outbox of documents; None where there is no MongoDB, and for site administrators."""
    if not reach.is_everything or not settings.MONGODB_URL:
        return None
    row, lag = documents_health.row(), documents_health.lag()
    since = lag["since"]
    level, words = Level.OK, "Up to date"
    if lag["waiting"]:
        words = "Delivering"
    if row.ready_at is None:
        level, words = Level.IDLE, "First round"
    if lag["kept"]:
        level, words = Level.WARN, "Some stay in the table"
    if since and timezone.now() - since > documents_health.LATE:
        level, words = Level.WARN, "Late"
    if row.failures:
        level, words = Level.STAT, "Not reached"
    line = Line(
        "Outbox",
        level,
        words,
        facts=(
            ("Waiting", lag["waiting"]),
            ("Oldest since", since or "none"),
            ("Not held there", lag["kept"]),
            ("Last success", row.last_success_at or "never"),
        ),
        problem=f"{row.last_error} The portal's own table serves meanwhile."
        if row.failures
        else "",
    )
    return Panel("documents", "Documents in MongoDB", [line])


def quarantine(reach: Reach) -> Panel:
    rows = (
        reach.within(QuarantinedFile.objects.filter(is_open=True))
        .order_by()
        .values("site_id", "site__name")
        .annotate(files=Count("id"), since=Min("received_at"))
        .order_by("site__name")
    )
    return Panel(
        "quarantine",
        "Quarantine",
        [
            Line(
                row["site__name"],
                Level.WARN,
                "Waits for a decision",
                facts=(("Files", row["files"]), ("Oldest", row["since"])),
                link=f"{reverse('quarantine')}?site={row['site_id']}",
            )
            for row in rows
        ],
        empty="No file waits for a decision.",
    )


def sends(reach: Reach) -> Panel:
    waiting = reach.within(Send.objects.filter(state__in=OPEN), "study__site_id").count()
    lately = timezone.now() - timedelta(days=SENDS_DAYS)
    failed = reach.within(
        Send.objects.filter(state=State.FAILED, finished_at__gt=lately), "study__site_id"
    ).count()
    return Panel(
        "sends",
        "Sending",
        [
            Line(
                "Sends of studies",
                Level.WARN if failed else Level.OK,
                "Some failed" if failed else "In order",
                facts=(("On their way", waiting), (f"Failed in {SENDS_DAYS} days", failed)),
                link=reverse("sends"),
            )
        ],
    )


def register_all() -> None:
    """The panels and numbers of this app."""
    metrics.register(numbers.orthanc)
    metrics.register(numbers.backup)
    metrics.register(numbers.documents)
    metrics.register(retention.numbers)
    register("orthanc", "Orthanc servers", orthanc, place=10)
    register("work", "Worker and queues", work, place=20)
    register("storage", "Storage", storage, place=30)
    register("backup", "Backup", backup, place=40)
    register("documents", "Documents in MongoDB", documents, place=45)
    register("quota", "Storage by site", retention.quotas, place=46)
    register("retention", "Retention", retention.retention, place=48)
    register("quarantine", "Quarantine", quarantine, place=50)
    register("sends", "Sending", sends, place=60)
    register("deletions", "Deleted at Orthanc", deletions, place=90)
