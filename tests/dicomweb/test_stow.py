"""STOW-RS (PS3.18 10.5): what is stored, what is answered, and what is refused unread."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Sequence
from io import BytesIO
from typing import Any

import pydicom
import pytest
from django.conf import settings
from pydicom.uid import generate_uid

from pacs.accounts.models import ApiToken, Membership, Scope
from pacs.audit.models import AuditEvent
from studies import archive
from studies.dicom.errors import Reason
from studies.dicomweb import intake, spool
from studies.dicomweb.store_response import FAILURES
from studies.models import Instance, QuarantinedFile
from studies.services import ingest
from tests.dicomweb.asking import TEST_FILES, AsgiClient, Reply, ct_file
from tests.dicomweb.graves import buried

pytestmark = pytest.mark.django_db(transaction=True)

URL = "/dicom-web/studies"
WRITE = [Scope.WRITE.value]
BOUNDARY = "0123456789abcdef-0123456789abcdef-0123456789abcdef-0123456789abcdef-73long"
KIND = f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'
STUDY = "1.2.826.0.1.3680043.10.9.1"

Part = tuple[str, bytes] | tuple[str, bytes, str]


def body_of(parts: Sequence[Part]) -> bytes:
    out = []
    for kind, data, *location in parts:
        head = f"--{BOUNDARY}\r\nContent-Type: {kind}\r\n"
        if location:
            head += f"Content-Location: {location[0]}\r\n"
        out.append(head.encode() + b"\r\n" + data + b"\r\n")
    return b"".join(out) + f"--{BOUNDARY}--\r\n".encode()


def stow(asking: AsgiClient, *files: bytes, url: str = URL, **headers: str) -> Reply:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    parts = [("application/dicom", file) for file in files]
    return asking.post(url, body_of(parts), headers={"content-type": KIND, **sent})


def uids(reply: Reply, sequence: str) -> list[str]:
    items = reply.json.get(sequence, {"Value": []})["Value"]
    return [item["00081155"]["Value"][0] for item in items]


def reasons(reply: Reply, sequence: str = "00081198") -> list[int]:
    items = reply.json.get(sequence, {"Value": []})["Value"]
    return [item["00081197"]["Value"][0] for item in items]


def kept(row: Instance) -> bytes:
    """The file in the archive."""
    return archive.local_path(row.archive_key).read_bytes()


def left_over() -> list[Any]:
    found = ingest.spool_dir()
    return [*found.glob("*")] if found.exists() else []


@pytest.fixture
def sender(client: Any, technician: Any) -> AsgiClient:
    return client(technician, scopes=WRITE)


def test_stored(sender: AsgiClient, site: Any, technician: Any) -> None:
    files = [ct_file(instance=f"1.2.3.{n}", number=n) for n in range(1, 21)]
    reply = stow(sender, *files)
    assert reply.status == 200
    assert reply.headers["content-type"] == "application/dicom+json"
    assert uids(reply, "00081199") == [f"1.2.3.{n}" for n in range(1, 21)]
    first = reply.json["00081199"]["Value"][0]
    root = f"{settings.PUBLIC_URL.rstrip('/')}/dicom-web/sites/{site.slug}/studies/{STUDY}"
    assert first["00081150"] == {"vr": "UI", "Value": ["1.2.840.10008.5.1.4.1.1.2"]}
    url = f"{root}/series/{STUDY}.1/instances/1.2.3.1"
    assert first["00081190"] == {"vr": "UR", "Value": [url]}
    assert reply.json["00081190"] == {"vr": "UR", "Value": [root]}
    assert set(reply.json) == {"00081190", "00081199"}
    row = Instance.objects.get(sop_instance_uid="1.2.3.1")
    assert kept(row) == files[0]
    assert row.source == f"stow:token:{ApiToken.objects.get().pk}"
    assert not left_over()
    assert spool.held() == 0
    events = AuditEvent.objects.filter(action="instances.received")
    assert sum(event.detail["count"] for event in events) == 20
    event = events[0]
    assert (event.actor_id, event.site_id) == (technician.pk, site.pk)
    assert event.address == "192.0.2.7"
    assert event.session_digest
    assert event.detail["sources"] == [row.source]


def test_repeating_it_is_a_success(sender: AsgiClient) -> None:
    files = [ct_file(instance="1.2.3.1"), ct_file(instance="1.2.3.2")]
    assert stow(sender, *files).status == 200
    again = stow(sender, *files, files[0])
    assert again.status == 200
    assert uids(again, "00081199") == ["1.2.3.1", "1.2.3.2", "1.2.3.1"]
    assert Instance.objects.count() == 2


def test_what_was_deleted_here_is_refused(sender: AsgiClient, site: Any, study: Any) -> None:
    buried(site, study, "1.2.3.1")
    reply = stow(sender, ct_file(instance="1.2.3.1"), ct_file(instance="1.2.3.2"))
    assert reply.status == 202
    assert reasons(reply) == [0x0124]
    assert uids(reply, "00081198") == ["1.2.3.1"]
    assert stow(sender, ct_file(instance="1.2.3.1")).status == 409
    assert not QuarantinedFile.objects.exists()
    assert Instance.objects.count() == 1


def test_one_file_by_itself(sender: AsgiClient) -> None:
    reply = sender.post(
        URL, ct_file(instance="1.2.3"), headers={"content-type": "application/dicom"}
    )
    assert reply.status == 200
    assert uids(reply, "00081199") == ["1.2.3"]


def test_some_fail(sender: AsgiClient) -> None:
    good = ct_file(instance="1.2.3.1")
    stow(sender, good)
    conflict = ct_file(instance="1.2.3.1", seed=5)
    other = ct_file(instance="1.2.3.2", PatientID="P-2")
    reply = stow(sender, conflict, good, b"no image", b"", other)
    assert reply.status == 202
    assert uids(reply, "00081199") == ["1.2.3.1"]
    assert uids(reply, "00081198") == ["1.2.3.1", "1.2.3.2"]
    assert reasons(reply) == [FAILURES[Reason.CONFLICT], FAILURES[Reason.OTHER_PATIENT]]
    assert reasons(reply, "0008119A") == [FAILURES[Reason.NOT_DICOM], FAILURES[Reason.EMPTY]]
    found = set(QuarantinedFile.objects.values_list("reason", flat=True))
    assert found == {Reason.CONFLICT, Reason.OTHER_PATIENT, Reason.NOT_DICOM}


def test_all_fail(sender: AsgiClient) -> None:
    reply = stow(sender, b"no image", ct_file()[:-100])
    assert reply.status == 409
    assert set(reply.json) == {"0008119A"}
    assert QuarantinedFile.objects.count() == 2


def test_no_part_is_400(sender: AsgiClient) -> None:
    assert stow(sender).status == 400
    empty = sender.post(URL, b"", headers={"content-type": "application/dicom"})
    assert empty.status == 400


def test_every_reason_is_mapped() -> None:
    assert set(FAILURES) == set(Reason)


def test_study_of_the_path(sender: AsgiClient) -> None:
    right = ct_file(instance="1.2.3.1")
    wrong = ct_file(instance="1.2.3.2", study="1.2.9.9")
    reply = stow(sender, right, wrong, url=f"{URL}/{STUDY}")
    assert reply.status == 202
    assert uids(reply, "00081199") == ["1.2.3.1"]
    assert (uids(reply, "00081198"), reasons(reply)) == (["1.2.3.2"], [0xA900])
    assert Instance.objects.count() == 1
    assert not QuarantinedFile.objects.exists()
    assert stow(sender, wrong, url=f"{URL}/{STUDY}").status == 409
    assert stow(sender, right, url=f"{URL}/no-uid").status == 400


def test_studies_of_several_in_one_request(sender: AsgiClient) -> None:
    reply = stow(sender, ct_file(study="1.2.3", series="1.2.3.1"), ct_file())
    assert reply.status == 200
    assert "00081190" not in reply.json


@pytest.mark.parametrize("number", [1, 3, 70, 65536])
def test_any_cutting_of_the_body(sender: AsgiClient, number: int) -> None:
    files = [ct_file(instance=f"1.2.{n}", size=8) for n in range(1, 4)]
    body = body_of([("application/dicom", file) for file in files])
    pieces = [body[n : n + number] for n in range(0, len(body), number)]
    headers = {"content-type": KIND}
    reply = asyncio.run(sender.ask(URL, method="POST", headers=headers, body=pieces))
    assert reply.status == 200
    assert Instance.objects.count() == 3


def test_large_files_wait_on_disk(sender: AsgiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "HELD_IN_ALL", 2**20)
    files = [ct_file(instance=f"1.2.{n}", size=1100, seed=n) for n in range(1, 8)]
    reply = stow(sender, *files)
    assert reply.status == 200
    row = Instance.objects.get(sop_instance_uid="1.2.7")
    assert kept(row) == files[-1]
    assert not left_over()
    assert spool.held() == 0


def test_parts_of_other_types_are_not_stored(sender: AsgiClient) -> None:
    parts = [
        ("text/html", b"<script>"),
        ("multipart/mixed; boundary=x", b"--x\r\n\r\n" + ct_file() + b"\r\n--x--"),
        ("application/dicom; transfer-syntax=1.2.840.10008.1.2.1", ct_file(instance="1.2.3")),
    ]
    reply = sender.post(URL, body_of(parts), headers={"content-type": KIND})
    assert reply.status == 202
    assert uids(reply, "00081199") == ["1.2.3"]
    assert reasons(reply, "0008119A") == [0xC000, 0xC000]
    assert not QuarantinedFile.objects.exists()


def test_ten_thousand_empty_parts(sender: AsgiClient) -> None:
    reply = stow(sender, *[b""] * 10_000)
    assert reply.status == 409
    assert len(reasons(reply, "0008119A")) == 10_000
    assert not QuarantinedFile.objects.exists()


def test_what_came_whole_before_a_fault_is_kept(sender: AsgiClient) -> None:
    body = body_of([("application/dicom", ct_file(instance="1.2.3"))])
    body = body.removesuffix(b"--\r\n") + b"\r\nno colon\r\n\r\n"
    reply = sender.post(URL, body, headers={"content-type": KIND})
    assert reply.status == 400
    assert Instance.objects.get().sop_instance_uid == "1.2.3"
    assert spool.held() == 0


@pytest.mark.parametrize(("number", "status"), [(5, 503), (28, 507)], ids=["broken", "full"])
def test_server_in_trouble(
    sender: AsgiClient, monkeypatch: pytest.MonkeyPatch, number: int, status: int
) -> None:
    def fails(*_args: Any, **_options: Any) -> None:
        raise OSError(number, "something of the disk")

    monkeypatch.setattr(intake.ingest, "prepare", fails)
    reply = stow(sender, ct_file(), ct_file())
    assert reply.status == status
    assert reply.headers["retry-after"]
    assert spool.held() == 0
    assert not left_over()


def test_rows_that_cannot_be_written(sender: AsgiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(*_args: Any, **_options: Any) -> None:
        from django.db import OperationalError

        raise OperationalError("database is locked")

    monkeypatch.setattr(intake.ingest, "commit", locked)
    assert stow(sender, ct_file()).status == 503


# Who may, and what is refused before the body is read


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content-type": ""}, 415),
        ({"content-type": "text/html"}, 415),
        ({"content-type": "multipart/form-data; boundary=x"}, 415),
        ({"content-type": 'multipart/related; type="application/dicom+xml"; boundary=x'}, 415),
        ({"content-type": 'multipart/related; type="application/dicom"'}, 400),
        ({"content-type": KIND + "x" * 200}, 400),
        ({"content-type": KIND, "content-encoding": "gzip"}, 415),
        ({"content-type": KIND, "accept": "application/dicom+xml"}, 406),
        ({"content-type": KIND, "x-lightbox-site": "north"}, 403),
        ({"content-type": KIND, "x-lightbox-site": "unknown"}, 403),
    ],
)
def test_refused_unread(
    sender: AsgiClient, other_site: Any, headers: dict[str, str], status: int
) -> None:
    assert sender.post(URL, b"x" * 100_000, headers=headers).status == status
    assert sender.received == 0
    assert not QuarantinedFile.objects.exists()


@pytest.mark.parametrize(
    "accept", ["", "*/*", "application/dicom+json", "application/json;q=0.5, text/html"]
)
def test_accept(sender: AsgiClient, accept: str) -> None:
    assert stow(sender, ct_file(), accept=accept).status == 200


def test_nobody_readers_and_referrers_are_refused_unread(
    client: Any, technician: Any, referrer: Any
) -> None:
    for asking, status in (
        (client(), 401),
        (AsgiClient(client().plane, {"authorization": "Bearer wrong"}), 401),
        (client(technician, scopes=[Scope.READ.value]), 403),
        (client(referrer, scopes=WRITE), 403),
    ):
        assert stow(asking, ct_file()).status == status
        assert asking.received == 0
    assert not Instance.objects.exists()


def test_site_of_the_path(
    client: Any, technician: Any, stranger: Any, referrer: Any, site: Any, other_site: Any
) -> None:
    main, north = (f"/dicom-web/sites/{slug}/studies" for slug in ("main", "north"))
    ours, theirs = client(technician, scopes=WRITE), client(stranger, scopes=WRITE)
    assert stow(ours, ct_file(instance="1.2.3"), url=main).status == 200
    assert stow(theirs, ct_file(instance="1.2.3"), url=north).status == 200
    for asking, url in ((ours, north), (theirs, main), (ours, "/dicom-web/sites/none/studies")):
        refused = stow(asking, ct_file(), url=url)
        assert (refused.status, refused.body) == (404, b"There is nothing here.\n")
        assert asking.received == 0
    assert stow(client(referrer, scopes=WRITE), ct_file(), url=main).status == 403
    assert stow(ours, ct_file(), url=main, x_lightbox_site="north").status == 400
    assert sorted(row.site_id for row in Instance.objects.all()) == [site.pk, other_site.pk]


def test_site_must_be_named_where_there_are_two(
    client: Any, technician: Any, other_site: Any
) -> None:
    Membership.objects.create(user=technician, site=other_site, role="technician")
    asking = client(technician, scopes=WRITE)
    assert stow(asking, ct_file()).status == 400
    assert stow(asking, ct_file(), x_lightbox_site=other_site.slug).status == 200
    assert Instance.objects.get().site_id == other_site.pk


@pytest.mark.parametrize("name", ["", "anything", "user@host"])
def test_basic_with_a_token_as_password(plane: Any, technician: Any, name: str) -> None:
    _, secret = ApiToken.issue(technician, "test", scopes=["read", "write"])
    text = base64.b64encode(f"{name}:{secret}".encode()).decode()
    asking = AsgiClient(plane, {"authorization": f"Basic {text}"})
    assert stow(asking, ct_file()).status == 200
    assert asking.get(f"{URL}/{STUDY}/metadata").status == 200
    wrong = base64.b64encode(b"technician:a-long-enough-password").decode()
    assert AsgiClient(plane, {"authorization": f"Basic {wrong}"}).get(URL).status == 401


def test_session_needs_the_csrf_token(plane: Any, technician: Any) -> None:
    from django.test import Client

    from pacs.accounts import sessions

    page = Client()
    page.force_login(technician)
    session = page.session
    sessions.start(session)
    session.save()
    token = "a" * 32
    cookie = f"{settings.SESSION_COOKIE_NAME}={session.session_key}; csrftoken={token}"
    cookie += f"; {settings.CSRF_COOKIE_NAME}={token}"
    asking = AsgiClient(plane, {"cookie": cookie})
    assert stow(asking, ct_file()).status == 403
    assert asking.received == 0
    ours = {"x_csrftoken": token, "origin": "http://testserver"}
    assert stow(asking, ct_file(), **{**ours, "origin": "https://evil.example"}).status == 403
    assert stow(asking, ct_file(), **ours).status == 200
    assert Instance.objects.get().source == f"stow:user:{technician.pk}"


def test_methods(sender: AsgiClient) -> None:
    assert asyncio.run(sender.ask(URL, method="OPTIONS")).headers["allow"].count("POST") == 1
    deeper = sender.post(f"{URL}/{STUDY}/series", b"", headers={"content-type": KIND})
    assert (deeper.status, deeper.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    deleted = asyncio.run(sender.ask(URL, method="DELETE"))
    assert (deleted.status, deleted.headers["allow"]) == (405, "GET, HEAD, POST, OPTIONS")


@pytest.mark.parametrize("sent", [0, 1, 200, 700])
def test_client_gone_in_the_middle(sender: AsgiClient, sent: int) -> None:
    body = body_of([("application/dicom", ct_file(size=400)), ("application/dicom", b"x" * 10**6)])
    pieces = [body[n : n + 1000] for n in range(0, sent * 1000, 1000)]
    headers = {"content-type": KIND}
    reply = asyncio.run(
        sender.ask(URL, method="POST", headers=headers, body=pieces, disconnect=True)
    )
    assert reply.status == 0
    # The image that came whole is kept, the cut one leaves nothing.
    assert Instance.objects.count() == (sent == 700)
    assert not QuarantinedFile.objects.exists()
    assert not left_over()
    assert spool.held() == 0


# Metadata and bulk data

MODELS = KIND.replace("application/dicom", "application/dicom+json")
JSON = "application/dicom+json"


def model_of(file: bytes, uri: str = "bulk/1") -> tuple[dict[str, Any], bytes]:
    """The metadata of a file and its Pixel Data's value or first fragment."""
    dataset = pydicom.dcmread(BytesIO(file))
    pixels = bytes(dataset.PixelData)
    del dataset.PixelData
    model = dataset.to_json_dict()
    model["7FE00010"] = {"vr": "OW", "BulkDataURI": uri}
    return model, pixels


