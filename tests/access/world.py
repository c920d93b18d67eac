"""One of everything at one site, those who may ask for it, and a way to ask without a trace."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Max
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from agents.models import Agent, AgentCommand, AgentEvent, AgentRelease, AgentState
from pacs import audit
from pacs.accounts.models import Role, Site, User
from pacs.audit.models import AuditEvent
from reports import document
from reports.attachments.models import Attachment
from reports.critical.models import CriticalResult
from reports.delivery.models import Delivery, DeliveryRule
from studies.models import (
    Correction,
    CorrectionProposal,
    DeletionProposal,
    Destination,
    HangingProtocol,
    Instance,
    KeyImage,
    Measurement,
    Order,
    OrthancServer,
    OwnWindow,
    QuarantinedFile,
    RetentionRule,
    SavedFilter,
    Send,
    Series,
    SiteUsage,
    Study,
    StudyGrant,
)
from tests.conftest import person
from tests.reports.factories_delivery import sign
from tests.reports.factories_templates import macro, template

ACTORS = (
    "radiologist",
    "technician",
    "site_admin",
    "admin",
    "granted",
    "referrer",
    "stranger",
    "anonymous",
)


@dataclass
class World:
    """The rows that the addresses name, and each actor's session."""

    values: dict[str, Any]
    sessions: dict[str, str]


def build(site: Site, other_site: Site, study: Study) -> World:
    """Everything there is to ask for, at `site`; the stranger works at `other_site`."""
    now = timezone.now()
    users: dict[str, User | None] = {
        "radiologist": person("radiologist", site, Role.RADIOLOGIST),
        "technician": person("technician", site, Role.TECHNICIAN),
        "site_admin": person("site_admin", site, Role.SITE_ADMIN, is_staff=True),
        "admin": person("admin", is_superuser=True, is_staff=True),
        "granted": person("granted", site, Role.REFERRER),
        "referrer": person("referrer", site, Role.REFERRER),
        "stranger": person("stranger", other_site, Role.RADIOLOGIST),
        "anonymous": None,
    }
    reader: Any = users["radiologist"]
    StudyGrant.objects.create(study=study, user=users["granted"], granted_by=reader)
    series = Series.objects.create(study=study, series_instance_uid="1.2.3", modality="CT")
    instance = Instance.objects.create(
        site=site, series=series, sop_instance_uid="1.2.3.1",
        sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
        transfer_syntax_uid="1.2.840.10008.1.2.1", archive_key="nowhere", file_size=1,
        file_sha256="0" * 64, content_digest="0" * 64, dataset_digest="0" * 64, source="test",
    )  # fmt: skip
    server = OrthancServer.objects.create(
        site=site, slug="main", name="Main Orthanc", base_url="http://127.0.0.1:9"
    )
    DeliveryRule.objects.create(
        site=site, name="all", transport="orthanc", target={"server": server.pk}
    )
    version = sign(study, reader)
    destination = Destination.objects.create(
        site=site, name="Peer", kind="dicomweb", url="https://peer.example/"
    )
    agent = Agent.objects.create(site=site, name="Ward", state=AgentState.ACTIVE)
    image = {"study": study, "series_instance_uid": "1.2.3", "sop_instance_uid": "1.2.3.1"}
    command = AgentCommand.objects.create(
        agent=agent, type="ping", idempotency_key="k", requester=reader,
        expires_at=now + timedelta(hours=1),
    )  # fmt: skip
    correction = Correction.objects.create(
        site=site, study=study, kind="facts", reason="wrong", actor=reader
    )
    correction.studies.add(study)
    RetentionRule.objects.create(site=site, years=10)
    SiteUsage.objects.create(site=site)
    proposal = DeletionProposal.objects.create(
        site=site, number_of_studies=0, number_of_images=0, number_of_bytes=0, proposed_by=reader
    )
    values: dict[str, Any] = {
        "site": site.pk,
        "study": study.pk,
        "patient": study.patient_ref_id,
        "deletion_proposal": proposal.pk,
        "saved_filter": SavedFilter.objects.create(owner=reader, name="Ours", site=site).pk,
        "hanging": HangingProtocol.objects.create(
            owner=reader, name="Ours", site=site, rules={"layout": "1x1", "cells": [None]}
        ).pk,
        "own_window": OwnWindow.objects.create(
            owner=reader, modality="CT", unit="HU", name="Ours", center=40, width=400
        ).pk,
        "prior": Study.objects.create(
            site=site, patient_ref=study.patient_ref, patient_id=study.patient_id,
            study_instance_uid="1.2.9",
        ).pk,
        "instance": instance.pk,
        "server": server.pk,
        "draft": document.empty("Report"),
        "scan": AgentEvent.objects.create(agent=agent, kind="scan", data={"text": "1"}).pk,
        "report": version.report_id,
        "version": version.pk,
        "verification": version.verification,
        "delivery": Delivery.objects.get().pk,
        "destination": destination.pk,
        "send": Send.objects.create(study=study, destination=destination, requester=reader).pk,
        "quarantined": QuarantinedFile.objects.create(
            site=site, source="test", reason="no_dicom", archive_key="nowhere", file_size=1,
            file_sha256="1" * 64,
        ).pk,
        "correction": correction.pk,
        "proposal": CorrectionProposal.objects.create(
            site=site, kind="facts", patient_id="P", source="test"
        ).pk,
        "order": Order.objects.create(site=site, patient_id="P", accession_number="A1").pk,
        "measurement": Measurement.objects.create(
            **image, author=reader, tool="length", points=[[0, 0], [1, 1]]
        ).pk,
        "key_image": KeyImage.objects.create(**image, author=reader).pk,
        "critical": CriticalResult.objects.create(
            site=site, study=study, finding="x", marked_by=reader, due_at=now + timedelta(hours=1)
        ).pk,
        "template": template(site=site, owner=reader).pk,
        "macro": macro(site=site, owner=reader).pk,
        "attachment": Attachment.objects.create(
            site=site, patient=study.patient_ref, study=study, title="Letter",
            media_type="text/plain", text="As told.", source="test", source_key="1",
            added_by=reader,
        ).pk,
        "agent": agent.pk,
        "command": command.pk,
        "release": AgentRelease.objects.create(
            seq=1, version="1", size=1, sha256="0" * 64, key="k", envelope="{}",
            expires_at=now + timedelta(days=1),
        ).seq,
    }  # fmt: skip
    sessions = dict.fromkeys(ACTORS, "")
    for name, user in users.items():
        if user is not None:
            client = Client()
            client.force_login(user)
            sessions[name] = client.cookies[settings.SESSION_COOKIE_NAME].value
    return World(values, sessions)


