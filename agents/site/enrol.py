"""`--enrol`: exchanges a one-time code for the agent's key and lays the key into its file."""

from __future__ import annotations

import json
import os
import platform
import tempfile
from pathlib import Path

import aiohttp

from agents.site import VERSION, tls
from agents.site.options import PortalSection
from agents.site.portalclient import by_proxy, words_of

PATH = "/api/agents/enrol/"


class EnrolError(Exception):
    """Why there is no key, in words."""


async def enrol(portal: PortalSection, code: str, path: Path) -> str:
    """Spend a code and write the key to `path`; the agent's name. Raises EnrolError.

    The file is made before the code is spent, and is there whole or not at all.
    """
    if not code:
        raise EnrolError("no enrolment code was given")
    try:
        descriptor, made = tempfile.mkstemp(dir=path.parent, prefix=".key-")
    except OSError as error:
        raise EnrolError(f"the key could not be kept in {path.parent}: {error.strerror}") from None
    part = Path(made)
    try:
        with os.fdopen(descriptor, "w") as file:
            name, key = await _ask(portal, code)
            file.write(key + "\n")
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise EnrolError(f"the key could not be kept: {error.strerror}") from None
    finally:
        part.unlink(missing_ok=True)
    return name


async def _ask(portal: PortalSection, code: str) -> tuple[str, str]:
    connector = aiohttp.TCPConnector(ssl=tls.context(portal.pins, portal.ca_file))
    body = {"code": code, "version": VERSION, "platform": platform.platform(terse=True)[:120]}
    try:
        async with (
            aiohttp.ClientSession(
                connector=connector, timeout=aiohttp.ClientTimeout(total=30)
            ) as session,
            session.post(
                portal.url + PATH, json=body, allow_redirects=False, **by_proxy(portal)
            ) as response,
        ):
            status, content = response.status, await response.read()
    except (aiohttp.ClientError, TimeoutError) as error:
        raise EnrolError(words_of(error)) from None
    if status == 403:
        raise EnrolError("the code is wrong, used or expired, or not for this network")
    if status == 429:
        raise EnrolError("too many wrong codes: try again in fifteen minutes")
    try:
        answer = json.loads(content)
        if status != 201:
            raise ValueError
        return str(answer["name"]), str(answer["key"])
    except (ValueError, KeyError, TypeError):
        raise EnrolError(f"the portal answered {status} and gave no key") from None
