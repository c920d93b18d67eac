"""Each way out against the real other side: Orthanc, simple-hl7, a FHIR server, a mail server."""

from __future__ import annotations

import socket
import threading
from base64 import b64decode
from collections.abc import Iterator
from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest
from django.db.models import F
from django.utils import timezone
from pydicom import dcmread

from pacs.accounts.models import User
from pacs.audit.models import AuditEvent
from reports.delivery import deliver as delivering
from reports.delivery import mllp, renderings, requests
from reports.delivery.addresses import is_allowed
from reports.delivery.models import Delivery, DeliveryPlace, DeliveryRule, DeliveryState
from reports.delivery.transports.oru import control_id
from reports.output.pdf import pdf
from studies.models import Instance, OrthancServer, StudyGrant
from tests.clients.hl7 import Receiver
from tests.conftest import person
from tests.reports.factories_delivery import sign
from tests.reports.peers_delivery import FhirServer, MailServer, served
from tests.servers.orthanc import OrthancServer as PrivateOrthanc
from tests.servers.ports import free_port

pytestmark = [pytest.mark.django_db, pytest.mark.integration]


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateOrthanc]:
    with PrivateOrthanc(tmp_path_factory.mktemp("orthanc")) as server:
        yield server


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    with Receiver(tmp_path_factory.mktemp("receiver")) as server:
        yield server


def rule(site: Any, transport: str, target: dict[str, Any]) -> None:
    DeliveryRule.objects.create(site=site, name=transport, transport=transport, target=target)


def place(site: Any, transport: str, **settings: Any) -> DeliveryPlace:
    secret = settings.pop("secret", "")
    made = DeliveryPlace.objects.create(
        site=site, transport=transport, name="Place", settings=settings, secret=secret
    )
    rule(site, transport, {"place": made.pk})
    return made


def work(*, soon: bool = False) -> Delivery:
    """Have a worker work at the place of the newest delivery; `soon`: pauses are over."""
    delivery = Delivery.objects.latest("id")
    if soon:
        past = timezone.now() - timedelta(seconds=1)
        Delivery.objects.filter(next_attempt_at__isnull=False).update(next_attempt_at=past)
        DeliveryPlace.objects.filter(next_attempt_at__isnull=False).update(next_attempt_at=past)
    delivering.deliver(delivery.place_id)
    delivery.refresh_from_db()
    return delivery


# Orthanc


def orthanc_row(site: Any, url: str, **fields: Any) -> OrthancServer:
    login = {"username": PrivateOrthanc.user, "password": PrivateOrthanc.password} | fields
    return OrthancServer.objects.create(site=site, slug="main", name="Main", base_url=url, **login)


def test_to_orthanc_once(study: Any, radiologist: User, orthanc: PrivateOrthanc) -> None:
    server = orthanc_row(study.site, orthanc.url)
    rule(study.site, "orthanc", {"server": server.pk})
    before = orthanc.count_instances()
    version = sign(study, radiologist)
    assert work().state == DeliveryState.DONE
    Delivery.objects.update(state=DeliveryState.QUEUED)
    assert work().state == DeliveryState.DONE
    assert orthanc.count_instances() == before + 2
    kept = {each.sop_instance_uid: each for each in Instance.objects.all()}
    files = orthanc.instance_files()
    assert kept.keys() <= files.keys()
    documents = [dcmread(BytesIO(files[uid])) for uid in kept]
    (encapsulated,) = [each for each in documents if "EncapsulatedDocument" in each]
    assert encapsulated.EncapsulatedDocument.startswith(pdf(version)[:-1])
    done = AuditEvent.objects.filter(action="delivery.done")
    assert done.count() == 2
    assert done[0].study_id == study.pk


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "The site's Orthanc cannot be reached."),
        ({"password": "wrong"}, "The site's Orthanc refuses the portal's login."),
    ],
)
def test_orthanc_away_for_a_day(
    study: Any,
    radiologist: User,
    orthanc: PrivateOrthanc,
    fields: dict[str, str],
    words: str,
) -> None:
    """It waits, the place pauses longer and longer, and it arrives when Orthanc is back."""
    url = orthanc.url if fields else f"http://127.0.0.1:{free_port()}"
    server = orthanc_row(study.site, url, **fields)
    rule(study.site, "orthanc", {"server": server.pk})
    sign(study, radiologist)
    for tries in range(1, 30):
        delivery = work(soon=True)
        assert (delivery.state, delivery.attempts, delivery.last_error) == ("queued", tries, words)
        assert delivery.place.failures == tries
    paused = delivery.place.next_attempt_at - timezone.now()
    assert timedelta(minutes=7) < paused < timedelta(minutes=13)
    assert work().attempts == tries, "within the pause nothing is tried"
    Delivery.objects.update(created_at=timezone.now() - timedelta(days=1, hours=3))
    delivering.give_up()
    OrthancServer.objects.update(base_url=orthanc.url, password=PrivateOrthanc.password)
    delivery = work(soon=True)
    assert delivery.state == DeliveryState.DONE
    assert delivery.place.failures == 0


