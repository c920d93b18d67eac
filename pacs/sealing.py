"""Sealing: what leaves the machine is encrypted here first (AES-256-GCM, in chunks).

A sealed object is a header and chunks. The header is the magic, the id of the key (8 bytes) and a
random salt (16 bytes). Each object has a key of its own: HKDF-SHA256 (RFC 5869) of the master key
and the salt. Each chunk of 1 MiB is sealed with a nonce that counts and says whether it is the
last one (the STREAM construction), with the header and the object's name as additional
authenticated data: a chunk that is changed, moved, cut off, or put under another name does not
open. Pure; knows no Django.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

MAGIC = b"LBXSEAL1"
ID_BYTES, SALT_BYTES, KEY_BYTES, TAG_BYTES = 8, 16, 32, 16
HEADER_BYTES = len(MAGIC) + ID_BYTES + SALT_BYTES
CHUNK = 1 << 20


class SealError(ValueError):
    """The bytes are not what was sealed under this name with one of these keys."""


class UnknownKey(SealError):
    """Sealed with a key that is not here; `key_id` says which."""

    def __init__(self, key_id: str) -> None:
        super().__init__("sealed with another key")
        self.key_id = key_id


@dataclass(frozen=True, slots=True)
class Key:
    """A master key of 32 bytes."""

    secret: bytes

    def __post_init__(self) -> None:
        if len(self.secret) != KEY_BYTES:
            raise ValueError("a key has 32 bytes")

    @classmethod
    def new(cls) -> Key:
        return cls(secrets.token_bytes(KEY_BYTES))

    @property
    def id(self) -> str:
        """Names the key and tells nothing about it: 16 hexadecimal digits."""
        return hashlib.sha256(b"lightbox key id" + self.secret).hexdigest()[: 2 * ID_BYTES]

    def __repr__(self) -> str:
        return f"Key({self.id})"


def sealed_size(size: int) -> int:
    """How long `size` bytes are when they are sealed."""
    return HEADER_BYTES + size + TAG_BYTES * max(1, -(-size // CHUNK))


def seal(pieces: Iterable[bytes], key: Key, name: str) -> Iterator[bytes]:
    """Seal the bytes of `pieces` as the object `name`; memory stays at two chunks."""
    salt = secrets.token_bytes(SALT_BYTES)
    header = MAGIC + bytes.fromhex(key.id) + salt
    cipher, bound = _cipher(key, salt), header + name.encode()
    yield header
    number, waiting = 0, None
    for chunk in _rechunked(pieces, CHUNK):
        if waiting is not None:
            yield cipher.encrypt(_nonce(number, last=False), waiting, bound)
            number += 1
        waiting = chunk
    yield cipher.encrypt(_nonce(number, last=True), waiting or b"", bound)


def unseal(pieces: Iterable[bytes], keys: Iterable[Key], name: str) -> Iterator[bytes]:
    """The bytes that were sealed as `name`. Raises SealError, at the latest at the end: what came
    before it is genuine, but whoever needs the whole waits for the end.
    """
    known = {key.id: key for key in keys}
    source = _Reader(pieces)
    header = source.take(HEADER_BYTES)
    if len(header) != HEADER_BYTES or not header.startswith(MAGIC):
        raise SealError("not a sealed object")
    key_id = header[len(MAGIC) : len(MAGIC) + ID_BYTES].hex()
    if key_id not in known:
        raise UnknownKey(key_id)
    cipher, bound = _cipher(known[key_id], header[-SALT_BYTES:]), header + name.encode()
    number = 0
    chunk = source.take(CHUNK + TAG_BYTES)
    while True:
        following = source.take(CHUNK + TAG_BYTES)
        try:
            yield cipher.decrypt(_nonce(number, last=not following), chunk, bound)
        except InvalidTag:
            raise SealError("changed, cut off, or of another name") from None
        if not following:
            return
        chunk, number = following, number + 1


def _cipher(key: Key, salt: bytes) -> AESGCM:
    derive = HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=salt, info=b"lightbox seal 1")
    return AESGCM(derive.derive(key.secret))


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + (b"\x01" if last else b"\x00")


def _rechunked(pieces: Iterable[bytes], size: int) -> Iterator[bytes]:
    reader = _Reader(pieces)
    while chunk := reader.take(size):
        yield chunk


class _Reader:
    """Takes exactly as many bytes as are asked for, fewer only at the end."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._held = bytearray()

    def take(self, size: int) -> bytes:
        while len(self._held) < size:
            piece = next(self._pieces, None)
            if piece is None:
                break
            self._held += piece
        found = bytes(self._held[:size])
        del self._held[:size]
        return found
