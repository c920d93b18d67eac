"""Orthanc plugin that tells Lightbox PACS when something has arrived.

The message is a hint: it wakes the portal, which then reads Orthanc's `/changes`. Nothing is lost
when a hint is: the portal also looks by itself. So hints are coalesced, retried and, under
pressure, thinned out, and Orthanc never waits for the portal. No patient data leaves Orthanc.

Runs in Orthanc's embedded interpreter with the standard library alone. Configuration, in
Orthanc's JSON:

    "PythonScript": "/path/to/lightbox_hook.py",
    "Lightbox": {
      "Url": "https://portal.example/api/orthanc/webhook/",
      "Server": "the slug of this Orthanc in the portal",
      "SecretFile": "/etc/orthanc/lightbox_secret",
      "WindowMs": 250
    }

The secret may also be given as "Secret", or in the environment as LIGHTBOX_HOOK_SECRET.
The contract of the message is in docs/orthanc.md.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import threading
import time
import urllib.error
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

try:
    import orthanc
except ImportError:  # outside Orthanc: the classes can be imported and tested
    orthanc = None

TIMEOUT_SECONDS = 5.0
BACKOFF_FIRST_SECONDS = 0.5
BACKOFF_LAST_SECONDS = 30.0
MAX_STUDIES_PENDING = 2000
MAX_STUDIES_PER_HINT = 400  # keeps a body well below the 64 KB that the portal accepts
LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class Refused(Exception):
    """The portal will never accept this body; sending it again is useless."""


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirected POST becomes a GET and would look like success: treat it as an error."""

    def redirect_request(self, *_args: Any, **_kwargs: Any) -> None:
        return None


class Portal:
    """The receiving end: signs a body and posts it."""

    def __init__(self, url: str, server: str, secret: bytes) -> None:
        self.url = url
        self.server = server
        self.secret = secret
        handlers: list[Any] = [NoRedirect()]
        if urlsplit(url).hostname in LOOPBACK:
            handlers.append(urllib.request.ProxyHandler({}))
        self.opener = urllib.request.build_opener(*handlers)

    def headers(self, body: bytes, timestamp: str) -> dict[str, str]:
        """Headers for `body`; the signature is HMAC-SHA256 over `timestamp + "." + body`."""
        signature = hmac.new(self.secret, timestamp.encode() + b"." + body, hashlib.sha256)
        return {
            "Content-Type": "application/json",
            "X-Orthanc-Server": self.server,
            "X-Orthanc-Timestamp": timestamp,
            "X-Orthanc-Signature": f"sha256={signature.hexdigest()}",
        }

    def post(self, events: list[dict[str, Any]]) -> None:
        """Deliver one hint. Raises OSError or HTTPException to retry, Refused to give it up."""
        body = json.dumps({"source": self.server, "events": events}).encode()
        request = urllib.request.Request(
            self.url, body, self.headers(body, str(int(time.time()))), method="POST"
        )
        try:
            with self.opener.open(request, timeout=TIMEOUT_SECONDS) as response:
                response.read(4096)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code in {400, 413}:
                raise Refused(f"HTTP {error.code}") from error
            raise


