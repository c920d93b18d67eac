"""A DICOM node as a destination: C-STORE (PS3.4 B) by an Orthanc of the site.

What the Orthanc holds byte for byte, it sends itself, converting where the node takes no
compression. What it lacks is put there first and stays: it is the site's own. What it holds in
another form, and corrected images, pass through it without being stored.
"""

from __future__ import annotations

import json
import re
import time
from threading import Event
from typing import Any

import urllib3
from django.conf import settings

from studies.sending.errors import PeerUnavailable
from studies.sending.models import Destination
from studies.sending.peer import REFUSED, SENT, Parcel, Result
from studies.services.outgoing import Outgoing

CONNECT_TIMEOUT = 5.0
POLL_SECONDS = 0.1
STALLED_SECONDS = 120.0
NODE_TIMEOUT = 30
ORTHANC_GONE = "The site's Orthanc cannot be reached."
STATUS = re.compile(r"DIMSE status 0x([0-9A-Fa-f]{4})")
LATER = range(0xA700, 0xA800)


class OrthancSays(Exception):
    """Orthanc could not do it; the text is its own and never shown."""


class DicomNode:
    """One node behind one Orthanc. Its entry at Orthanc gives the node no right to ask there."""

    def __init__(self, destination: Destination) -> None:
        server = destination.orthanc_server
        if server is None:
            raise ValueError("a DICOM node needs an Orthanc")
        self._base = server.base_url.rstrip("/")
        login = f"{server.username}:{server.password}"
        self._headers = urllib3.make_headers(basic_auth=login) if server.username else {}
        # Orthanc takes the first entry of an AE title, by name: the site's own go before ours.
        self._modality = f"zz-lightbox-{destination.pk}"
        self._entry = {
            "AET": destination.ae_title,
            "Host": destination.host,
            "Port": destination.port,
            "Timeout": NODE_TIMEOUT,
            "AllowEcho": False,
            "AllowFind": False,
            "AllowGet": False,
            "AllowMove": False,
            "AllowStore": False,
        }
        self._entered = False
        self._pool = urllib3.PoolManager(
            maxsize=1,
            retries=False,
            timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT, read=settings.ORTHANC_READ_TIMEOUT),
        )

    def close(self) -> None:
        """Close the connection to Orthanc."""
        self._pool.clear()

    def send(self, parcels: list[Parcel], results: list[Result], stop: Event) -> None:
        """One association for what Orthanc holds, then what passes through, one by one."""
        if not self._entered:
            self._call("PUT", f"/modalities/{self._modality}", json.dumps(self._entry).encode())
            self._entered = True
        held: list[tuple[Parcel, str]] = []
        passing: list[Parcel] = []
        for parcel in parcels:
            if stop.is_set():
                return
            resource = self._resource(parcel.outgoing)
            if resource is None:
                passing.append(parcel)
            else:
                held.append((parcel, resource))
        if held:
            self._send_held(held, results, stop)
        for parcel in passing:
            if stop.is_set():
                return
            self._one(parcel, results, "store-straight", parcel.outgoing)

    def _send_held(
        self, held: list[tuple[Parcel, str]], results: list[Result], stop: Event
    ) -> None:
        failure = self._job([resource for _, resource in held], stop)
        if failure is None:
            results.extend(Result(parcel.item_id, SENT) for parcel, _ in held)
            return
        if len(held) == 1:
            results.append(Result(held[0][0].item_id, REFUSED, _judge(failure)))
            return
        # Orthanc does not say which image failed: ask for each. The node may be gone, though.
        for parcel, resource in held:
            if stop.is_set():
                return
            body = json.dumps({"Resources": [resource], "Synchronous": True}).encode()
            self._one(parcel, results, "store", body)

    def _one(self, parcel: Parcel, results: list[Result], how: str, body: bytes | Outgoing) -> None:
        try:
            self._call("POST", f"/modalities/{self._modality}/{how}", body)
        except OrthancSays as says:
            results.append(Result(parcel.item_id, REFUSED, _judge(str(says))))
        else:
            results.append(Result(parcel.item_id, SENT))

    def _resource(self, outgoing: Outgoing) -> str | None:
        """Orthanc's name of exactly these bytes, put there where it has none of this UID."""
        if not outgoing.is_original:
            return None
        uid = outgoing.instance.sop_instance_uid
        found = self._call("POST", "/tools/lookup", uid.encode()).json()
        held = [row["ID"] for row in found if row.get("Type") == "Instance"]
        if not held:
            try:
                answer = self._call("POST", "/instances", outgoing).json()
            except OrthancSays:
                return None
            if answer.get("Status") == "Success":
                return str(answer["ID"])
            held = [answer["ID"]]
        digest = outgoing.md5()
        return next((name for name in held if self._md5(name) == digest), None)

    def _md5(self, resource: str) -> str:
        try:
            return self._call("GET", f"/instances/{resource}/attachments/dicom/md5").data.decode()
        except OrthancSays:
            return ""

    def _job(self, resources: list[str], stop: Event) -> str | None:
        """C-STORE these; None when all arrived, else what Orthanc says of the failure."""
        body = json.dumps({"Resources": resources, "Asynchronous": True, "Permissive": False})
        try:
            job = self._call("POST", f"/modalities/{self._modality}/store", body.encode()).json()[
                "ID"
            ]
            moved, progress = time.monotonic(), -1
            while True:
                state = self._call("GET", f"/jobs/{job}").json()
                if state["State"] == "Success":
                    return None
                if state["State"] == "Failure":
                    return str(state.get("ErrorDetails") or state.get("ErrorDescription") or "")
                if state["Progress"] != progress:
                    moved, progress = time.monotonic(), state["Progress"]
                if stop.is_set() or time.monotonic() - moved > STALLED_SECONDS:
                    self._call("POST", f"/jobs/{job}/cancel", b"")
                    raise PeerUnavailable("The node stopped taking images.")
                stop.wait(POLL_SECONDS)
        except OrthancSays as says:
            return str(says)

    def _call(
        self, method: str, path: str, body: bytes | Outgoing | None = None
    ) -> urllib3.BaseHTTPResponse:
        """Raises PeerUnavailable where Orthanc is down, OrthancSays for what it cannot do."""
        headers = dict(self._headers)
        try:
            if isinstance(body, Outgoing):
                headers["Content-Length"] = str(body.size)
                with body.open() as file:
                    response = self._request(method, path, file, headers)
            else:
                response = self._request(method, path, body, headers)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise PeerUnavailable(ORTHANC_GONE) from error
        if response.status in {401, 403}:
            raise PeerUnavailable("The site's Orthanc refuses the portal's login.")
        if response.status >= 300:
            raise OrthancSays(_details(response.data))
        return response

    def _request(
        self, method: str, path: str, body: Any, headers: dict[str, str]
    ) -> urllib3.BaseHTTPResponse:
        return self._pool.request(
            method, self._base + path, body=body, headers=headers, redirect=False
        )


def _details(body: bytes) -> str:
    try:
        answer = json.loads(body)
        return str(answer.get("Details") or answer.get("Message") or "")
    except (ValueError, AttributeError):
        return ""


def _judge(details: str) -> str:
    """Why the node refuses this image, in plain words; raises PeerUnavailable where it is not
    about the image."""
    if "No valid presentation context" in details:
        return "The node does not take this kind of image."
    if "transcode" in details:
        return "The node does not take the way this image is compressed."
    if found := STATUS.search(details):
        status = int(found[1], 16)
        if status in LATER:
            raise PeerUnavailable("The node has no room for images now.")
        return f"The node refuses the image (status {status:04X})."
    if "Association Rejected" in details:
        raise PeerUnavailable("The node refuses the connection; it may not know our AE title.")
    if "connecting to" in details:
        raise PeerUnavailable("The node cannot be reached.")
    raise PeerUnavailable("The node broke off the connection.")
