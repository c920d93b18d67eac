#!/usr/bin/env python3
"""Keys and signatures of releases of the site agent. Runs offline, on the machine of the key.

  release.py new-key release.key                  makes a key, prints its public half and id
  release.py sign dist/lightbox-agent.pyz --key release.key --seq 7 --version 1.4.0 [--days 90]
                                                  writes dist/lightbox-agent.pyz.manifest
The private key never goes to the portal: it knows public keys and checks what it is given.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import os
import sys
import time
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from agents import release

PASSWORD = "LIGHTBOX_RELEASE_PASSWORD"
"""Variable with the password of the key's file; unset: it has none."""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    todo = parser.add_subparsers(required=True)
    new = todo.add_parser("new-key")
    new.add_argument("file", type=Path)
    new.set_defaults(do=new_key)
    signs = todo.add_parser("sign")
    signs.add_argument("zipapp", type=Path)
    signs.add_argument("--key", type=Path, required=True)
    signs.add_argument("--seq", type=int, required=True, help="larger than any before")
    signs.add_argument("--version", required=True)
    signs.add_argument("--days", type=float, default=90, help="until it is refused as too old")
    signs.add_argument("--minimum", type=int, default=0, help="seq that an agent must have")
    signs.add_argument("--add-key", action="append", default=[], help="public key to accept")
    signs.add_argument("--withdraw-key", action="append", default=[], help="key id to refuse")
    signs.set_defaults(do=sign)
    given = parser.parse_args()
    try:
        given.do(given)
    except (OSError, ValueError, release.ReleaseError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def new_key(given: argparse.Namespace) -> None:
    """A key file of mode 600 that was not there before."""
    key = Ed25519PrivateKey.generate()
    password = os.environ.get(PASSWORD, "")
    pem = key.private_bytes(
        Encoding.PEM,
        PrivateFormat.PKCS8,
        BestAvailableEncryption(password.encode()) if password else NoEncryption(),
    )
    descriptor = os.open(given.file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
    show(key)


def show(key: Ed25519PrivateKey) -> None:
    public = base64.b64encode(key.public_key().public_bytes_raw()).decode()
    print(f"public key {public}\nkey id     {release.key_id(public)}")


def sign(given: argparse.Namespace) -> None:
    """The manifest beside the file, checked as an agent will check it."""
    password = os.environ.get(PASSWORD, "").encode() or None
    key = load_pem_private_key(given.key.read_bytes(), password)
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError("not an Ed25519 key")
    public = base64.b64encode(key.public_key().public_bytes_raw()).decode()
    data = given.zipapp.read_bytes()
    manifest = release.Manifest(
        version=given.version,
        seq=given.seq,
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        expires=int(time.time() + given.days * 86_400),
        key=release.key_id(public),
        minimum=given.minimum,
        add_keys=tuple(given.add_key),
        withdraw_keys=tuple(given.withdraw_key),
    )
    envelope = release.sign(manifest, key)
    release.verify(envelope, release.keyring([public]))
    target = given.zipapp.with_name(given.zipapp.name + ".manifest")
    target.write_text(envelope)
    print(f"{target}: {manifest.version}, seq {manifest.seq}, key {manifest.key}")


if __name__ == "__main__":
    sys.exit(main())