class Hints:
    """What is waiting to be told, and the thread that tells it.

    `add` only takes a lock that is never held during input or output. The first event after a
    pause goes out at once; later ones are gathered for `window` seconds.
    """

    def __init__(self, portal: Any, window: float, log: Any) -> None:
        self.portal = portal
        self.window = window
        self.log = log
        self.sent = 0
        self.failed = 0
        self.last_error = ""
        self._changed = threading.Condition()
        self._instances = 0
        self._started = False
        self._studies: dict[str, None] = {}
        self._stopping = False

    def add(self, kind: str, identifier: str = "") -> None:
        """Note an event: "Started", "NewInstance", or "StableStudy" with Orthanc's study id."""
        with self._changed:
            if kind == "NewInstance":
                self._instances += 1
            elif kind == "Started":
                self._started = True
            else:
                self._keep_study(identifier)
            self._changed.notify()

    def _keep_study(self, identifier: str) -> None:
        self._studies[identifier] = None
        while len(self._studies) > MAX_STUDIES_PENDING:
            self._studies.pop(next(iter(self._studies)))

    def pending(self) -> int:
        """How many events wait to be sent."""
        with self._changed:
            return self._instances + len(self._studies) + self._started

    def state(self) -> dict[str, Any]:
        """What the REST callback shows; holds no secret."""
        return {
            "server": self.portal.server,
            "url": self.portal.url,
            "sent": self.sent,
            "failed": self.failed,
            "pending": self.pending(),
            "lastError": self.last_error,
        }

    def stop(self) -> None:
        with self._changed:
            self._stopping = True
            self._changed.notify()

    def _sleep(self, seconds: float) -> None:
        """Wait for `seconds`, less when stopping; events that arrive meanwhile do not end it."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopping, timeout=seconds)

    def _wait_for_event(self) -> bool:
        """True when there is something to send, False when stopping."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._stopping or self._instances or self._studies or self._started
            )
            return not self._stopping

    def _take(self) -> tuple[list[dict[str, Any]], int, bool, list[str]]:
        with self._changed:
            instances, self._instances = self._instances, 0
            started, self._started = self._started, False
            studies = list(self._studies)[:MAX_STUDIES_PER_HINT]
            for identifier in studies:
                del self._studies[identifier]
        events: list[dict[str, Any]] = []
        if started:
            events.append({"type": "Started"})
        if instances:
            events.append({"type": "NewInstance", "count": instances})
        events.extend({"type": "StableStudy", "id": identifier} for identifier in studies)
        return events, instances, started, studies

    def _put_back(self, instances: int, started: bool, studies: list[str]) -> None:
        with self._changed:
            self._instances += instances
            self._started = self._started or started
            for identifier in studies:
                self._keep_study(identifier)

    def run(self) -> None:
        """Send hints until `stop`. An error is logged and retried; it never ends the thread."""
        backoff = 0.0
        while self._wait_for_event():
            events, instances, started, studies = self._take()
            try:
                self.portal.post(events)
            except Refused as error:
                self.failed += 1
                self.last_error = str(error)
                self.log(f"Lightbox: the portal refuses this hint ({error}); it is dropped")
                self._sleep(BACKOFF_FIRST_SECONDS)
            except (OSError, HTTPException, ValueError) as error:
                self.failed += 1
                self.last_error = f"{type(error).__name__}: {error}"
                self._put_back(instances, started, studies)
                first = backoff == 0.0
                backoff = min(BACKOFF_LAST_SECONDS, max(BACKOFF_FIRST_SECONDS, backoff * 2))
                if first or backoff == BACKOFF_LAST_SECONDS:
                    self.log(f"Lightbox: hint not delivered ({error}); retry in {backoff:g} s")
                self._sleep(backoff)
            else:
                self.sent += 1
                self.last_error = ""
                backoff = 0.0
                self._sleep(self.window)


def read_secret(settings: dict[str, Any]) -> bytes:
    """The shared secret from SecretFile, Secret or the environment; empty when there is none."""
    if path := settings.get("SecretFile"):
        return Path(path).read_text(encoding="utf-8").strip().encode()
    return str(settings.get("Secret") or os.environ.get("LIGHTBOX_HOOK_SECRET", "")).encode()


def register() -> None:
    """Hook into Orthanc. A wrong configuration is logged; Orthanc itself goes on."""
    settings = json.loads(orthanc.GetConfiguration()).get("Lightbox", {})
    url, server = settings.get("Url", ""), settings.get("Server", "")
    try:
        secret = read_secret(settings)
    except OSError as error:
        orthanc.LogError(f"Lightbox: SecretFile cannot be read: {error}")
        return
    if not (url.startswith(("http://", "https://")) and server and secret):
        orthanc.LogError(
            "Lightbox: the portal is not told of new images; set Lightbox.Url, Lightbox.Server"
            " and Lightbox.SecretFile in Orthanc's configuration"
        )
        return
    window = max(0, int(settings.get("WindowMs", 250))) / 1000
    hints = Hints(Portal(url, server, secret), window, orthanc.LogWarning)
    types = orthanc.ChangeType

    def on_change(change_type: Any, _level: Any, resource: str) -> None:
        if change_type == types.NEW_INSTANCE:
            hints.add("NewInstance")
        elif change_type == types.STABLE_STUDY:
            hints.add("StableStudy", resource)
        elif change_type == types.ORTHANC_STARTED:
            threading.Thread(target=hints.run, name="lightbox-hook", daemon=True).start()
            hints.add("Started")
        elif change_type == types.ORTHANC_STOPPED:
            hints.stop()

    def on_state(output: Any, _uri: str, **request: Any) -> None:
        if request["method"] != "GET":
            output.SendMethodNotAllowed("GET")
            return
        output.AnswerBuffer(json.dumps(hints.state()), "application/json")

    orthanc.RegisterOnChangeCallback(on_change)
    orthanc.RegisterRestCallback("/lightbox/hook", on_state)


if orthanc is not None:
    register()
