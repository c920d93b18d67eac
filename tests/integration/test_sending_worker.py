"""Sending by the running product: from the REST call to the other side, over `kill -9`."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydicom import dcmread

from tests.servers.orthanc import OrthancServer
from tests.servers.peer import FaultyProxy
from tests.servers.portal import Portal, wait

pytestmark = pytest.mark.integration

MAKE_DESTINATION = """
from studies.sending.models import Destination
from pacs.accounts.models import Site
site = Site.objects.order_by("id").first()
print(Destination.objects.create(site=site, name={name!r}, kind="dicomweb", url={url!r},
                                 authorization={authorization!r}).pk)
"""


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OrthancServer]:
    with OrthancServer(tmp_path_factory.mktemp("peer")) as server:
        yield server


def destination(portal: Portal, url: str, authorization: str = "") -> int:
    if not authorization:
        login = f"{OrthancServer.user}:{OrthancServer.password}".encode()
        authorization = f"Basic {base64.b64encode(login).decode()}"
    code = MAKE_DESTINATION.format(name=f"Peer {url}", url=url, authorization=authorization)
    return int(portal.stack.shell(code))


def ask(portal: Portal, method: str, path: str, body: Any = None, who: str = "technician") -> Any:
    status, answer, _ = portal.request(
        method,
        path,
        who=who,
        body=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"} if body is not None else None,
    )
    assert status in (200, 201), (status, answer)
    return json.loads(answer)


def study_id(portal: Portal, uid: str) -> int:
    return int(
        portal.stack.shell(
            "from studies.models import Study\n"
            f"print(Study.objects.get(study_instance_uid={uid!r}).pk)"
        )
    )


def held(server: OrthancServer) -> set[str]:
    return set(server.instance_files())


def test_sent_at_once(portal: Portal, peer: OrthancServer, series: Callable[..., Any]) -> None:
    files, uid = series(5)
    portal.stack.storescu(files)
    portal.wait_count(uid, 5)
    where = destination(portal, f"{peer.url}/dicom-web")
    send = ask(
        portal, "POST", "/api/sends/", {"study": study_id(portal, uid), "destination": where}
    )
    assert send["state"] == "queued"
    path = f"/api/sends/{send['id']}/"
    wait(lambda: ask(portal, "GET", path)["state"] == "done", 15, "sent", portal)
    assert {str(dcmread(file).SOPInstanceUID) for file in files} <= held(peer)


def test_over_a_killed_worker(
    portal: Portal, peer: OrthancServer, series: Callable[..., Any]
) -> None:
    """`kill -9` in the middle: the sweep finds the send, and what was there is not sent again."""
    files, uid = series(100)
    portal.stack.storescu(files)
    portal.wait_count(uid, 100, 60)
    with FaultyProxy(peer.http_port) as proxy:
        proxy.delay = 0.7
        where = destination(portal, f"{proxy.url}/dicom-web")
        send = ask(
            portal, "POST", "/api/sends/", {"study": study_id(portal, uid), "destination": where}
        )
        path = f"/api/sends/{send['id']}/"
        wait(lambda: ask(portal, "GET", path)["done"] >= 40, 30, "half is there", portal)
        old = portal.stack.kill("worker")
        before = ask(portal, "GET", path)
        assert (before["state"], before["total"]) == ("sending", 100)
        portal.stack.wait_restarted("worker", old)
        proxy.delay = 0.0
        wait(lambda: ask(portal, "GET", path)["state"] == "done", 60, "sent", portal)
        after = ask(portal, "GET", path)
        assert (after["done"], after["refused"]) == (100, 0)
        batches = -(-(100 - before["done"]) // 20)
        assert len(proxy.paths) <= before["done"] // 20 + 1 + batches
    assert {str(dcmread(file).SOPInstanceUID) for file in files} <= held(peer)


def test_to_another_site_of_the_portal_itself(portal: Portal, series: Callable[..., Any]) -> None:
    """Our own STOW-RS as the other side: the study is then at both sites."""
    files, uid = series(23)
    portal.stack.storescu(files)
    portal.wait_count(uid, 23)
    where = destination(
        portal,
        f"{portal.stack.base_url}/dicom-web/sites/north",
        f"Bearer {portal.tokens['northtech']}",
    )
    send = ask(
        portal, "POST", "/api/sends/", {"study": study_id(portal, uid), "destination": where}
    )
    path = f"/api/sends/{send['id']}/"
    wait(lambda: ask(portal, "GET", path)["state"] == "done", 60, "sent", portal)
    portal.wait_count(uid, 23, who="stranger")
    again = ask(portal, "POST", "/api/sends/", {"study": send["study"], "destination": where})
    path = f"/api/sends/{again['id']}/"
    wait(lambda: ask(portal, "GET", path)["state"] == "done", 60, "sent again", portal)
    assert ask(portal, "GET", path)["refused"] == 0