def routes(
    resolver: URLResolver | None = None, before: str = ""
) -> Iterator[tuple[str, URLPattern]]:
    """Every address of the URLconf as it is written there, the admin's among them."""
    for each in (resolver or get_resolver()).url_patterns:
        text = before + str(each.pattern)
        if isinstance(each, URLResolver):
            yield from routes(each, text)
        else:
            yield text, each


def ask(session: str, method: str, path: str, body: Any = None) -> tuple[int, list[str]]:
    """Status and the actions that were audited; nothing that the request did stays.

    `session`: the key of a session, or "" for nobody. Where the body is empty and the answer 400,
    the actor had been let in.
    """
    audit.forget_reads()
    client = Client(raise_request_exception=False)
    if session:
        client.cookies[settings.SESSION_COOKIE_NAME] = session
    is_page = not path.startswith(("/api/", "/fhir/"))
    options: dict[str, Any] = {"headers": {"Accept": "text/html" if is_page else "*/*"}}
    if method != "GET":
        options["data"] = body or {}
        if not is_page:
            options["content_type"] = "application/json"
    with transaction.atomic():
        before = AuditEvent.objects.aggregate(last=Max("id"))["last"] or 0
        answer = getattr(client, method.lower())(path, **options)
        if answer.streaming:
            answer.getvalue()
        events = AuditEvent.objects.filter(id__gt=before).order_by("id")
        done = list(events.values_list("action", flat=True))
        transaction.set_rollback(True)
    return answer.status_code, done
