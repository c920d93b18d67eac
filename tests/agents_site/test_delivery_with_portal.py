"""Signed reports on their way by the running product: on paper, to the RIS, to Orthanc."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import urllib3

from tests.agents_site.office import Office
from tests.clients.hl7 import Receiver
from tests.servers.cups import CupsSystem
from tests.servers.peer import FaultyProxy
from tests.servers.portal import Portal, wait

pytestmark = pytest.mark.integration

SIGN = """
from pacs.accounts.models import User
from studies.models import Study
from tests.reports.factories_delivery import sign
version = sign(Study.objects.get(study_instance_uid={uid!r}), User.objects.get(
    username="radiologist"), {kind!r}, {text!r})
print(version.report_id)
"""
RULE = """
from reports.delivery.models import DeliveryPlace, DeliveryRule
from pacs.accounts.models import Site
from studies.models import OrthancServer
site = Site.objects.get(pk={site})
DeliveryRule.objects.filter(site=site).delete()
{more}
def rule(transport, target, **fields):
    DeliveryRule.objects.create(site=site, name=transport, transport=transport, target=target,
                                **fields)
def place(transport, **settings):
    made, _ = DeliveryPlace.objects.update_or_create(
        site=site, transport=transport, name="RIS", defaults=dict(settings=settings))
    rule(transport, dict(place=made.pk))
{rules}
"""


@pytest.fixture(scope="module")
def his(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    with Receiver(tmp_path_factory.mktemp("his")) as receiver:
        yield receiver


@pytest.fixture(scope="module")
def office(
    portal: Portal, cups: CupsSystem, his: Receiver, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Office]:
    section = f'[[oru]]\nname = "his"\nhost = "127.0.0.1"\nport = {his.port}\n'
    office = Office(portal, cups, tmp_path_factory.mktemp("delivery"), "Delivery", section)
    office.start()
    yield office
    rules(office, "")
    office.agent.stop()


@pytest.fixture(autouse=True)
def _empty_tray(office: Office) -> None:
    office.printer.clear()


def rules(office: Office, lines: str, more: str = "") -> None:
    office.portal.stack.shell(RULE.format(site=office.site, rules=lines, more=more))


def sign(office: Office, uid: str, kind: str, text: str) -> int:
    return int(office.portal.stack.shell(SIGN.format(uid=uid, kind=kind, text=text)))


def deliveries(office: Office, report: int) -> dict[str, dict[str, Any]]:
    """The newest delivery of each transport."""
    _, body, _ = office.portal.request("GET", f"/api/reports/{report}/deliveries/")
    found: dict[str, dict[str, Any]] = {}
    for each in json.loads(body)["results"]:
        found.setdefault(each["transport"], each)
    return found


def arrived(portal: Portal, series: Callable[..., Any], images: int = 1, **options: Any) -> str:
    files, uid = series(images, **options)
    portal.stack.storescu(files)
    portal.wait_count(uid, images)
    return str(uid)


def at_orthanc(portal: Portal, uid: str) -> set[str]:
    """SOP Instance UIDs that the site's Orthanc has of a study."""
    user, password = portal.stack.orthanc_credentials
    pool = urllib3.PoolManager(headers=urllib3.make_headers(basic_auth=f"{user}:{password}"))
    query = {"Level": "Instance", "Query": {"StudyInstanceUID": uid}, "Expand": True}
    found = pool.request("POST", f"{portal.stack.orthanc_url}/tools/find", json=query).json()
    return {each["MainDicomTags"]["SOPInstanceUID"] for each in found}


