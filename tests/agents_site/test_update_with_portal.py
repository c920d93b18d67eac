"""A roll-out of the running portal, and an agent under its launcher: the new version connects."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.agents_site.releases import LaunchedAgent, Signer, program
from tests.agents_site.test_with_portal import about
from tests.clients.agent import make_agent
from tests.servers.portal import Portal, wait

pytestmark = pytest.mark.integration
ROLL_OUT = """
from django.conf import settings
from pathlib import Path
from agents import releases
from agents.models import Agent, AgentRollout
settings.AGENT_RELEASE_KEYS = [{public!r}]
found, _ = releases.publish(Path({manifest!r}).read_text(), Path({file!r}))
AgentRollout.objects.create(release=found, percent=100).agents.set([{agent}])
"""
EVENTS = """
from agents.models import AgentCommand, AgentEvent
print(list(AgentEvent.objects.filter(agent={agent}, kind__startswith="update").values_list("kind")))
print(list(AgentCommand.objects.filter(agent={agent}).values_list("state", "requester")))
"""


def test_rolled_out(portal: Portal, tmp_path: Path) -> None:
    signer = Signer()
    number, key = make_agent(portal, "rolled-out")
    first = program(tmp_path / "1.pyz", "1.0.0")
    second = program(tmp_path / "2.pyz", "2.0.0", padding=3_000_000)
    manifest = tmp_path / "2.manifest"
    manifest.write_text(signer.envelope(second, "2.0.0", 5))
    made = LaunchedAgent(tmp_path / "agent", portal.stack.base_url, first, [signer], key=key)
    with made:
        wait(lambda: about(portal, number)["version"] == "1.0.0", 60, "version 1", portal)
        portal.stack.shell(
            ROLL_OUT.format(
                public=signer.public, manifest=str(manifest), file=str(second), agent=number
            )
        )
        wait(lambda: about(portal, number)["version"] == "2.0.0", 60, "version 2", portal)
        assert about(portal, number)["release_seq"] == 5
        wait(
            lambda: "update-done" in portal.stack.shell(EVENTS.format(agent=number)),
            60,
            "the event",
            portal,
        )
    assert portal.stack.shell(EVENTS.format(agent=number)).split("\n")[:2] == [
        "[('update-done',)]",
        "[('done', None)]",
    ]
