"""An archive at an object storage (S3 and compatible): whole objects in, stretches of them out."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.client
import re
import threading
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NoReturn

import urllib3.exceptions
from botocore import exceptions as aws

from pacs.s3 import Trouble, trouble
from studies.archive.errors import ArchiveDown, ArchiveRefuses
from studies.dicom.payload import Payload

# S3 takes no more in one piece; above, in parts, which have no MD5 of the whole.
ONE_PIECE = 5 * 2**30
NETWORK = (urllib3.exceptions.HTTPError, http.client.HTTPException, ConnectionError, TimeoutError)
WORDS = {
    Trouble.REFUSED: "The archive's storage refuses the portal: check its address and credentials.",
    Trouble.SLOWER: "The archive's storage wants fewer requests.",
}
DOWN = "The archive's storage does not answer."
TOTAL = re.compile(r"bytes \d+-\d+/(\d+)")


class Bucket:
    """The objects of one S3Storage of django-storages, by keys of the archive.

    Every method raises ArchiveDown or ArchiveRefuses, and FileNotFoundError for no such object.
    """

    def __init__(self, storage: Any) -> None:
        self._storage = storage
        self._lock = threading.Lock()
        self._made: Any = None

    @property
    def _client(self) -> Any:
        """One for all threads: boto3's clients may be shared, and each takes long to make."""
        if self._made is None:
            with self._lock:
                if self._made is None:
                    self._made = self._storage.connection.meta.client
        return self._made

    def _place(self, key: str) -> dict[str, str]:
        folder = self._storage.location.strip("/")
        return {"Bucket": self._storage.bucket_name, "Key": f"{folder}/{key}".lstrip("/")}

    def put(self, key: str, payload: Payload) -> None:
        """Store the bytes; the storage compares them with their MD5 before it keeps them.

        Repeating it is harmless: the same key is the same bytes, and what is there is replaced
        at once or not at all.
        """
        with _translated():
            if len(payload) <= ONE_PIECE:
                md5 = hashlib.md5(payload.data, usedforsecurity=False).digest()
                self._client.put_object(
                    **self._place(key),
                    Body=payload.open(),
                    ContentLength=len(payload),
                    ContentMD5=base64.b64encode(md5).decode(),
                    ContentType="application/dicom",
                )
                return
            self._client.upload_fileobj(
                payload.open(),
                **self._place(key),
                ExtraArgs={"ContentType": "application/dicom"},
                Config=self._storage.transfer_config,
            )
        digest = hashlib.sha256()
        for piece in self.stream(key):
            digest.update(piece)
        if digest.hexdigest() != payload.sha256:
            raise ArchiveDown("The archive's storage holds other bytes than were sent.")

    def stream(self, key: str) -> Iterator[bytes]:
        """The whole object in pieces."""
        with _translated():
            answer = self._client.get_object(**self._place(key))
            with contextlib.closing(answer["Body"]) as body:
                while block := body.read(1 << 20):
                    yield block

    def read(self, key: str, offset: int, length: int, size: int) -> bytes:
        """`length` bytes from `offset` of an object of `size` bytes: one request, none beyond."""
        with _translated():
            answer = self._client.get_object(
                **self._place(key), Range=f"bytes={offset}-{offset + length - 1}"
            )
            with contextlib.closing(answer["Body"]) as body:
                data: bytes = body.read()
        total = TOTAL.fullmatch(answer.get("ContentRange", ""))
        if total is None or int(total[1]) != size or len(data) != length:
            raise OSError("the archive's file has another size than its row says")
        return data

    def erase(self, key: str) -> None:
        """Remove the object."""
        with _translated():
            self._client.delete_object(**self._place(key))

    def check(self) -> None:
        """Ask whether the bucket is there and may be read: nothing for yes."""
        with _translated():
            try:
                self._client.head_bucket(Bucket=self._storage.bucket_name)
            except aws.ClientError as error:
                # A HEAD has no body that names the reason.
                if trouble(error) is Trouble.MISSING:
                    raise ArchiveRefuses(WORDS[Trouble.REFUSED]) from error
                raise

    def keys(self) -> Iterator[str]:
        """Every key that is there, in order."""
        folder = self._storage.location.strip("/")
        prefix = f"{folder}/" if folder else ""
        with _translated():
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._storage.bucket_name, Prefix=prefix
            )
            for page in pages:
                for each in page.get("Contents", ()):
                    yield each["Key"].removeprefix(prefix)


@lru_cache(maxsize=4)
def bucket_of(storage: Any) -> Bucket:
    """The one of this process for a storage."""
    return Bucket(storage)


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (ArchiveDown, ArchiveRefuses, GeneratorExit):
        raise
    except (aws.BotoCoreError, aws.ClientError, *NETWORK) as error:
        _raise(error)


def _raise(error: BaseException) -> NoReturn:
    found = trouble(error)
    if found is Trouble.MISSING:
        raise FileNotFoundError("the archive has no such file") from error
    refused = found in (Trouble.REFUSED, Trouble.TOO_LARGE)
    words = WORDS.get(found, DOWN) if found else DOWN
    raise (ArchiveRefuses if refused else ArchiveDown)(words) from error