def send_models(asking: AsgiClient, parts: Sequence[Part]) -> Reply:
    return asking.post(URL, body_of(parts), headers={"content-type": MODELS})


def test_metadata_and_bulk_data(sender: AsgiClient) -> None:
    file = ct_file(instance="1.2.3.4")
    model, pixels = model_of(file)
    other, more = model_of(ct_file(instance="1.2.3.5", seed=2), "../../etc/passwd")
    reply = send_models(
        sender,
        [
            (JSON, json.dumps([model, other]).encode()),
            ("application/octet-stream", more, "../../etc/passwd"),
            ("application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1", pixels, "bulk/1"),
        ],
    )
    assert reply.status == 200, reply.body
    assert uids(reply, "00081199") == ["1.2.3.4", "1.2.3.5"]
    row = Instance.objects.get(sop_instance_uid="1.2.3.4")
    assert row.transfer_syntax_uid == "1.2.840.10008.1.2.1"
    stored = pydicom.dcmread(BytesIO(kept(row)))
    assert stored == pydicom.dcmread(BytesIO(file))
    # The very same image as a file is no other one.
    assert stow(sender, file).status == 200
    assert Instance.objects.count() == 2
    assert spool.held() == 0


def test_compressed_bulk_data_keep_their_syntax(sender: AsgiClient) -> None:
    dataset = pydicom.dcmread(TEST_FILES / "JPEG2000.dcm")
    from pydicom.encaps import generate_frames

    frame = next(generate_frames(dataset.PixelData, number_of_frames=1))
    syntax = str(dataset.file_meta.TransferSyntaxUID)
    del dataset.PixelData
    dataset.SOPInstanceUID = generate_uid()
    model = dataset.to_json_dict()
    model["7FE00010"] = {"vr": "OB", "BulkDataURI": "http://example/frame"}
    reply = send_models(
        sender,
        [
            (JSON, json.dumps([model]).encode()),
            (f"image/jp2; transfer-syntax={syntax}", frame, "http://example/frame"),
        ],
    )
    assert reply.status == 200, reply.body
    row = Instance.objects.get()
    assert row.transfer_syntax_uid == syntax
    stored = pydicom.dcmread(BytesIO(kept(row)))
    assert next(generate_frames(stored.PixelData, number_of_frames=1)).startswith(frame)


