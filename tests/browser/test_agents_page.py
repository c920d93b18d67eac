"""Agents in a browser: live from the button to the result, every state accessible."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page

from agents import commands, protocol
from agents.models import Agent, AgentEvent
from tests.browser.conftest import until, violations
from tests.clients.agent import WireAgent, make_agent
from tests.servers.portal import Portal

pytestmark = pytest.mark.browser
SIZES = [(1440, 900), (1024, 768)]
sizes = pytest.mark.parametrize("size", SIZES, ids=["1440", "1024"])
HEARTBEAT = protocol.Heartbeat(
    at=datetime.now(UTC),
    version="1.0.0",
    queue_length=3,
    folders=(protocol.Folder(path="/srv/in", waiting=3),),
    printers=(protocol.Printer(name="Reading room", state="idle"),),
)


class Slow(threading.Thread):
    """An agent that goes on when the test says so."""

    def __init__(self, portal: Portal, key: str) -> None:
        super().__init__(daemon=True)
        self.portal, self.key = portal, key
        self.may_finish, self.ended = threading.Event(), threading.Event()
        self.got: list[protocol.Command] = []

    def run(self) -> None:
        asyncio.run(self.work())

    async def work(self) -> None:
        async with WireAgent(self.portal, self.key) as wire:
            await wire.say(HEARTBEAT)
            while not self.ended.is_set():
                try:
                    command = await wire.hear(protocol.Command, 0.2)
                except TimeoutError:
                    continue
                self.got.append(command)
                await wire.say(protocol.Accepted(id=command.id))
                await wire.say(protocol.Progress(id=command.id, done=1, total=4, message="page 1"))
                await asyncio.to_thread(self.may_finish.wait, 60)
                await wire.say(
                    protocol.Result(id=command.id, outcome="done", data={"files": ["a.dcm"]})
                )


@pytest.fixture
def slow(portal: Portal) -> Iterator[Slow]:
    number, key = make_agent(portal, "Browser's agent")
    thread = Slow(portal, key)
    thread.number = number  # type: ignore[attr-defined]
    thread.start()
    yield thread
    thread.may_finish.set()
    thread.ended.set()
    thread.join(30)


def test_from_the_button_to_the_result(
    portal: Portal, login: Callable[..., Page], slow: Any, tmp_path: Path
) -> None:
    page = login("technician")
    page.get_by_role("link", name="Agents").click()
    row = page.locator("tr[data-agent]", has_text="Browser's agent")
    row.get_by_text("Online").wait_for(timeout=30_000)
    row.get_by_text("/srv/in").wait_for(timeout=30_000)
    page.screenshot(path=tmp_path / "list.png")
    assert violations(page) == []
    row.get_by_role("link").click()
    page.wait_for_url("**/agents/*/")
    until(page, "() => document.querySelector('[data-live=live]') !== null")
    page.get_by_label("Folder").fill("/srv/in")
    page.get_by_role("button", name="Scan a folder").press("Enter")
    page.get_by_text("The agent is told now:").wait_for()
    page.locator("tr[data-state=running]").first.wait_for(timeout=30_000)
    page.screenshot(path=tmp_path / "agent.png", full_page=True)
    assert violations(page) == []
    page.locator("#agent-given").get_by_role("link", name="Scan a folder").click()
    page.wait_for_url("**/commands/*/")
    page.get_by_text("1 of 4").wait_for()
    until(page, "() => document.querySelector('[data-live=live]') !== null")
    page.screenshot(path=tmp_path / "running.png")
    assert violations(page) == []
    slow.may_finish.set()
    page.get_by_text("Done", exact=True).wait_for(timeout=30_000)
    page.get_by_text("a.dcm").wait_for()
    page.screenshot(path=tmp_path / "done.png")
    assert violations(page) == []
    assert page.faults == []  # type: ignore[attr-defined]
    assert [each.params for each in slow.got] == [{"path": "/srv/in"}]


def settled(page: Page, size: tuple[int, int]) -> None:
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.wait_for_timeout(300)
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@sizes
@pytest.mark.django_db(transaction=True)
def test_no_agents(open_page: Callable[..., Page], site_admin: Any, size: tuple[int, int]) -> None:
    page = open_page("/agents/", site_admin)
    page.get_by_text("No agents yet").wait_for()
    settled(page, size)


@sizes
@pytest.mark.django_db(transaction=True)
def test_every_condition(
    open_page: Callable[..., Page],
    site: Any,
    site_admin: Any,
    size: tuple[int, int],
    tmp_path: Path,
) -> None:
    now = timezone.now()
    long_ago = now - timedelta(hours=3)
    made = [
        Agent.objects.create(site=site, name=name, state=state, **more)
        for name, state, more in [
            ("Online " + "very-long-name-" * 4, "active", {"connection": "c", "last_seen_at": now}),
            ("Silent", "active", {"last_seen_at": long_ago, "silent_since": long_ago}),
            ("Offline", "active", {"last_seen_at": now}),
            ("Off", "disabled", {}),
            ("New", "new", {}),
            ("عامل القسم", "active", {"connection": "c", "last_seen_at": now}),
        ]
    ]
    agent = made[0]
    Agent.objects.filter(pk=agent.pk).update(
        folders=[{"path": "/mnt/" + "x" * 200, "state": "not reachable", "waiting": 4}] * 5,
        printers=[{"name": "P", "state": "stopped", "accepting": False, "reason": "paper out"}] * 5,
        last_errors=[{"at": "2026-11-24T12:00:00+00:00", "code": "x", "message": "No room."}],
    )
    agent.refresh_from_db()
    for state in ("queued", "sent", "running", "done", "failed", "expired", "cancelled"):
        command, _ = commands.queue(agent, "ping", {}, requester=site_admin)
        agent.commands.filter(pk=command.pk).update(
            state=state, message="Paper out." if state == "failed" else ""
        )
    AgentEvent.objects.create(
        agent=agent, event_id="1", kind="upload-complete", data={"file": "y" * 300}
    )
    page = open_page("/agents/", site_admin)
    page.get_by_text("An agent is silent:").wait_for()
    settled(page, size)
    page.screenshot(path=tmp_path / f"conditions-{size[0]}.png")
    page.goto(page.url + f"{agent.pk}/")
    settled(page, size)
    page.screenshot(path=tmp_path / f"agent-{size[0]}.png", full_page=True)
    page.goto(page.url + f"commands/{command.pk}/")
    settled(page, size)


@pytest.mark.django_db(transaction=True)
def test_a_failing_portal_is_said(
    open_page: Callable[..., Page], site: Any, site_admin: Any, tmp_path: Path
) -> None:
    agent = Agent.objects.create(site=site, name="Ward", state="active")
    page = open_page(f"/agents/{agent.pk}/", site_admin)
    page.route("**/command/", lambda route: route.fulfill(status=500, body=""))
    page.get_by_role("button", name="Ping").click()
    page.get_by_text("The agent was not told: the portal answered with an error (500).").wait_for()
    settled(page, (1440, 900))
    page.unroute("**/command/")
    page.get_by_role("button", name="Ping").click()
    page.get_by_text("The agent is offline. It is told as soon as it is back").wait_for()
    assert page.locator("#agents-error").is_hidden()
