"""Requests to CUPS: IPP 2.0 (RFC 8010, RFC 8011) over HTTP, on its socket or a port.

pyipp encodes and decodes; the attributes' tags are said here, because its table knows neither
collections nor every keyword that a job needs.
"""

from __future__ import annotations

import asyncio
import itertools
import struct
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

import aiohttp
from pyipp.enums import IppOperation, IppStatus, IppTag
from pyipp.parser import parse
from pyipp.serializer import construct_attribute

TIMEOUT = 15.0
"""Seconds for a request; a document has as many minutes to be taken."""
MAX_REPLY = 16 * 2**20
Attribute = tuple[str, IppTag, Any]
Group = dict[str, Any]

PRINTER_ATTRIBUTES = [
    *("printer-name", "printer-state", "printer-state-reasons", "printer-state-message"),
    *("printer-is-accepting-jobs", "printer-uri-supported", "printer-type"),
    *("media-source-supported", "sides-supported"),
]
JOB_ATTRIBUTES = [
    *("job-state", "job-state-reasons", "number-of-documents", "job-printer-state-message"),
    *("job-impressions-completed", "job-media-sheets-completed"),
]


class IppError(Exception):
    """Why CUPS did not do what was asked, in plain words."""


class UnreachableError(IppError):
    """No answer. The same may be asked again; whether it was done is not known."""


class RefusedError(IppError):
    """CUPS said no, for good. `status` as RFC 8011 13.1 numbers it; 0 for an error of HTTP."""

    def __init__(self, words: str, status: int = 0) -> None:
        super().__init__(words)
        self.status = status


class Cups:
    """A client of one CUPS. `server`: host:port, or the path of its socket; `user`: whose jobs."""

    def __init__(self, server: str, user: str) -> None:
        self._socket = server if server.startswith("/") else ""
        self._url = "http://localhost" if self._socket else f"http://{server}"
        self._user = user
        self._numbers = itertools.count(1)
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Open the client; nothing is sent yet."""
        connector: aiohttp.BaseConnector = (
            aiohttp.UnixConnector(self._socket) if self._socket else aiohttp.TCPConnector()
        )
        self._session = aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar()
        )

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def printers(self) -> list[Group]:
        """Every queue and class with PRINTER_ATTRIBUTES."""
        try:
            reply = await self._ask(
                IppOperation.CUPS_GET_PRINTERS,
                "/",
                [("requested-attributes", IppTag.KEYWORD, PRINTER_ATTRIBUTES)],
            )
        except RefusedError as error:
            if error.status == IppStatus.ERROR_NOT_FOUND:
                return []  # how CUPS says that it has none
            raise
        return list(reply["printers"])

    async def printer(self, path: str) -> Group:
        """PRINTER_ATTRIBUTES of one queue, and a few of its device."""
        reply = await self._ask(
            IppOperation.GET_PRINTER_ATTRIBUTES,
            path,
            [("requested-attributes", IppTag.KEYWORD, PRINTER_ATTRIBUTES)],
        )
        return _only(reply["printers"])

    async def create_job(self, path: str, title: str, attributes: Iterable[Attribute]) -> int:
        """An empty job's number. Nothing is printed before it gets its document."""
        reply = await self._ask(
            IppOperation.CREATE_JOB,
            path,
            [
                ("job-name", IppTag.NAME, title),
                ("ipp-attribute-fidelity", IppTag.BOOLEAN, False),
            ],
            attributes,
        )
        number = _only(reply["jobs"]).get("job-id")
        if not isinstance(number, int):
            raise RefusedError("CUPS gave the job no number")
        return number

    async def send_document(self, path: str, job: int, pdf: bytes) -> None:
        """Give a job its one document, which begins it."""
        await self._ask(
            IppOperation.SEND_DOCUMENT,
            path,
            [
                ("job-id", IppTag.INTEGER, job),
                ("document-format", IppTag.MIME_TYPE, "application/pdf"),
                ("last-document", IppTag.BOOLEAN, True),
            ],
            data=pdf,
            seconds=TIMEOUT * 60,
        )

    async def job(self, path: str, job: int) -> Group:
        """JOB_ATTRIBUTES of a job. RefusedError where CUPS no longer knows it."""
        reply = await self._ask(
            IppOperation.GET_JOB_ATTRIBUTES,
            path,
            [
                ("job-id", IppTag.INTEGER, job),
                ("requested-attributes", IppTag.KEYWORD, JOB_ATTRIBUTES),
            ],
        )
        return _only(reply["jobs"])

    async def cancel(self, path: str, job: int) -> None:
        """Take a job back. RefusedError where it is over."""
        await self._ask(IppOperation.CANCEL_JOB, path, [("job-id", IppTag.INTEGER, job)])

    async def _ask(
        self,
        operation: IppOperation,
        path: str,
        attributes: Iterable[Attribute],
        job: Iterable[Attribute] = (),
        *,
        data: bytes = b"",
        seconds: float = TIMEOUT,
    ) -> dict[str, Any]:
        body = self._encoded(operation, path, attributes, job) + data
        try:
            async with asyncio.timeout(seconds):
                content = await self._post(path, body)
        except TimeoutError:
            raise UnreachableError("CUPS does not answer") from None
        except (aiohttp.ClientError, OSError):
            raise UnreachableError("CUPS cannot be reached") from None
        return _decoded(content)

    async def _post(self, path: str, body: bytes) -> bytes:
        if self._session is None:
            raise UnreachableError("the agent is stopping")
        async with self._session.post(
            self._url + path,
            data=body,
            headers={"Content-Type": "application/ipp"},
            allow_redirects=False,
        ) as response:
            if response.status in (401, 403):
                raise RefusedError("CUPS does not let this agent do that")
            if response.status != 200:
                raise UnreachableError(f"CUPS answered with HTTP {response.status}")
            content = await response.content.read(MAX_REPLY)
            while more := await response.content.read(MAX_REPLY):
                content += more
                if len(content) > MAX_REPLY:
                    raise RefusedError("CUPS answered with more than can be read")
            return content

    def _encoded(
        self,
        operation: IppOperation,
        path: str,
        attributes: Iterable[Attribute],
        job: Iterable[Attribute],
    ) -> bytes:
        """RFC 8010 3.1: the operation's attributes in their order, the job's, the end."""
        first: list[Attribute] = [
            ("attributes-charset", IppTag.CHARSET, "utf-8"),
            ("attributes-natural-language", IppTag.LANGUAGE, "en"),
        ]
        if path != "/":
            first.append(("printer-uri", IppTag.URI, f"ipp://localhost{path}"))
        asked = list(attributes)
        # A job's number follows its printer (RFC 8011 4.3.1).
        number = [each for each in asked if each[0] == "job-id"]
        rest = [each for each in asked if each[0] != "job-id"]
        user: Attribute = ("requesting-user-name", IppTag.NAME, self._user)
        parts = [struct.pack(">bbhi", 2, 0, operation.value, next(self._numbers) & 0x7FFFFFFF)]
        parts += [_tag(IppTag.OPERATION), *map(encoded, [*first, *number, user, *rest])]
        if job := list(job):
            parts += [_tag(IppTag.JOB), *map(encoded, job)]
        return b"".join([*parts, _tag(IppTag.END)])


