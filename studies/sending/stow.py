"""A DICOMweb server as a destination: STOW-RS (PS3.18 10.5), in batches, read as they go."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from threading import Event
from typing import Any

import urllib3
from django.conf import settings

from studies.sending.errors import PeerUnavailable, PeerUnusable
from studies.sending.models import Destination
from studies.sending.peer import REFUSED, SENT, Parcel, Result

CONNECT_TIMEOUT = 10.0
GONE = "The server cannot be reached."
ANSWER_LIMIT = 16 * 2**20
REFERENCED_SOP_SEQUENCE = "00081199"
FAILED_SOP_SEQUENCE = "00081198"
REFERENCED_SOP_INSTANCE_UID = "00081155"
FAILURE_REASON = "00081197"
DUPLICATE = 0x0111
LATER = range(0xA700, 0xA800)
WORDS = {
    0x0110: "The server could not process the image.",
    0x0122: "The server does not take this kind of image.",
    0x0124: "The server does not allow this image to be stored.",
    0xC122: "The server does not take this kind of image.",
}


class Refused(Exception):
    """The whole request was refused; of one image alone, it is that image."""


class DicomWebServer:
    """Sends to one server over one connection."""

    def __init__(self, destination: Destination) -> None:
        self._url = f"{destination.url.rstrip('/')}/studies"
        self._headers = {"Accept": "application/dicom+json"}
        if destination.authorization:
            self._headers["Authorization"] = destination.authorization
        self._pool = urllib3.PoolManager(
            maxsize=1,
            retries=False,
            timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT, read=settings.SEND_READ_TIMEOUT),
        )

    def close(self) -> None:
        """Close the connection."""
        self._pool.clear()

    def send(self, parcels: list[Parcel], results: list[Result], stop: Event) -> None:
        """Store a batch. Where it is refused as a whole, image by image, so that one bad image
        does not stop the rest."""
        try:
            results.extend(self._store(parcels, stop))
            return
        except Refused as error:
            if len(parcels) == 1:
                results.append(Result(parcels[0].item_id, REFUSED, str(error)))
                return
        for parcel in parcels:
            self.send([parcel], results, stop)

    def _store(self, parcels: list[Parcel], stop: Event) -> list[Result]:
        status, body = self._post(parcels, stop)
        _raise_for(status)
        stored, failed, is_answer = _references(body)
        if status == 409 and not is_answer:
            raise Refused("The server refuses the image.")
        if status == 200 and not is_answer:
            stored = {parcel.sop_instance_uid for parcel in parcels}
        results = []
        for parcel in parcels:
            reason = failed.get(parcel.sop_instance_uid)
            if reason is not None and reason in LATER:
                continue
            if reason is not None and reason != DUPLICATE:
                words = WORDS.get(reason, f"The server refuses the image (reason {reason:04X}).")
                results.append(Result(parcel.item_id, REFUSED, words))
            elif reason == DUPLICATE or parcel.sop_instance_uid in stored:
                results.append(Result(parcel.item_id, SENT))
        if is_answer and not results:
            raise PeerUnavailable("The server took none of the images; it may be full.")
        return results

    def _post(self, parcels: list[Parcel], stop: Event) -> tuple[int, bytes]:
        boundary = secrets.token_hex(16)
        head = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        tail = f"--{boundary}--\r\n".encode()
        length = sum(len(head) + parcel.outgoing.size + 2 for parcel in parcels) + len(tail)
        headers = {
            **self._headers,
            "Content-Type": f'multipart/related; type="application/dicom"; boundary={boundary}',
            "Content-Length": str(length),
        }
        try:
            response = self._pool.request(
                "POST",
                self._url,
                body=_body(parcels, head, tail, stop),
                headers=headers,
                redirect=False,
                preload_content=False,
            )
            body = response.read(ANSWER_LIMIT)
        except urllib3.exceptions.NewConnectionError as error:
            raise PeerUnavailable(GONE) from error
        except urllib3.exceptions.TimeoutError as error:
            raise PeerUnavailable("The server did not answer in time.") from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise PeerUnavailable(GONE) from error
        response.release_conn()
        return response.status, body


def _body(parcels: list[Parcel], head: bytes, tail: bytes, stop: Event) -> Iterator[bytes]:
    for parcel in parcels:
        yield head
        for chunk in parcel.outgoing.chunks():
            if stop.is_set():
                raise ConnectionAbortedError("nobody waits for this any more")
            yield chunk
        yield b"\r\n"
    yield tail


def _raise_for(status: int) -> None:
    """Nothing for an answer that speaks of images (PS3.18 table 10.5.3-1)."""
    if status in {200, 202, 409}:
        return
    if status in {401, 403}:
        raise PeerUnavailable("The server refuses the portal's login.")
    if 300 <= status < 400:
        raise PeerUnusable("The server's address has moved; its entry must be corrected.")
    if status in {404, 405, 501}:
        raise PeerUnusable("There is no service for storing images at the server's address.")
    if status == 413:
        raise Refused("The image is larger than the server takes.")
    if status in {408, 425, 429} or status >= 500 or status < 300:
        raise PeerUnavailable(f"The server cannot take images now (HTTP {status}).")
    raise Refused(f"The server refuses the image (HTTP {status}).")


def _references(body: bytes) -> tuple[set[str], dict[str, int], bool]:
    """Stored UIDs, failed UIDs with their reasons, and whether the body is such an answer."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return set(), {}, False
    if isinstance(answer, list) and len(answer) == 1:
        answer = answer[0]
    if not isinstance(answer, dict):
        return set(), {}, False
    known = {REFERENCED_SOP_SEQUENCE, FAILED_SOP_SEQUENCE} & answer.keys()
    stored = {_first(item, REFERENCED_SOP_INSTANCE_UID) for item in _items(answer, "00081199")}
    failed = {
        str(_first(item, REFERENCED_SOP_INSTANCE_UID)): _reason(item)
        for item in _items(answer, FAILED_SOP_SEQUENCE)
    }
    return {str(uid) for uid in stored if uid}, failed, bool(known)


def _items(answer: dict[str, Any], tag: str) -> list[dict[str, Any]]:
    element = answer.get(tag)
    value = element.get("Value") if isinstance(element, dict) else None
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _first(item: dict[str, Any], tag: str) -> Any:
    element = item.get(tag)
    value = element.get("Value") if isinstance(element, dict) else None
    return value[0] if isinstance(value, list) and value else None


def _reason(item: dict[str, Any]) -> int:
    reason = _first(item, FAILURE_REASON)
    return reason if isinstance(reason, int) else 0x0110
