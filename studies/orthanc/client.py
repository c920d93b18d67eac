"""Orthanc's REST API, as far as the portal needs it. Keep-alive, timeouts, no hidden retries."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import urllib3
from django.conf import settings

from studies.dicom.payload import SPOOL_ABOVE, Payload, TooLargeError
from studies.errors import PermanentError, RetriableError

if TYPE_CHECKING:
    from studies.models import OrthancServer

CONNECT_TIMEOUT = 5.0
IN_FLIGHT = 4


class OrthancUnavailable(RetriableError):
    """Orthanc is down, slow, restarting or answers 5xx: the same may work later."""


class OrthancRefuses(RetriableError):
    """Orthanc rejects our login. Someone must correct it; until then we keep asking."""


class InstanceRefused(PermanentError):
    """Orthanc takes the file for no DICOM, or a script of its forbids it."""


class InstanceTooLarge(PermanentError):
    """An instance above the portal's limit; `size` in bytes, or the limit where it is unknown."""

    def __init__(self, size: int) -> None:
        super().__init__("the instance is above the limit")
        self.size = size


@dataclass(frozen=True, slots=True)
class Change:
    """A row of /changes."""

    seq: int
    type: str
    resource: str
    date: str

    @property
    def mark(self) -> str:
        """What tells this change from one of the same number after a reset of Orthanc."""
        return f"{self.type} {self.resource} {self.date}"[:160]


@dataclass(frozen=True, slots=True)
class Page:
    """A page of /changes. `last` is its last number, or the server's last where it is empty."""

    changes: tuple[Change, ...]
    last: int
    done: bool


