"""A printing agent of the running portal, its printer, and reports to print on it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.agents_site.running import RunningAgent
from tests.clients.agent import make_agent
from tests.servers import documents
from tests.servers.cups import CupsSystem, VirtualPrinter
from tests.servers.portal import Portal, wait

numbers = iter(range(1000, 2000))


class Print:
    """A print command and how it does."""

    def __init__(self, portal: Portal, body: dict[str, Any]) -> None:
        self.portal = portal
        self.path = f"/api/agents/{body['agent']}/commands/{body['id']}/"

    def now(self) -> dict[str, Any]:
        return json.loads(self.portal.request("GET", self.path)[1])

    def is_printing(self) -> bool:
        now = self.now()
        return (now["state"], now["steps_done"]) == ("running", 1)

    def ended(self) -> dict[str, Any]:
        over = {"done", "failed", "expired", "cancelled"}
        wait(lambda: self.now()["state"] in over, 60, "the print ends", self.portal)
        return self.now()


class Office:
    """The portal, one agent whose printer is `printer`, and reports of its site."""

    def __init__(
        self, portal: Portal, cups: CupsSystem, folder: Path, name: str, sections: str = ""
    ) -> None:
        self.portal = portal
        self.name = name
        self.printer: VirtualPrinter = cups.add(name)
        self.number, key = make_agent(portal, name)
        self.site = json.loads(portal.request("GET", f"/api/agents/{self.number}/")[1])["site"]
        self.agent = RunningAgent(
            folder / "agent",
            portal.stack.base_url,
            key=key,
            sections=f'[printing]\nserver = "{cups.socket}"\nprinters = ["{name}"]\n'
            f"poll_seconds = 1\n{sections}",
        )

    def about(self) -> dict[str, Any]:
        return json.loads(self.portal.request("GET", f"/api/agents/{self.number}/")[1])

    def start(self) -> None:
        self.agent.start()
        wait(lambda: self.about()["is_online"] and self.about()["printers"], 60, "online")

    def stop(self) -> None:
        self.agent.stop()
        wait(lambda: not self.about()["is_online"], 60, "offline")

    def report(self, text: str) -> int:
        """A new report of the site."""
        number = next(numbers)
        documents.put(self.portal.stack.data_dir, number, site=self.site, text=text)
        return number

    def change(self, number: int, **fields: Any) -> None:
        documents.put(self.portal.stack.data_dir, number, **fields)

    def ask(self, who: str = "radiologist", **params: Any) -> tuple[int, dict[str, Any]]:
        more = {"ttl": params.pop("ttl")} if "ttl" in params else {}
        command = {"type": "print-report", "params": {"printer": self.name, **params}, **more}
        status, body, _ = self.portal.request(
            "POST",
            f"/api/agents/{self.number}/commands/",
            who=who,
            body=json.dumps(command).encode(),
            headers={"Content-Type": "application/json"},
        )
        return status, json.loads(body)

    def print(self, **params: Any) -> Print:
        status, body = self.ask(**params)
        assert status == 201, body
        return Print(self.portal, body)
