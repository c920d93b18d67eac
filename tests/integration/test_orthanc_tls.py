"""A hardened Orthanc: REST over HTTPS, checked; DICOM over TLS with a certificate of each."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers.certificates import Authority
from tests.servers.child import ChildServer, require
from tests.servers.nginx import nginx_command
from tests.servers.orthanc import OrthancServer
from tests.servers.portal import Portal, wait
from tests.servers.ports import free_port, listens, wait_until

pytestmark = pytest.mark.integration


PROXY = """
server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {folder}/orthanc.crt;
    ssl_certificate_key {folder}/orthanc.key;
    ssl_protocols TLSv1.2 TLSv1.3;
    access_log off;
    proxy_http_version 1.1;
    proxy_buffering off;
    client_max_body_size 0;
    location / {{ proxy_pass http://127.0.0.1:{orthanc}; }}
}}
"""


class HardenedOrthanc(OrthancServer):
    """DICOM over TLS, from a modality that shows a certificate of the authority; REST behind nginx
    with TLS, since Debian's Orthanc 1.10.1 dies of its first request over HTTPS."""

    def __init__(self, folder: Path, authority: Authority) -> None:
        authority.issue("orthanc")
        self.authority = authority
        super().__init__(
            folder,
            slug="hardened",
            options={
                "DicomTlsEnabled": True,
                "DicomTlsCertificate": str(authority.folder / "orthanc.crt"),
                "DicomTlsPrivateKey": str(authority.folder / "orthanc.key"),
                "DicomTlsTrustedCertificates": str(authority.certificate),
                "DicomTlsRemoteCertificateRequired": True,
            },
        )
        self.tls_port = free_port()
        self.proxy = ChildServer(folder / "nginx.log")

    def start(self) -> None:
        super().start()
        http = PROXY.format(
            port=self.tls_port, folder=self.authority.folder, orthanc=self.http_port
        )
        self.proxy.launch(nginx_command(self.folder / "nginx", http))
        wait_until(lambda: listens(self.tls_port), 10, "nginx listens")

    def stop(self) -> None:
        self.proxy.end()
        super().stop()

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.tls_port}"

    def send(self, files: list[Path], *options: str) -> int:
        """dcmtk's storescu; its exit status."""
        command = [require("storescu"), "-aec", self.aet, *options, "127.0.0.1"]
        command += [str(self.dicom_port), *map(str, files)]
        return subprocess.run(command, capture_output=True, timeout=60, check=False).returncode


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    made = Authority(tmp_path_factory.mktemp("authority"))
    made.issue("modality")
    return made


@pytest.fixture(scope="module")
def hardened(
    tmp_path_factory: pytest.TempPathFactory, authority: Authority
) -> Iterator[HardenedOrthanc]:
    with HardenedOrthanc(tmp_path_factory.mktemp("hardened"), authority) as server:
        yield server


def trust(portal: Portal, server: int, certificates: str) -> None:
    portal.stack.shell(
        "from studies.models import OrthancServer\n"
        f"OrthancServer.objects.filter(pk={server}).update("
        f"tls_ca={certificates!r}, next_attempt_at=None)"
    )


def last_error(portal: Portal, server: int) -> str:
    return portal.stack.shell(
        "from studies.models import OrthancServer\n"
        f"print(OrthancServer.objects.get(pk={server}).last_error)"
    ).strip()


def test_dicom_over_tls_with_a_certificate_and_followed_over_https(
    portal: Portal,
    hardened: HardenedOrthanc,
    authority: Authority,
    series: Any,
    tmp_path: Path,
) -> None:
    stranger = Authority(tmp_path / "stranger", "Another authority")
    stranger.issue("modality")
    files, uid = series(3)
    known = ["+cf", str(authority.certificate)]
    own = ["+tls", f"{authority.folder}/modality.key", f"{authority.folder}/modality.crt"]
    foreign = ["+tls", f"{stranger.folder}/modality.key", f"{stranger.folder}/modality.crt"]
    # Without TLS, without a certificate, with one that nobody here has signed: nothing is stored.
    assert hardened.send(files) != 0
    assert hardened.send(files, "+tla", *known) != 0
    assert hardened.send(files, *foreign, *known) != 0
    assert hardened.count_instances() == 0
    assert hardened.send(files, *own, *known) == 0
    assert hardened.count_instances() == 3

    server = portal.connect("hardened", hardened.url)
    refused = "its certificate is not trusted, or is of another host"
    try:
        wait(lambda: last_error(portal, server) == refused, 60, "the refusal is told", portal)
        trust(portal, server, stranger.certificate.read_text())
        wait(lambda: last_error(portal, server) == refused, 60, "the refusal is told", portal)
        assert portal.count(uid) == 0
        trust(portal, server, authority.certificate.read_text())
        portal.wait_count(uid, 3, 60)
        assert last_error(portal, server) == ""
    finally:
        portal.disconnect(server)
