"""`/ws/worklist/`: a site's events to the browsers of those who may see them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlsplit

import structlog
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.conf import settings
from django.http.request import validate_host

from pacs.accounts.access import cached_principal
from pacs.accounts.principal import Principal
from pacs.events import group_name
from pacs.events.models import SiteEvent, SiteSequence
from studies.models import Study

log = structlog.get_logger(__name__)

HEARTBEAT = 10.0
CATCH_UP_LIMIT = 200
NOT_SIGNED_IN = 4401
FOREIGN_ORIGIN = 4403


Decide = Callable[[dict[str, Any], Principal], bool]
_addressed: dict[str, Decide] = {}


def address(type: str, decide: Decide) -> None:
    """Events of this type go only to sessions for which `decide(event, principal)` is true.

    It may ask the database. The others learn the event's number, so that they miss nothing.
    """
    _addressed[type] = decide


class WorklistConsumer(AsyncJsonWebsocketConsumer):
    """Holds ids only; asks again for every message whether this user may have it."""

    principal: Principal | None = None

    async def connect(self) -> None:
        self.joined: set[int] = set()
        self.known: dict[int, int] = {}
        self.beat: asyncio.Task[None] | None = None
        self.headers = {
            name.decode("latin-1").lower(): value.decode("latin-1")
            for name, value in self.scope["headers"]
        }
        self.cookies = _cookies(self.headers.get("cookie", ""))
        if not self._origin_is_ours():
            await self.close(code=FOREIGN_ORIGIN)
            return
        if not await self._identify():
            await self.close(code=NOT_SIGNED_IN)
            return
        await self.accept()
        await self._join()
        await self.send_json({"v": 1, "type": "hello", "seq": self._numbers()})
        await self._catch_up()
        self.beat = asyncio.create_task(self._beat())

    async def disconnect(self, code: int) -> None:
        if self.beat is not None:
            self.beat.cancel()
        for site in self.joined:
            await self.channel_layer.group_discard(group_name(site), self.channel_name)

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        """Browsers only listen."""

    async def receive(
        self, text_data: str | None = None, bytes_data: bytes | None = None, **kwargs: Any
    ) -> None:
        """Whatever is sent to us is ignored, well-formed or not."""

    async def site_event(self, message: dict[str, Any]) -> None:
        """From the channel layer: one event of one site."""
        event = message["event"]
        site, seq = event["site"], event["seq"]
        if seq <= self.known.get(site, 0):
            return
        if not await self._identify():
            await self.close(code=NOT_SIGNED_IN)
            return
        if self.principal is None or (
            site not in self.principal.sites and not self.principal.is_superuser
        ):
            return
        if seq > self.known.get(site, 0) + 1:
            await self._send_missed(site, self.known.get(site, 0))
            return
        self.known[site] = seq
        await self._pass_on(event)

    async def _identify(self) -> bool:
        self.principal = await database_sync_to_async(cached_principal)(self.headers, self.cookies)
        return self.principal is not None

    def _origin_is_ours(self) -> bool:
        origin = self.headers.get("origin", "")
        if not origin:
            # Browsers always send one; a program shows its token instead of a cookie.
            return "authorization" in self.headers
        if origin in settings.CSRF_TRUSTED_ORIGINS:
            return True
        parts = urlsplit(origin)
        host = self.headers.get("host", "")
        return bool(
            parts.netloc
            and parts.netloc == host
            and validate_host((parts.hostname or "").lower(), settings.ALLOWED_HOSTS)
        )

    async def _join(self) -> None:
        """Be in the groups of today's sites, and in no other."""
        sites = await self._sites()
        for site in self.joined - sites:
            await self.channel_layer.group_discard(group_name(site), self.channel_name)
            self.known.pop(site, None)
        for site in sites - self.joined:
            await self.channel_layer.group_add(group_name(site), self.channel_name)
        fresh = sites - self.joined
        self.joined = sites
        if fresh:
            self.known.update(await self._current(fresh))

    @database_sync_to_async  # type: ignore[untyped-decorator]
    def _sites(self) -> set[int]:
        return set(self.principal.sites) if self.principal else set()

    @database_sync_to_async  # type: ignore[untyped-decorator]
    def _current(self, sites: set[int]) -> dict[int, int]:
        found = dict(SiteSequence.objects.filter(site_id__in=sites).values_list("site_id", "seq"))
        return {site: found.get(site, 0) for site in sites}

    @database_sync_to_async  # type: ignore[untyped-decorator]
    def _missed(self, site: int, since: int) -> list[dict[str, Any]] | None:
        """Events after `since`; None where some are no longer kept or there are too many."""
        last = SiteSequence.objects.filter(site_id=site).values_list("seq", flat=True).first() or 0
        rows = list(
            SiteEvent.objects.filter(site_id=site, seq__gt=since, seq__lte=last).order_by("seq")[
                : CATCH_UP_LIMIT + 1
            ]
        )
        if len(rows) > CATCH_UP_LIMIT or len(rows) != last - since:
            return None
        return [row.message() for row in rows]

    @database_sync_to_async  # type: ignore[untyped-decorator]
    def _granted(self, study: int) -> bool:
        return Study.objects.visible_to(self.principal).filter(pk=study).exists()

    async def _pass_on(self, event: dict[str, Any]) -> None:
        who = self.principal
        if who is None or not await self._may_see(event):
            return
        decide = _addressed.get(event["type"])
        if decide is None or await database_sync_to_async(decide)(event, who):
            await self.send_json(event)
            return
        bare = {name: event[name] for name in ("v", "seq", "site", "study", "at")}
        await self.send_json({**bare, "type": "other"})

    async def _may_see(self, event: dict[str, Any]) -> bool:
        if self.principal is None:
            return False
        if self.principal.is_superuser or event["site"] in self.principal.whole_sites:
            return True
        return event["study"] is not None and await self._granted(event["study"])

    async def _catch_up(self) -> None:
        """`?since=` of a reconnecting listener: `17`, or `site:17,site:4`."""
        text = parse_qs(self.scope.get("query_string", b"").decode("latin-1")).get("since", [""])[0]
        for site, since in _since(text, self.joined).items():
            if site in self.joined and since < self.known.get(site, 0):
                await self._send_missed(site, since)

    async def _send_missed(self, site: int, since: int) -> None:
        missed = await self._missed(site, since)
        if missed is None:
            self.known.update(await self._current({site}))
            await self.send_json({"v": 1, "type": "refetch", "site": site, "seq": self._numbers()})
            return
        for event in missed:
            self.known[site] = max(self.known.get(site, 0), event["seq"])
            await self._pass_on(event)

    def _numbers(self) -> dict[str, int]:
        return {str(site): seq for site, seq in self.known.items()}

    async def _beat(self) -> None:
        """Every ten seconds: still allowed? anything that the channel layer dropped?"""
        with contextlib.suppress(asyncio.CancelledError):
            while True:
                await asyncio.sleep(HEARTBEAT)
                if not await self._identify():
                    await self.close(code=NOT_SIGNED_IN)
                    return
                await self._join()
                for site, seq in (await self._current(self.joined)).items():
                    if seq > self.known.get(site, 0):
                        await self._send_missed(site, self.known.get(site, 0))
                await self.send_json({"v": 1, "type": "heartbeat", "seq": self._numbers()})


def _cookies(header: str) -> dict[str, str]:
    try:
        return {name: morsel.value for name, morsel in SimpleCookie(header).items()}
    except CookieError:
        return {}


def _since(text: str, sites: set[int]) -> dict[int, int]:
    if text.isdigit():
        return dict.fromkeys(sites, int(text))
    found: dict[int, int] = {}
    for part in text.split(","):
        site, _, seq = part.partition(":")
        if site.isdigit() and seq.isdigit():
            found[int(site)] = int(seq)
    return found