class OrthancClient:
    """One Orthanc over a pool of kept connections. Thread-safe."""

    def __init__(self, base_url: str, username: str, password: str, tls_ca: str = "") -> None:
        """`tls_ca`: certificates in PEM, one of which has signed Orthanc's; else those that the
        system trusts."""
        self._base = base_url.rstrip("/")
        self._headers = (
            urllib3.make_headers(basic_auth=f"{username}:{password}") if username else {}
        )
        self._pool = urllib3.PoolManager(
            maxsize=IN_FLIGHT + 1,
            block=False,
            retries=False,
            timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT, read=settings.ORTHANC_READ_TIMEOUT),
            ssl_context=_trusting(tls_ca) if tls_ca else None,
        )

    def changes(self, since: int, limit: int) -> Page:
        """The changes after `since`."""
        return _page(self._json(f"/changes?since={since}&limit={limit}"))

    def last_change(self) -> int:
        """The number of the newest change; 0 for an empty Orthanc."""
        return _page(self._json("/changes?last")).last

    def instance(self, orthanc_id: str, spool_dir: Path) -> Payload | None:
        """The file of an instance, or None where it is gone (404). Raises InstanceTooLarge."""
        response = self._get(f"/instances/{orthanc_id}/file", preload=False)
        try:
            if response.status == 404:
                response.drain_conn()
                return None
            self._check(response)
            length = response.headers.get("Content-Length", "")
            if length.isdigit() and int(length) > settings.MAX_INSTANCE_BYTES:
                response.close()
                raise InstanceTooLarge(int(length))
            if length.isdigit() and int(length) <= min(SPOOL_ABOVE, settings.MAX_INSTANCE_BYTES):
                return Payload.from_bytes(self._whole(response))
            return Payload.read(
                self._body(response), limit=settings.MAX_INSTANCE_BYTES, spool_dir=spool_dir
            )
        except TooLargeError as error:
            response.close()
            raise InstanceTooLarge(settings.MAX_INSTANCE_BYTES) from error
        finally:
            response.release_conn()

    def version(self) -> str:
        """What Orthanc calls itself: "1.12.11", "mainline"."""
        body = self._json("/system")
        return str(body.get("Version", ""))[:40] if isinstance(body, dict) else ""

    def series_sizes(self, series_instance_uids: list[str]) -> dict[str, int]:
        """How many images Orthanc holds of each series; what it does not know is left out.

        The same series under two patients or studies counts together.
        """
        try:
            response = self._pool.request(
                "POST",
                self._base + "/tools/find",
                json={
                    "Level": "Series",
                    "Expand": True,
                    "Query": {"SeriesInstanceUID": "\\".join(series_instance_uids)},
                },
                headers=self._headers,
                redirect=False,
            )
        except urllib3.exceptions.HTTPError as error:
            raise _unreached(error) from error
        self._check(response)
        sizes: dict[str, int] = {}
        try:
            for row in response.json():
                uid = str(row["MainDicomTags"]["SeriesInstanceUID"])
                sizes[uid] = sizes.get(uid, 0) + len(row["Instances"])
        except (ValueError, KeyError, TypeError) as error:
            raise OrthancUnavailable("the answer is no list of series") from error
        return sizes

    def store(self, content: bytes) -> str:
        """Store a DICOM file; Orthanc's id of the instance. One that is there already stays.

        Raises InstanceRefused, OrthancUnavailable, OrthancRefuses.
        """
        try:
            response = self._pool.request(
                "POST",
                self._base + "/instances",
                body=content,
                headers={**self._headers, "Content-Type": "application/dicom"},
                redirect=False,
            )
        except urllib3.exceptions.HTTPError as error:
            raise _unreached(error) from error
        if response.status in (400, 415):
            raise InstanceRefused("Orthanc does not take the file")
        self._check(response)
        try:
            return str(response.json()["ID"])
        except (ValueError, KeyError, TypeError) as error:
            raise OrthancUnavailable("the answer is none of Orthanc's") from error

    @staticmethod
    def _whole(response: urllib3.BaseHTTPResponse) -> bytes:
        try:
            return response.read()
        except urllib3.exceptions.HTTPError as error:
            response.close()
            raise OrthancUnavailable("the connection was lost in mid-transfer") from error

    @staticmethod
    def _body(response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
        try:
            yield from response.stream(1 << 20)
        except urllib3.exceptions.HTTPError as error:
            response.close()
            raise OrthancUnavailable("the connection was lost in mid-transfer") from error

    def _json(self, path: str) -> Any:
        response = self._get(path)
        self._check(response)
        try:
            return response.json()
        except ValueError as error:
            raise OrthancUnavailable("the answer is no JSON") from error

    def _get(self, path: str, *, preload: bool = True) -> urllib3.BaseHTTPResponse:
        try:
            return self._pool.request(
                "GET",
                self._base + path,
                headers=self._headers,
                preload_content=preload,
                redirect=False,
            )
        except urllib3.exceptions.HTTPError as error:
            raise _unreached(error) from error

    @staticmethod
    def _check(response: urllib3.BaseHTTPResponse) -> None:
        if response.status in (401, 403):
            raise OrthancRefuses("user name or password is refused")
        if response.status != 200:
            raise OrthancUnavailable(f"answers {response.status}")


def _trusting(tls_ca: str) -> ssl.SSLContext:
    context = urllib3.util.create_urllib3_context()
    context.verify_mode = ssl.CERT_REQUIRED
    context.check_hostname = True
    context.load_verify_locations(cadata=tls_ca)
    return context


def _unreached(error: urllib3.exceptions.HTTPError) -> OrthancUnavailable | OrthancRefuses:
    if isinstance(error, urllib3.exceptions.TimeoutError):
        return OrthancUnavailable("no answer in time")
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return OrthancRefuses("its certificate is not trusted, or is of another host")
    return OrthancUnavailable("cannot be reached")


def _page(body: Any) -> Page:
    try:
        return Page(
            changes=tuple(
                Change(
                    int(row["Seq"]),
                    str(row["ChangeType"]),
                    str(row["ID"]),
                    str(row.get("Date", "")),
                )
                for row in body["Changes"]
            ),
            last=int(body["Last"]),
            done=bool(body["Done"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise OrthancUnavailable("the answer is no list of changes") from error


_clients: dict[tuple[str, str, str, str], OrthancClient] = {}
_clients_lock = Lock()


def client_of(server: OrthancServer) -> OrthancClient:
    """The process's client of this Orthanc, so that connections are kept between slices."""
    key = (server.base_url, server.username, server.password, server.tls_ca)
    with _clients_lock:
        if key not in _clients:
            _clients[key] = OrthancClient(*key)
        return _clients[key]