def test_given_up_after_days(study: Any, radiologist: User) -> None:
    server = orthanc_row(study.site, f"http://127.0.0.1:{free_port()}")
    rule(study.site, "orthanc", {"server": server.pk})
    sign(study, radiologist)
    delivery = work()
    assert delivery.give_up_at - delivery.created_at > timedelta(days=2)
    Delivery.objects.update(give_up_at=timezone.now())
    delivering.give_up()
    delivery.refresh_from_db()
    assert delivery.state == DeliveryState.FAILED
    assert delivery.last_error == "Given up. The site's Orthanc cannot be reached."


# HL7


@pytest.fixture
def ris(site: Any, settings: Any, receiver: Receiver) -> DeliveryPlace:
    settings.HL7_RECEIVERS = [f"127.0.0.1:{receiver.port}"]
    return place(site, "oru", host="127.0.0.1", port=receiver.port)


def test_oru_acknowledged(
    make_study: Any, site: Any, radiologist: User, ris: DeliveryPlace, receiver: Receiver
) -> None:
    sign(make_study(site, patient_id="AA1", patient_name="MÜLLER^Jürgen^^Dr"), radiologist)
    delivery = work()
    assert (delivery.state, delivery.progress) == ("done", "Acknowledged AA")
    (got,) = receiver.got(control_id(delivery))
    assert (got["who"], got["name"]) == ("AA1", "MÜLLER^Jürgen^^^Dr")
    kinds = [each[2] for each in got["obx"]]
    assert kinds[0] == "113014^DICOM Study^DCM"
    assert kinds[-1].startswith("18748-4^"), "the PDF"