def test_inline_pixels_and_images_without(sender: AsgiClient) -> None:
    inline, pixels = model_of(ct_file(instance="1.2.3.4"))
    inline["7FE00010"] = {"vr": "OW", "InlineBinary": base64.b64encode(pixels).decode()}
    assert send_models(sender, [(JSON, json.dumps([inline]).encode())]).status == 200
    text = pydicom.dcmread(TEST_FILES / "test-SR.dcm").to_json_dict()
    assert send_models(sender, [(JSON, json.dumps(text).encode())]).status == 200
    assert Instance.objects.count() == 2


def test_models_that_make_no_image(sender: AsgiClient) -> None:
    missing, pixels = model_of(ct_file(instance="1.2.3.4"), "nowhere")
    nameless, _ = model_of(ct_file(instance="1.2.3.5"))
    del nameless["00080018"]
    wrong, _ = model_of(ct_file(instance="1.2.3.6"))
    wrong["00100010"] = {"vr": "PN", "Value": "no list"}
    strange, _ = model_of(ct_file(instance="1.2.3.7"), "compressed")
    reply = send_models(
        sender,
        [
            (JSON, json.dumps([missing, nameless, wrong, strange]).encode()),
            ("application/octet-stream", pixels, "bulk/1"),
            ("application/octet-stream; transfer-syntax=9.9.9", pixels, "compressed"),
        ],
    )
    assert reply.status == 409
    assert uids(reply, "00081198") == ["1.2.3.4", "1.2.3.6", "1.2.3.7"]
    assert reasons(reply) == [0xA900, 0xC000, 0xC122]
    assert reasons(reply, "0008119A") == [0x0117]
    assert not Instance.objects.exists()


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[1]", b'"x"', b"[" * 100_000, b"[[]]", b"\xff\xfe", b"null"]
)
def test_metadata_that_are_none(sender: AsgiClient, text: bytes) -> None:
    assert send_models(sender, [(JSON, text)]).status == 400


def test_deep_metadata(sender: AsgiClient) -> None:
    model, pixels = model_of(ct_file(instance="1.2.3.4"))
    inner: dict[str, Any] = {}
    for _ in range(200):
        inner = {"00081110": {"vr": "SQ", "Value": [inner]}}
    model |= inner
    bulk = ("application/octet-stream", pixels, "bulk/1")
    assert send_models(sender, [(JSON, json.dumps([model]).encode()), bulk]).status == 409


def test_bulk_data_without_a_name(sender: AsgiClient) -> None:
    model, pixels = model_of(ct_file())
    parts = [(JSON, json.dumps([model]).encode()), ("application/octet-stream", pixels)]
    assert send_models(sender, parts).status == 400