def test_signed_and_delivered(office: Office, his: Receiver, series: Callable[..., Any]) -> None:
    """Printed by itself, acknowledged by the RIS, in the site's Orthanc and in the study."""
    uid = arrived(office.portal, series, patient_id="RIS-1")
    rules(
        office,
        f"""
rule("printer", dict(agent={office.number}, printer={office.name!r}))
place("oru-agent", agent={office.number}, receiver="his")
rule("orthanc", dict(server=OrthancServer.objects.get(site=site).pk))
""",
    )
    report = sign(office, uid, "final", "Kein Pneumothorax")
    wait(
        lambda: {each["state"] for each in deliveries(office, report).values()} == {"done"},
        60,
        "all delivered",
        office.portal,
    )
    found = deliveries(office, report)
    assert found["printer"]["progress"] == "Printed"
    assert found["oru-agent"]["progress"] == "Acknowledged AA"
    (page,) = office.printer.printed()
    assert "Kein Pneumothorax" in page
    count = office.portal.count(uid)
    assert count > 1, "the report's objects are in the study"
    assert len(at_orthanc(office.portal, uid)) == count
    assert office.portal.quarantine() == []


def test_an_addendum_while_the_agent_is_away(office: Office, series: Callable[..., Any]) -> None:
    """Queued by the rule and by hand; the addendum is signed; the agent comes back: no paper."""
    uid = arrived(office.portal, series)
    rules(
        office,
        f"""
rule("printer", dict(agent={office.number}, printer={office.name!r}), on_addendum=False)
""",
    )
    office.stop()
    report = sign(office, uid, "final", "Before")
    wait(
        lambda: deliveries(office, report)["printer"]["state"] == "handed_over",
        30,
        "queued for the agent",
        office.portal,
    )
    assert deliveries(office, report)["printer"]["progress"] == (
        "Queued: the site agent is offline"
    )
    by_hand = office.print(reportId=report)
    sign(office, uid, "addendum", "After")
    assert deliveries(office, report)["printer"]["state"] == "cancelled"
    office.start()
    assert by_hand.ended()["code"] == "changed"
    assert by_hand.now()["state"] == "cancelled"
    # What is asked for now is the newest.
    assert office.print(reportId=report).ended()["state"] == "done"
    assert len(office.printer.printed()) == 1


def test_over_a_killed_worker(office: Office, his: Receiver, series: Callable[..., Any]) -> None:
    """`kill -9` in the middle: at the RIS at least once under the same number, at Orthanc once."""
    portal = office.portal
    # The receiver does not answer this patient's first message.
    uid = arrived(portal, series, patient_id="LATE")
    with FaultyProxy(portal.stack.orthanc_http_port) as proxy:
        proxy.matches = lambda path: path == "/instances"
        proxy.delay = 60.0
        rules(
            office,
            f"""
place("oru", host="127.0.0.1", port={his.port})
rule("orthanc", dict(server=there.pk))
""",
            "main = OrthancServer.objects.filter(site=site).order_by('id')[0]\n"
            "there = OrthancServer.objects.create(site=site, slug='proxied', name='Proxied',"
            f" base_url={proxy.url!r}, username=main.username, password=main.password)",
        )
        report = sign(office, uid, "final", "In the middle")
        wait(
            lambda: (
                {each["state"] for each in deliveries(office, report).values()} == {"sending"}
                and "/instances" in proxy.paths
            ),
            60,
            "both are being sent",
            portal,
        )
        old = portal.stack.kill("worker")
        proxy.heal()
        portal.stack.shell(
            "from django.utils import timezone\n"
            "from reports.delivery.models import DeliveryPlace\n"
            "DeliveryPlace.objects.update(lease_until=timezone.now())"
        )
        portal.stack.wait_restarted("worker", old)
        wait(
            lambda: {each["state"] for each in deliveries(office, report).values()} == {"done"},
            60,
            "delivered after all",
            portal,
        )
        number = portal.stack.shell(
            "from reports.delivery.models import Delivery\n"
            f"print(Delivery.objects.get(version__report={report}, transport='oru').reference)\n"
            "from studies.models import OrthancServer\n"
            "OrthancServer.objects.filter(slug='proxied').update(is_enabled=False)"
        ).strip()
    assert len(his.got(number)) == 2
    assert len(at_orthanc(portal, uid)) == portal.count(uid)
    assert portal.quarantine() == []
