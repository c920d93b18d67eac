"""A running portal with people of two sites, and what tests ask it."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import time
from collections.abc import Callable
from typing import Any

from tests.servers.stack import Stack

MAKE_PEOPLE = """
from pacs.accounts.models import *
main = Site.objects.order_by('id').first()
north = Site.objects.get_or_create(slug='north', defaults={'name': 'North Clinic'})[0]
def person(name, site, role):
    user, made = User.objects.get_or_create(username=name)
    if made:
        user.set_password('a-long-enough-password'); user.save()
        Membership.objects.create(user=user, site=site, role=role)
    return user
for name, site, role in [('radiologist', main, 'radiologist'), ('technician', main, 'technician'),
                         ('referrer', main, 'referrer'), ('stranger', north, 'radiologist'),
                         ('northtech', north, 'technician')]:
    user = person(name, site, role)
    print(name, ApiToken.issue(user, 'test', scopes=['read', 'write'])[1])
"""


class Portal:
    """A running stack with users of two sites and their tokens.

    `viewer_port`: where another's viewer may be served, an origin that the portal allows.
    """

    def __init__(self, stack: Stack, viewer_port: int = 0) -> None:
        self.stack = stack
        self.viewer_port = viewer_port
        self.tokens = dict(line.split() for line in stack.shell(MAKE_PEOPLE).split("\n") if line)

    def request(
        self,
        method: str,
        path: str,
        *,
        who: str | None = "radiologist",
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, bytes, dict[str, str]]:
        """Status, body and headers of a call with a user's bearer token."""
        connection = http.client.HTTPConnection("127.0.0.1", self.stack.port, timeout=60)
        sent = dict(headers or {})
        if who:
            sent["Authorization"] = f"Bearer {self.tokens[who]}"
        try:
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            return answer.status, answer.read(), {k.lower(): v for k, v in answer.getheaders()}
        finally:
            connection.close()

    def studies(self, *, who: str = "radiologist", **query: str) -> list[dict[str, Any]]:
        """QIDO's answer."""
        text = "&".join(f"{key}={value}" for key, value in query.items())
        status, body, _ = self.request("GET", f"/dicom-web/studies?{text}", who=who)
        if status == 204:
            return []
        assert status == 200, (status, body[:300])
        return json.loads(body)

    def count(self, study_uid: str, **options: Any) -> int:
        """Images of a study that the portal shows; 0 where it shows no such study."""
        found = self.studies(StudyInstanceUID=study_uid, **options)
        return int(found[0]["00201208"]["Value"][0]) if found else 0

    def upload(self, data: bytes, *, who: str = "technician") -> tuple[int, dict[str, Any]]:
        """`POST /api/dicom/upload`."""
        status, body, _ = self.request(
            "POST",
            "/api/dicom/upload",
            who=who,
            body=data,
            headers={"Content-Type": "application/dicom"},
        )
        return status, json.loads(body)

    def wait_count(self, study_uid: str, wanted: int, seconds: float = 30, **options: Any) -> None:
        wait(lambda: self.count(study_uid, **options) == wanted, seconds, f"{wanted} images", self)

    def connect(self, slug: str, url: str, *, site: str = "", priors: bool = False) -> int:
        """Follow an Orthanc of tests at a site; priors=False means that all it holds is work."""
        out = self.stack.shell(
            "from pacs.accounts.models import Site\nfrom studies.models import OrthancServer\n"
            f"site = Site.objects.filter(slug={site!r}).first()"
            " or Site.objects.order_by('id').first()\n"
            f"row = OrthancServer.objects.create(site=site, slug={slug!r}, name={slug!r},"
            f" base_url={url!r}, username='portal', password='only-for-tests',"
            f" webhook_secret='only-for-tests', prior_until={None if priors else 0})\n"
            "print(row.pk)"
        )
        return int(out)

    def disconnect(self, server: int) -> None:
        """Follow it no longer."""
        self._change_server(server, "is_enabled=False")

    def connect_again(self, server: int) -> None:
        """Follow it again, at once."""
        self._change_server(server, "is_enabled=True, next_attempt_at=None")

    def _change_server(self, server: int, values: str) -> None:
        self.stack.shell(
            "from studies.models import OrthancServer\n"
            f"OrthancServer.objects.filter(pk={server}).update({values})"
        )

    def archived(self) -> dict[str, str]:
        """SOPInstanceUID -> SHA-256 of the file in the archive, read from the disk now."""
        out = self.stack.shell(
            "import hashlib, json\n"
            "from studies.models import Instance\n"
            "from studies import archive\n"
            "print(json.dumps({i.sop_instance_uid:"
            " hashlib.sha256(archive.local_path(i.archive_key).read_bytes()).hexdigest()"
            " for i in Instance.objects.all()}))"
        )
        return json.loads(out)

    def orthanc_hashes(self) -> dict[str, str]:
        """SOPInstanceUID -> SHA-256 of every file that the portal's Orthanc holds."""
        user, password = self.stack.orthanc_credentials
        credentials = base64.b64encode(f"{user}:{password}".encode()).decode()
        connection = http.client.HTTPConnection(
            "127.0.0.1", self.stack.orthanc_http_port, timeout=60
        )

        def get(path: str) -> bytes:
            connection.request("GET", path, headers={"Authorization": f"Basic {credentials}"})
            answer = connection.getresponse()
            body = answer.read()
            assert answer.status == 200, path
            return body

        found = {}
        for row in json.loads(get("/instances?expand")):
            data = get(f"/instances/{row['ID']}/file")
            found[row["MainDicomTags"]["SOPInstanceUID"]] = hashlib.sha256(data).hexdigest()
        connection.close()
        return found

    def quarantine(self) -> list[tuple[str, str, int]]:
        """Reason, SHA-256 and site of every quarantined file."""
        out = self.stack.shell(
            "import json\nfrom studies.models import QuarantinedFile\n"
            "print(json.dumps(list(QuarantinedFile.objects.values_list("
            "'reason', 'file_sha256', 'site_id'))))"
        )
        return [tuple(row) for row in json.loads(out)]


def wait(
    check: Callable[[], bool], seconds: float, what: str, portal: Portal | None = None
) -> None:
    """Until `check` is true."""
    deadline = time.monotonic() + seconds
    while not check():
        if time.monotonic() > deadline:
            raise AssertionError(
                f"{what}: not in {seconds} s\n{portal.stack.tail() if portal else ''}"
            )
        time.sleep(0.1)
