"""The status page: who sees what, and what each state is called."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as project
from django.test import Client
from django.utils import timezone

from agents.models import Agent, AgentState
from pacs.accounts.models import Site, User
from pacs.audit.models import AuditEvent
from pacs.health import queues
from pacs.health.models import Heartbeat
from studies.backup.models import BackupState
from studies.models import GoneAtOrthanc, OrthancServer, QuarantinedFile, Series
from studies.orthanc.presence import is_outdated
from studies.status import registry, sources
from studies.status.registry import Level, Reach

LogIn = Callable[[User], Client]


def server(site: Site, name: str, **fields: Any) -> OrthancServer:
    fields = {"version": "1.12.11", "last_contact_at": timezone.now(), **fields}
    return OrthancServer.objects.create(
        site=site, slug=name.lower(), name=name, base_url="http://127.0.0.1:1", **fields
    )


def only(panel: registry.Panel) -> registry.Line:
    (line,) = panel.lines
    return line


@pytest.mark.parametrize("who", ["radiologist", "technician", "referrer", "stranger"])
def test_who_runs_nothing_does_not_find_it(
    who: str, request: pytest.FixtureRequest, logged_in: LogIn
) -> None:
    client = logged_in(request.getfixturevalue(who))
    assert client.get("/status/").status_code == 404
    assert "/status/" not in client.get("/").content.decode()


def test_anonymous(client: Client, db: None) -> None:
    assert client.get("/status/", headers={"Accept": "text/html"}).status_code == 302
    assert client.get("/status/").status_code == 401


def test_site_admin_sees_their_part(
    site: Site, other_site: Site, site_admin: User, logged_in: LogIn
) -> None:
    server(site, "Mine")
    server(other_site, "Theirs")
    Agent.objects.create(site=site, name="Our-agent")
    Agent.objects.create(site=other_site, name="Their-agent")
    for place, reason in ((site, "mine"), (other_site, "theirs")):
        QuarantinedFile.objects.create(
            site=place, source="x", reason=reason, archive_key="k", file_size=1,
            file_sha256="0" * 64,
        )  # fmt: skip
    page = logged_in(site_admin).get("/status/").content.decode()
    assert "Mine" in page
    assert "Our-agent" in page
    assert "Their" not in page
    assert other_site.name not in page
    assert "Queues" not in page
    assert "Free share" not in page
    assert AuditEvent.objects.filter(action="status.opened").count() == 1


def test_superuser_sees_all(site: Site, other_site: Site, admin: User, logged_in: LogIn) -> None:
    server(site, "Mine")
    server(other_site, "Theirs")
    page = logged_in(admin).get("/status/").content.decode()
    for each in ("Mine", "Theirs", "Queues", "Free share", "Report deliveries", "Agents"):
        assert each in page
    part = logged_in(admin).get("/status/", headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in part
    assert "Theirs" in part


@pytest.mark.parametrize(
    ("fields", "level", "words"),
    [
        ({}, Level.OK, "Followed"),
        ({"version": "1.10.1"}, Level.WARN, "Followed"),
        ({"version": ""}, Level.OK, "Followed"),
        ({"remote_last": 5000, "cursor": 10}, Level.WARN, "Behind"),
        ({"failures": 3, "last_error": "cannot be reached"}, Level.STAT, "Not reached"),
        ({"last_contact_at": None}, Level.WARN, "Never reached yet"),
        (
            {"last_contact_at": timezone.now() - timedelta(minutes=5)},
            Level.STAT,
            "Not followed",
        ),
        ({"is_enabled": False, "failures": 3}, Level.IDLE, "Switched off"),
    ],
)
def test_an_orthanc(site: Site, fields: dict[str, Any], level: Level, words: str) -> None:
    server(site, "One", **fields)
    line = only(sources.orthanc(Reach(None)))
    assert (line.level, line.words) == (level, words)
    assert ("1.12.11" in line.problem) == (fields.get("version") == "1.10.1")
    assert dict(line.facts)["Changes behind"] == (4990 if words == "Behind" else 0)


@pytest.mark.parametrize(
    ("version", "outdated"),
    [
        ("1.12.10", True),
        ("1.12.11", False),
        ("1.13.0", False),
        ("1.9.7", True),
        ("2.0", False),
        ("mainline", False),
        ("", False),
    ],
)
def test_versions(version: str, outdated: bool) -> None:
    assert is_outdated(version) is outdated


def test_worker_and_queues(db: None, tmp_path: Any, settings: Any) -> None:
    settings.CELERY_BROKER_TRANSPORT_OPTIONS = {"data_folder_in": str(tmp_path)}
    for number, queue in enumerate(["follow", "follow", "backup"]):
        (tmp_path / f"{number:020d}_ab.{queue}.msg").write_text("{}")
    (tmp_path / "1_ab.follow.msg.draft").write_text("{}")
    assert queues.depths() == dict.fromkeys(queues.QUEUES, 0) | {"follow": 2, "backup": 1}
    panel = sources.work(Reach(None))
    assert panel is not None
    assert panel.lines[0].words == "Silent"
    Heartbeat.objects.create(name="worker", at=timezone.now())
    panel = sources.work(Reach(None))
    assert panel is not None
    assert panel.level == Level.OK
    assert sources.work(Reach(frozenset([1]))) is None


def test_every_queue_that_tasks_go_to_is_counted() -> None:
    routed = {route["queue"] for route in project.CELERY_TASK_ROUTES.values()}
    assert routed | {project.CELERY_TASK_DEFAULT_QUEUE} <= set(queues.QUEUES)


def test_a_redis_that_is_down(db: None, settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    panel = sources.work(Reach(None))
    assert panel is not None
    assert panel.lines[-1].words == "Broker silent"


@pytest.mark.parametrize(("free", "level"), [(50, Level.OK), (9, Level.WARN), (2, Level.STAT)])
def test_storage(free: int, level: Level, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil
    from collections import namedtuple

    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(100, 100 - free, free))
    panel = sources.storage(Reach(None))
    assert panel is not None
    assert panel.level == level


def test_backup(site: Site, other_site: Site, settings: Any) -> None:
    assert only(sources.backup(Reach(None))).words == "Off"
    settings.STORAGES = {**settings.STORAGES, "backup": {"BACKEND": "x"}}
    mine, theirs = Reach(frozenset([site.pk])), Reach(frozenset([other_site.pk]))
    BackupState.objects.create(
        site=site, archive_key="a", file_size=7, file_sha256="0" * 64,
        created_at=timezone.now() - timedelta(hours=1),
    )  # fmt: skip
    assert only(sources.backup(mine)).words == "Late"
    assert only(sources.backup(theirs)).words == "Up to date"
    BackupState.objects.create(
        site=site, archive_key="b", file_size=7, file_sha256="0" * 64, state="failed"
    )
    line = only(sources.backup(mine))
    assert (line.words, dict(line.facts)["Failed"], dict(line.facts)["Waiting"]) == (
        "Failed files",
        1,
        1,
    )
    whole = sources.backup(Reach(None))
    assert [each.name for each in whole.lines] == ["Image files", "Backup storage", "Database"]
    assert whole.lines[2].words == "No copy"


def test_deletions(site: Site, other_site: Site, study: Any) -> None:
    series = Series.objects.create(study=study, series_instance_uid="1.2")
    GoneAtOrthanc.objects.create(server=server(site, "One"), series=series, came=5, held=2)
    line = only(sources.deletions(Reach(None)))
    assert dict(line.facts)["Images"] == 3
    assert not sources.deletions(Reach(frozenset([other_site.pk]))).lines


def test_agents(site: Site) -> None:
    from agents.status import panel

    agent = Agent.objects.create(site=site, name="A", state=AgentState.ACTIVE)
    assert only(panel(Reach(None))).words == "Not connected"
    Agent.objects.update(silent_since=timezone.now())
    assert only(panel(Reach(None))).level == Level.STAT
    Agent.objects.update(connection="x", last_seen_at=timezone.now(), silent_since=None)
    assert only(panel(Reach(None))).words == "Online"
    assert only(panel(Reach(None))).link == f"/agents/{agent.pk}/"


def test_a_panel_that_fails_takes_no_other_with_it(
    admin: User, logged_in: LogIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(reach: Reach) -> registry.Panel:
        raise RuntimeError("DOE^Jane")

    monkeypatch.setattr(
        registry, "_sources", {**registry._sources, "x": (0, "A broken part", broken)}
    )
    answer = logged_in(admin).get("/status/")
    page = answer.content.decode()
    assert answer.status_code == 200
    assert "This part cannot be shown" in page
    assert "Orthanc servers" in page
    assert "DOE" not in page