def test_withdrawal_is_told_with_w(
    make_study: Any, site: Any, radiologist: User, settings: Any
) -> None:
    """OBX-11 of every result is W (table 0085), under a number of its own."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        settings.HL7_RECEIVERS = ["127.0.0.0/8"]
        place(site, "oru", host="127.0.0.1", port=port)
        study = make_study(site)
        sign(study, radiologist)
        Delivery.objects.update(state="done", may_have_arrived=True)
        sign(study, radiologist, "withdrawal")
        delivery = Delivery.objects.latest("id")
        got, _ = answering(listening, b"AA", delivery)
    assert delivery.is_recall
    segments = [each.split("|") for each in got.decode().split("\r") if each]
    assert {each[11] for each in segments if each[0] == "OBX"} == {"W"}
    delivery.refresh_from_db()
    assert delivery.state == DeliveryState.DONE


def answering(listening: socket.socket, code: bytes, delivery: Delivery) -> tuple[bytes, Delivery]:
    """Have the delivery sent to a receiver that answers `code`, or hangs up for none."""
    got, number = b"", control_id(delivery).encode()

    def serve() -> None:
        nonlocal got
        connection, _ = listening.accept()
        with connection:
            while mllp.END not in got:
                got += connection.recv(65_536)
            if code:
                answer = b"MSH|^~\\&|A|B|C|D|||ACK|1|P|2.5\rMSA|" + code + b"|" + number + b"\r"
                connection.sendall(mllp.START + answer + mllp.END)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    done = work()
    thread.join(10)
    return got, done


@pytest.mark.parametrize(
    ("who", "state", "words"),
    [
        ("AE", "queued", "The receiver answered AE."),
        ("AR", "failed", "The receiver answered AR."),
    ],
)
def test_oru_refused(
    make_study: Any,
    site: Any,
    radiologist: User,
    ris: DeliveryPlace,
    who: str,
    state: str,
    words: str,
) -> None:
    """The one report has the trouble, not the place: the next one goes."""
    sign(make_study(site, patient_id=who), radiologist)
    delivery = work()
    assert (delivery.state, delivery.last_error) == (state, words)
    assert delivery.place.failures == 0
    sign(make_study(site, patient_id=f"AFTER-{who}"), radiologist)
    assert work().state == DeliveryState.DONE


def test_oru_not_answered_comes_again_under_the_same_number(
    make_study: Any, site: Any, radiologist: User, settings: Any
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        settings.HL7_RECEIVERS = [f"127.0.0.1:{port}"]
        place(site, "oru", host="127.0.0.1", port=port)
        sign(make_study(site), radiologist)
        delivery = Delivery.objects.get()
        first, delivery = answering(listening, b"", delivery)
        assert (delivery.state, delivery.may_have_arrived) == ("queued", True)
        assert delivery.place.failures == 1
        DeliveryPlace.objects.update(next_attempt_at=None)
        Delivery.objects.update(next_attempt_at=None)
        second, delivery = answering(listening, b"AA", delivery)
    assert delivery.state == DeliveryState.DONE
    number = first.split(b"|")[9]
    assert number == second.split(b"|")[9] == control_id(delivery).encode()


def test_the_ris_is_away_for_a_day(
    make_study: Any, site: Any, radiologist: User, settings: Any, receiver: Receiver
) -> None:
    """It waits for simple-hl7 to be there, and is taken once, under its first number."""
    settings.HL7_RECEIVERS = ["127.0.0.1"]
    row = place(site, "oru", host="127.0.0.1", port=free_port())
    sign(make_study(site, patient_id="DAY"), radiologist)
    number = control_id(Delivery.objects.get())
    for tries in range(1, 30):
        delivery = work(soon=True)
        assert (delivery.state, delivery.attempts) == ("queued", tries), delivery.last_error
        assert not delivery.may_have_arrived
    a_day_passes()
    delivering.give_up()
    DeliveryPlace.objects.filter(pk=row.pk).update(settings={**row.settings, "port": receiver.port})
    delivery = work(soon=True)
    assert (delivery.state, delivery.progress) == ("done", "Acknowledged AA")
    assert len(receiver.got(number)) == 1


def a_day_passes() -> None:
    """And three hours: every time of a delivery is so much longer ago."""
    day = timedelta(days=1, hours=3)
    Delivery.objects.update(created_at=F("created_at") - day, give_up_at=F("give_up_at") - day)


@pytest.mark.parametrize(
    ("entry", "allowed"),
    [
        ("his.example", True),
        ("HIS.example:2575", True),
        ("his.example:1", False),
        ("other.example", False),
        ("10.0.0.0/8", False),
    ],
)
def test_where_hl7_may_go(settings: Any, entry: str, allowed: bool) -> None:
    settings.HL7_RECEIVERS = [entry]
    assert is_allowed("his.example", 2575) is allowed


def test_an_address_that_is_no_longer_allowed(
    study: Any, radiologist: User, ris: DeliveryPlace, settings: Any
) -> None:
    settings.HL7_RECEIVERS = []
    sign(study, radiologist)
    delivery = work()
    assert delivery.state == DeliveryState.FAILED
    assert "PACS_HL7_RECEIVERS" in delivery.last_error


# FHIR


def test_fhir_each_version_under_the_same_id(study: Any, radiologist: User) -> None:
    with served(FhirServer()) as server:
        place(study.site, "fhir", url=server.url, secret="a-token")
        sign(study, radiologist)
        first = work()
        assert first.state == DeliveryState.DONE
        sign(study, radiologist, "addendum", "Small nodule.")
        assert work().state == DeliveryState.DONE
        (kept,) = server.kept.values()
        assert (kept["status"], "Small nodule." in kept["conclusion"]) == ("amended", True)
        assert "reference" not in kept["imagingStudy"][0]
        assert b64decode(kept["presentedForm"][0]["data"]) == pdf(
            Delivery.objects.latest("id").version
        )
        sign(study, radiologist, "withdrawal")
        assert work().state == DeliveryState.DONE
        assert [each["status"] for each in server.kept.values()] == ["entered-in-error"]
        assert {each[2] for each in server.asked} == {"Bearer a-token"}
        assert len({each[1] for each in server.asked}) == 1
    assert "a-token" not in str(DeliveryPlace.objects.values("settings", "last_error"))


@pytest.mark.parametrize(
    ("status", "state", "failures"),
    [
        *((400, "failed", 0), (422, "failed", 0), (302, "failed", 0)),
        *((401, "queued", 1), (429, "queued", 1), (503, "queued", 1)),
    ],
)
def test_fhir_refuses(
    study: Any, radiologist: User, status: int, state: str, failures: int
) -> None:
    with served(FhirServer()) as server:
        server.status = status
        place(study.site, "fhir", url=server.url)
        sign(study, radiologist)
        delivery = work()
    assert (delivery.state, delivery.place.failures) == (state, failures)


# E-mail


def test_mail_has_a_link_and_no_patient(
    make_study: Any, site: Any, radiologist: User, settings: Any
) -> None:
    study = make_study(site, patient_name="VERYSECRET^Name", patient_id="PID-4711")
    names = {"email": "reader@example.org", "first_name": "Rea", "last_name": "Der"}
    reader = person("reader", site, "referrer", **names)
    grant = StudyGrant.objects.create(study=study, user=reader, granted_by=radiologist)
    rule(site, "email", {"to": "granted"})
    with served(MailServer()) as server:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
        settings.EMAIL_USE_TLS, settings.PUBLIC_URL = False, "https://pacs.example"
        version = sign(study, radiologist)
        assert work().state == DeliveryState.DONE
        sign(study, radiologist, "withdrawal")
        assert work().state == DeliveryState.DONE
        StudyGrant.objects.filter(pk=grant.pk).delete()
        told, recalled = server.mails
    assert f"https://pacs.example/reports/{version.report_id}/" in told
    assert "was withdrawn" in recalled
    for secret in ("VERYSECRET", "4711", "pneumothorax", "CT chest"):
        assert secret not in told + recalled


@pytest.mark.parametrize(
    ("address", "granted", "state"),
    [
        ("nobody@example.org", True, "failed"),
        ("reader@example.org", False, "failed"),
    ],
)
def test_mail_that_goes_nowhere(
    study: Any, radiologist: User, settings: Any, address: str, granted: bool, state: str
) -> None:
    reader = person("reader", study.site, "referrer", email=address)
    grant = StudyGrant.objects.create(study=study, user=reader, granted_by=radiologist)
    rule(study.site, "email", {"to": "granted"})
    with served(MailServer()) as server:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
        settings.EMAIL_USE_TLS = False
        sign(study, radiologist)
        if not granted:
            grant.delete()
        assert work().state == state
        assert server.mails == []


def test_mail_server_away(study: Any, radiologist: User, settings: Any) -> None:
    reader = person("reader", study.site, "referrer", email="reader@example.org")
    StudyGrant.objects.create(study=study, user=reader, granted_by=radiologist)
    rule(study.site, "email", {"to": "granted"})
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", free_port()
    settings.EMAIL_USE_TLS = False
    sign(study, radiologist)
    delivery = work()
    assert (delivery.state, delivery.last_error) == ("queued", "The mail server cannot be reached.")


# The worker


def test_one_worker_at_a_place(study: Any, radiologist: User) -> None:
    server = orthanc_row(study.site, f"http://127.0.0.1:{free_port()}")
    rule(study.site, "orthanc", {"server": server.pk})
    sign(study, radiologist)
    DeliveryPlace.objects.update(lease_until=timezone.now() + timedelta(seconds=20))
    assert delivering.waiting() == []
    assert work().attempts == 0
    DeliveryPlace.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert delivering.waiting() == [Delivery.objects.get().place_id]


def test_left_behind_by_a_dead_worker(
    study: Any, radiologist: User, orthanc: PrivateOrthanc
) -> None:
    """It may have arrived, and is sent again; a late word of the dead one changes nothing."""
    server = orthanc_row(study.site, orthanc.url)
    rule(study.site, "orthanc", {"server": server.pk})
    sign(study, radiologist)
    lease = delivering.Lease.acquire(Delivery.objects.get().place_id)
    assert lease is not None
    delivery = delivering.claim(lease)
    assert delivery is not None
    DeliveryPlace.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert work().state == DeliveryState.DONE
    ours = {"state": DeliveryState.SENDING, "lease_token": lease.token}
    assert not delivering.back_to_queue(
        delivery, ours, delivering.RetriableError("late"), timezone.now()
    )
    delivery.refresh_from_db()
    assert delivery.state == DeliveryState.DONE


def test_cancelled_while_it_is_sent(
    study: Any, radiologist: User, monkeypatch: pytest.MonkeyPatch, orthanc: PrivateOrthanc
) -> None:
    """What arrived all the same is known to have: a withdrawal calls it back."""
    server = orthanc_row(study.site, orthanc.url)
    rule(study.site, "orthanc", {"server": server.pk})
    sign(study, radiologist)

    made = renderings.dicom_objects

    def cancelling(version: Any) -> list[bytes]:
        requests.cancel(Delivery.objects.get(), actor=radiologist)
        return made(version)

    monkeypatch.setattr(renderings, "dicom_objects", cancelling)
    delivery = work()
    assert (delivery.state, delivery.may_have_arrived) == ("cancelled", True)


def test_a_failing_portal_is_no_end(
    study: Any, radiologist: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = orthanc_row(study.site, "http://127.0.0.1:9")
    rule(study.site, "orthanc", {"server": server.pk})
    sign(study, radiologist)

    def broken(version: Any) -> list[bytes]:
        raise ZeroDivisionError

    monkeypatch.setattr(renderings, "dicom_objects", broken)
    delivery = work()
    assert (delivery.state, delivery.last_error) == ("queued", delivering.FAILED_HERE)