def encoded(attribute: Attribute) -> bytes:
    """One attribute; a collection is a dict of members, each a list of attributes' tag and value.

    RFC 8010 3.1.6: the collection's begin, each member's name and then its value, its end.
    """
    name, tag, value = attribute
    if tag != IppTag.BEGIN_COLLECTION:
        return construct_attribute(name, value, tag)
    parts = [construct_attribute(name, "", IppTag.BEGIN_COLLECTION)]
    for member, (member_tag, member_value) in value.items():
        parts.append(construct_attribute("", member, IppTag.MEMBER_NAME))
        parts.append(construct_attribute("", member_value, member_tag))
    return b"".join([*parts, construct_attribute("", "", IppTag.END_COLLECTION)])


def many(value: Any) -> list[Any]:
    """The values of an attribute, which comes alone where there is one."""
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]


def queue_path(name: str) -> str:
    """Where CUPS keeps a queue."""
    return f"/printers/{quote(name, safe='')}"


def _tag(tag: IppTag) -> bytes:
    return bytes([tag.value])


def _only(groups: list[Group]) -> Group:
    if not groups:
        raise RefusedError("CUPS answered without what was asked for")
    return groups[0]


_FIXED: dict[int, int] = {
    IppTag.INTEGER: 4,
    IppTag.ENUM: 4,
    IppTag.BOOLEAN: 1,
    IppTag.DATE: 11,
}
_FIRST_VALUE_TAG = 0x10
"""What is below begins a group (RFC 8010 3.5)."""
_WITH_LANGUAGE = (IppTag.TEXT_LANG, IppTag.NAME_LANG)


def _checked(content: bytes) -> bytes:
    """The answer, every length as RFC 8010 3.1 has it to the end, without groups that are empty.

    pyipp believes lengths, and a negative one would lead it in a circle; it takes no empty group.
    Raises ValueError, IndexError.
    """
    at, group = 8, 8
    parts = [content[:8]]
    while True:
        if content[at] < _FIRST_VALUE_TAG:
            if at > group + 1:
                parts.append(content[group:at])
            if content[at] == IppTag.END:
                return b"".join([*parts, content[at : at + 1]])
            group, at = at, at + 1
            continue
        tag = content[at]
        name = _length(content, at + 1)
        size = _length(content, at + 3 + name)
        value = at + 5 + name
        if size != _FIXED.get(tag, size):
            raise ValueError("a value of the wrong length")
        if tag in _WITH_LANGUAGE:
            language = _length(content, value)
            text = _length(content, value + 2 + language)
            if 4 + language + text != size:
                raise ValueError("a text of the wrong length")
        at = value + size


def _length(content: bytes, at: int) -> int:
    length = int.from_bytes(content[at : at + 2], "big")
    if length > 0x7FFF or at + 2 + length > len(content):
        raise ValueError("a length beyond the end")
    return length


def _decoded(content: bytes) -> dict[str, Any]:
    try:
        reply: dict[str, Any] = parse(_checked(content))
    except Exception:
        # The decoder promises nothing for broken bytes.
        raise UnreachableError("something else than CUPS answered") from None
    status = reply["status-code"]
    if not 0 <= status < 0x0100:
        raise RefusedError(_REFUSALS.get(status, f"CUPS refused (status 0x{status:04x})"), status)
    return reply


_REFUSALS: dict[int, str] = {
    IppStatus.ERROR_NOT_FOUND: "CUPS does not know it",
    IppStatus.ERROR_NOT_POSSIBLE: "CUPS says that this is not possible now",
    IppStatus.ERROR_NOT_ACCEPTING_JOBS: "the printer takes no jobs",
    IppStatus.ERROR_DOCUMENT_FORMAT_NOT_SUPPORTED: "the printer's queue takes no PDF",
    IppStatus.ERROR_NOT_AUTHENTICATED: "CUPS does not let this agent print",
    IppStatus.ERROR_NOT_AUTHORIZED: "CUPS does not let this agent print",
    IppStatus.ERROR_FORBIDDEN: "CUPS does not let this agent print",
    IppStatus.ERROR_TOO_MANY_JOBS: "CUPS has too many jobs already",
    IppStatus.ERROR_BUSY: "the printer is busy",
}
