"""Cloudinary as a Django storage, over the official SDK: raw resources, never public.

Every object is `raw` with delivery type `authenticated`, and read through the signed download call
of the API with a link that ends after five minutes. Signed delivery URLs would never expire and
are not used. Above 20 MB uploads go in chunks.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from typing import Any

import cloudinary.api
import cloudinary.uploader
import urllib3
from cloudinary import exceptions, utils
from django.core.files.base import File
from django.core.files.storage import Storage
from django.utils.deconstruct import deconstructible

CHUNK_BYTES = 20_000_000
"""At least 5 MB, which Cloudinary asks of every part but the last."""
LINK_SECONDS = 300
LIMIT_SECONDS = 3600.0
TIMEOUT = 60.0


class TooLargeForPlan(ValueError):
    """The account's plan takes no file of this size."""


class WrongUpload(OSError):
    """The service says that it holds other bytes than were sent."""


@deconstructible(path="pacs.cloudinary_storage.CloudinaryStorage")
class CloudinaryStorage(Storage):
    """Objects by public id. `prefix` stands before every name."""

    def __init__(
        self,
        *,
        cloud_name: str,
        api_key: str,
        api_secret: str,
        prefix: str = "",
        api_url: str = "",
        timeout: float = TIMEOUT,
    ) -> None:
        self.prefix = prefix.strip("/")
        self.account: dict[str, Any] = {
            "cloud_name": cloud_name,
            "api_key": api_key,
            "api_secret": api_secret,
            **({"upload_prefix": api_url} if api_url else {}),
        }
        self.timeout = timeout
        self._http = urllib3.PoolManager(maxsize=32, retries=False)
        self._limit: tuple[float, int | None] = (0.0, None)

    def public_id(self, name: str) -> str:
        return f"{self.prefix}/{name}" if self.prefix else name

    def _kind(self, name: str) -> dict[str, Any]:
        return {
            **self.account,
            "public_id": self.public_id(name),
            "resource_type": "raw",
            "type": "authenticated",
            "timeout": self.timeout,
        }

    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        return name

    def _save(self, name: str, content: Any) -> str:
        """Raises TooLargeForPlan, WrongUpload, or what the SDK raises (cloudinary.exceptions)."""
        size = content.size
        limit = self.largest()
        if limit is not None and size > limit:
            raise TooLargeForPlan(f"larger than the plan's {limit} bytes")
        digest = hashlib.md5(usedforsecurity=False)
        content.seek(0)
        while block := content.read(1 << 20):
            digest.update(block)
        content.seek(0)
        options = {**self._kind(name), "overwrite": True, "invalidate": True}
        if size > CHUNK_BYTES:
            result = cloudinary.uploader.upload_large(
                _Unclosed(content), chunk_size=CHUNK_BYTES, filename="object", **options
            )
        else:
            result = cloudinary.uploader.upload(("object", content.read()), **options)
        if not result or (result.get("bytes"), result.get("etag")) != (size, digest.hexdigest()):
            raise WrongUpload("the service holds other bytes than were sent")
        return name

    def largest(self) -> int | None:
        """Bytes of the largest raw file that the plan takes, asked for once an hour."""
        asked_at, limit = self._limit
        if asked_at and time.monotonic() - asked_at < LIMIT_SECONDS:
            return limit
        usage = cloudinary.api.usage(**self.account, timeout=self.timeout)
        limit = (usage.get("media_limits") or {}).get("raw_max_size_bytes")
        self._limit = (time.monotonic(), limit)
        return limit

    def download_url(self, name: str, seconds: int = LINK_SECONDS) -> str:
        """A link that ends; whoever has it until then can read the object."""
        url: str = utils.private_download_url(
            self.public_id(name),
            "",
            **{**self.account, "resource_type": "raw", "type": "authenticated"},
            expires_at=int(time.time()) + seconds,
        )
        return url

    def stream(self, name: str) -> Iterator[bytes]:
        """The bytes in pieces. FileNotFoundError where there is no such object."""
        answer = self._http.request(
            "GET",
            self.download_url(name),
            preload_content=False,
            timeout=urllib3.Timeout(connect=10, read=self.timeout),
        )
        try:
            if answer.status == 404:
                raise FileNotFoundError("no such object")
            if answer.status != 200:
                kinds = {401: exceptions.AuthorizationRequired, 403: exceptions.NotAllowed}
                kinds |= {420: exceptions.RateLimited, 429: exceptions.RateLimited}
                raise kinds.get(answer.status, exceptions.GeneralError)(f"HTTP {answer.status}")
            yield from answer.stream(1 << 20)
            answer.release_conn()
        finally:
            # What was not read would be taken for the next answer.
            answer.close()

    def _open(self, name: str, mode: str = "rb") -> Any:
        if mode != "rb":
            raise ValueError("objects are written whole")
        return File(_Pieces(self.stream(name)), name)  # type: ignore[arg-type]

    def exists(self, name: str) -> bool:
        return self._facts(name) is not None

    def size(self, name: str) -> int:
        facts = self._facts(name)
        if facts is None:
            raise FileNotFoundError("no such object")
        return int(facts["bytes"])

    def _facts(self, name: str) -> dict[str, Any] | None:
        options = self._kind(name)
        try:
            found: dict[str, Any] = cloudinary.api.resource(options.pop("public_id"), **options)
        except exceptions.NotFound:
            return None
        return found

    def names(self, prefix: str = "") -> Iterator[str]:
        """Every name that begins with `prefix`."""
        cursor: str | None = None
        cut = len(self.prefix) + 1 if self.prefix else 0
        while True:
            page = cloudinary.api.resources(
                **self.account,
                resource_type="raw",
                type="authenticated",
                prefix=self.public_id(prefix),
                max_results=500,
                next_cursor=cursor,
                timeout=self.timeout,
            )
            for each in page["resources"]:
                yield each["public_id"][cut:]
            cursor = page.get("next_cursor")
            if not cursor:
                return

    def url(self, name: str | None) -> str:
        raise NotImplementedError("there is no public address")


class _Unclosed:
    """A file for the SDK, which closes what it is given and asks for its size by seeking."""

    def __init__(self, content: Any) -> None:
        self._content = content

    def __enter__(self) -> _Unclosed:
        return self

    def __exit__(self, *_exc: object) -> None:
        """Whoever opened it closes it."""

    def read(self, size: int = -1) -> bytes:
        found: bytes = self._content.read(size)
        return found

    def seek(self, offset: int, whence: int = 0) -> int:
        return int(self._content.seek(offset, whence))

    def tell(self) -> int:
        return int(self._content.tell())


class _Pieces:
    """Pieces as a file that is read forwards."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._held = b""
        self.closed = False

    def read(self, size: int = -1) -> bytes:
        parts = [self._held]
        length = len(self._held)
        while size < 0 or length < size:
            piece = next(self._pieces, None)
            if piece is None:
                break
            parts.append(piece)
            length += len(piece)
        whole = b"".join(parts)
        if size < 0:
            self._held = b""
            return whole
        self._held = whole[size:]
        return whole[:size]

    def close(self) -> None:
        self.closed = True
