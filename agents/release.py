"""A signed release of the site agent: what its manifest says, and whose signature it carries.

Used by the release script, the portal and the agent. A manifest travels in an envelope, a JSON
object of `payload` (Base64 of the manifest's exact bytes), `key` (id of the key) and `signature`
(Base64, Ed25519 of RFC 8032 over CONTEXT and the payload). Nothing in a payload is read before its
signature is good.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

PRODUCT = "lightbox-agent"
CONTEXT = b"lightbox-agent-manifest-v1\0"
MOST_ENVELOPE = 32 * 1024
MOST_BYTES = 200 * 2**20
MOST_SEQ = 2**53
MOST_KEYS = 10


class ReleaseError(Exception):
    """A release that must not be used. `code` for programs, `words` for people.

    `envelope`, `signature`, `manifest`, `expired`, `size`, `digest`.
    """

    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code = code
        self.words = words


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One release. `seq` grows from release to release, whatever the version is called.

    `minimum`: an agent below this seq must take another release first. `expires` in seconds since
    1970. `add_keys` (Base64 public keys) and `withdraw_keys` (key ids) change what agents accept.
    """

    version: str
    seq: int
    size: int
    sha256: str
    expires: int
    key: str
    minimum: int = 0
    add_keys: tuple[str, ...] = ()
    withdraw_keys: tuple[str, ...] = ()


def version_of(text: str) -> tuple[int, ...]:
    """ "1.2.3" as numbers, to compare; () for anything else."""
    if not re.fullmatch(r"\d{1,6}(\.\d{1,6}){1,3}", text):
        return ()
    return tuple(int(part) for part in text.split("."))


def public_key(text: str) -> Ed25519PublicKey:
    """The key of a Base64 text of 32 bytes. ValueError where it is none."""
    try:
        return Ed25519PublicKey.from_public_bytes(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        raise ValueError("must be the Base64 of an Ed25519 public key (32 bytes)") from None


def key_id(text: str) -> str:
    """What a public key is called: 16 letters of its SHA-256."""
    return hashlib.sha256(public_key(text).public_bytes_raw()).hexdigest()[:16]


def keyring(keys: Iterable[str]) -> dict[str, str]:
    """Key id -> public key."""
    return {key_id(each): each for each in keys}


def sign(manifest: Manifest, key: Ed25519PrivateKey) -> str:
    """The envelope of a manifest."""
    own = base64.b64encode(key.public_key().public_bytes_raw()).decode()
    if manifest.key != key_id(own):
        raise ValueError("the manifest names another key")
    body = {"product": PRODUCT, **dataclasses.asdict(manifest)}
    payload = json.dumps(body, sort_keys=True).encode()
    envelope = {
        "payload": base64.b64encode(payload).decode(),
        "key": manifest.key,
        "signature": base64.b64encode(key.sign(CONTEXT + payload)).decode(),
    }
    return json.dumps(envelope, indent=1) + "\n"


def verify(envelope: str, keys: Mapping[str, str]) -> Manifest:
    """The manifest in an envelope that one of `keys` (id -> public key) signed.

    Raises ReleaseError `envelope`, `signature` or `manifest`. Time, size and sequence are not
    looked at.
    """
    try:
        if len(envelope) > MOST_ENVELOPE:
            raise ValueError
        outer = json.loads(envelope)
        named = str(outer["key"])
        payload = base64.b64decode(outer["payload"], validate=True)
        signature = base64.b64decode(outer["signature"], validate=True)
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ReleaseError("envelope", "This is not a signed manifest.") from None
    if named not in keys:
        raise ReleaseError("signature", "The release is signed by a key that is not accepted.")
    try:
        public_key(keys[named]).verify(signature, CONTEXT + payload)
    except InvalidSignature:
        raise ReleaseError("signature", "The signature of the release is wrong.") from None
    return _read(payload, named)


def _read(payload: bytes, signed_by: str) -> Manifest:
    wrong = ReleaseError("manifest", "The manifest is signed and says nothing that makes sense.")
    try:
        body = json.loads(payload)
        if body.pop("product") != PRODUCT:
            raise wrong
        known = {each.name for each in dataclasses.fields(Manifest)}
        if set(body) - known:
            # What a newer script means by it is not known here: no guess about a release.
            raise wrong
        for name in ("add_keys", "withdraw_keys"):
            body[name] = tuple(body.get(name, ()))
        made = Manifest(**body)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise wrong from None
    if not _sensible(made) or made.key != signed_by:
        raise wrong
    return made


def _sensible(made: Manifest) -> bool:
    if not (isinstance(made.version, str) and version_of(made.version)):
        return False
    bounds: tuple[tuple[Any, int, int], ...] = (
        (made.seq, 1, MOST_SEQ),
        (made.size, 1, MOST_BYTES),
        (made.expires, 1, MOST_SEQ),
        (made.minimum, 0, made.seq - 1 if type(made.seq) is int else 0),
    )
    if any(type(each) is not int or not low <= each <= high for each, low, high in bounds):
        return False
    if not (isinstance(made.sha256, str) and re.fullmatch(r"[0-9a-f]{64}", made.sha256)):
        return False
    if len(made.add_keys) > MOST_KEYS or len(made.withdraw_keys) > MOST_KEYS:
        return False
    try:
        keyring(made.add_keys)
    except (ValueError, TypeError):
        return False
    return all(isinstance(each, str) for each in made.withdraw_keys)


def check_time(manifest: Manifest, now: datetime | None = None) -> None:
    """Raises ReleaseError `expired`: an old release that somebody holds back ends so."""
    if (now or datetime.now(UTC)).timestamp() >= manifest.expires:
        raise ReleaseError("expired", "The release has expired.")


def check_content(manifest: Manifest, size: int, sha256: str) -> None:
    """Raises ReleaseError `size` or `digest` where the file is not the signed one."""
    if size != manifest.size:
        raise ReleaseError("size", "The file of the release has another size.")
    if sha256 != manifest.sha256:
        raise ReleaseError("digest", "The file of the release has another SHA-256.")
