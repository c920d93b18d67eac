"""The agents' socket of the running portal, with a real client."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any

import pytest
import websockets

from agents import protocol
from tests.clients.agent import WireAgent, make_agent, refusal
from tests.servers.portal import Portal, wait

pytestmark = pytest.mark.integration
numbers = iter(range(1000))


@pytest.fixture
def agent(portal: Portal) -> tuple[int, str]:
    """A new agent and its key."""
    return make_agent(portal, f"Agent {next(numbers)}")


def run(work: Coroutine[Any, Any, Any]) -> Any:
    """In a thread of its own: Playwright's loop may live in this one."""
    found: list[Any] = []

    def body() -> None:
        try:
            found.append((asyncio.run(work), None))
        except BaseException as error:
            found.append((None, error))

    thread = threading.Thread(target=body)
    thread.start()
    thread.join(180)
    assert found, "not in 180 s"
    value, error = found[0]
    if error:
        raise error
    return value


def post(portal: Portal, path: str, body: Any, who: str = "technician") -> tuple[int, Any]:
    status, data, _ = portal.request(
        "POST",
        path,
        who=who,
        body=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    return status, json.loads(data)


def queue(portal: Portal, agent_id: int, command: str = "ping", **more: Any) -> dict[str, Any]:
    status, body = post(portal, f"/api/agents/{agent_id}/commands/", {"type": command, **more})
    assert status == 201, body
    return body


def state(portal: Portal, command: dict[str, Any]) -> dict[str, Any]:
    path = f"/api/agents/{command['agent']}/commands/{command['id']}/"
    status, body, _ = portal.request("GET", path)
    assert status == 200
    return json.loads(body)


def becomes(portal: Portal, command: dict[str, Any], wanted: str, seconds: float = 10) -> Any:
    wait(lambda: state(portal, command)["state"] == wanted, seconds, wanted, portal)
    return state(portal, command)


def online(portal: Portal, agent_id: int) -> bool:
    return json.loads(portal.request("GET", f"/api/agents/{agent_id}/")[1])["is_online"]


def test_a_command_from_queue_to_result(portal: Portal, agent: tuple[int, str]) -> None:
    async def act() -> None:
        async with WireAgent(portal, agent[1]) as wire:
            assert wire.hello.agent_id == agent[0]
            command = await asyncio.to_thread(queue, portal, agent[0])
            began = time.monotonic()
            came = await wire.hear(protocol.Command)
            assert time.monotonic() - began < 1.5  # woken, not found by a sweep
            assert (came.id, came.command, came.requester) == (
                str(command["id"]),
                "ping",
                "technician",
            )
            assert came.idempotency_key == command["idempotency_key"]
            assert 3500 < came.ttl <= 3600
            await wire.say(protocol.Accepted(id=came.id))
            await asyncio.to_thread(becomes, portal, command, "accepted")
            await wire.say(protocol.Progress(id=came.id, done=1, total=3, message="one"))
            running = await asyncio.to_thread(becomes, portal, command, "running")
            assert (running["steps_done"], running["steps_total"]) == (1, 3)
            await wire.say(protocol.Result(id=came.id, outcome="done", data={"pong": 1}))
            taken = await wire.hear(protocol.Accepted)
            assert (taken.id, taken.of) == (came.id, "result")
            done = await asyncio.to_thread(becomes, portal, command, "done")
            assert done["result"] == {"pong": 1}
            # The same result again is taken and changes nothing.
            await wire.say(protocol.Result(id=came.id, outcome="failed", message="Later."))
            assert (await wire.hear(protocol.Accepted)).id == came.id
            assert state(portal, command)["state"] == "done"

    run(act())


def test_alias(portal: Portal, agent: tuple[int, str]) -> None:
    async def act() -> None:
        async with WireAgent(portal, agent[1], path="/agent-connect") as wire:
            assert wire.hello.agent_id == agent[0]

    run(act())


def test_refused(portal: Portal, agent: tuple[int, str]) -> None:
    number, key = agent
    assert run(refusal(portal, "")) == 403
    assert run(refusal(portal, "lba_" + "x" * 43)) == 403
    assert run(refusal(portal, key, path=f"/ws/agents/?key={key}")) == 403
    assert run(refusal(portal, "", path=f"/ws/agents/?key={key}")) == 403
    assert run(refusal(portal, portal.tokens["technician"])) == 403
    assert run(refusal(portal, key)) == 0
    portal.stack.shell(
        "from agents.models import *; from django.utils import timezone\n"
        f"AgentKey.objects.filter(agent={number}).update(expires_at=timezone.now())"
    )
    assert run(refusal(portal, key)) == 403
    told = portal.stack.shell(
        "from pacs.audit.models import AuditEvent\n"
        "print([e.detail['why'] for e in AuditEvent.objects.filter(action='agent.connect')])"
    )
    assert "key in the URL" in told


def test_wrong_network(portal: Portal) -> None:
    _, key = make_agent(portal, "Elsewhere", ["10.9.0.0/16"])
    assert run(refusal(portal, key)) == 403
    # Without trusted proxies nobody believes what the client writes there.
    assert run(refusal(portal, key, headers={"X-Forwarded-For": "10.9.1.1"})) == 403
    _, key = make_agent(portal, "Here", ["127.0.0.0/8"])
    assert run(refusal(portal, key)) == 0


def test_revocation_and_switch_close_within_seconds(portal: Portal, agent: tuple[int, str]) -> None:
    revoke = (
        "from agents import keys; from agents.models import *\n"
        f"[keys.revoke(k, actor=None) for k in AgentKey.objects.filter(agent={agent[0]})]"
    )

    async def act() -> None:
        async with WireAgent(portal, agent[1]) as wire:
            await asyncio.to_thread(portal.stack.shell, revoke)
            assert await wire.closed(5) == 4403
        assert await refusal(portal, agent[1]) == 403

    run(act())
    assert not online(portal, agent[0])


def test_rotation_overlaps(portal: Portal, agent: tuple[int, str]) -> None:
    async def act() -> None:
        async with WireAgent(portal, agent[1]) as wire:
            name = f"agent {agent[0]}"
            code = (
                "from agents import keys; from agents.models import Agent\n"
                f"print(keys.rotate(Agent.objects.get(pk={agent[0]}), actor=None))"
            )
            fresh = (await asyncio.to_thread(portal.stack.shell, code)).strip()
            await wire.silence(protocol.Error, 3)
            assert await refusal(portal, fresh) == 0, name
            assert await refusal(portal, agent[1]) == 0, name

    run(act())


def test_the_newer_of_two_connections_stays(portal: Portal, agent: tuple[int, str]) -> None:
    async def act() -> None:
        async with WireAgent(portal, agent[1]) as first, WireAgent(portal, agent[1]) as second:
            assert await first.closed(5) == 4409
            await asyncio.to_thread(queue, portal, agent[0])
            assert await second.hear(protocol.Command)
            assert await asyncio.to_thread(online, portal, agent[0])

    run(act())


def test_waiting_and_unfinished_commands_come_again(portal: Portal, agent: tuple[int, str]) -> None:
    first = queue(portal, agent[0])

    async def act() -> None:
        async with WireAgent(portal, agent[1]) as wire:
            assert (await wire.hear(protocol.Command)).id == str(first["id"])
        second = await asyncio.to_thread(queue, portal, agent[0])
        async with WireAgent(portal, agent[1]) as wire:
            came = [await wire.hear(protocol.Command) for _ in range(2)]
            assert [each.id for each in came] == [str(first["id"]), str(second["id"])]
            assert came[0].idempotency_key == first["idempotency_key"]
            await wire.say(protocol.Accepted(id=came[0].id))
            await asyncio.to_thread(becomes, portal, first, "accepted")
        async with WireAgent(portal, agent[1]) as wire:
            came = [await wire.hear(protocol.Command) for _ in range(2)]
            for each in came:
                await wire.say(protocol.Result(id=each.id, outcome="done"))
                await wire.hear(protocol.Accepted)
        async with WireAgent(portal, agent[1]) as wire:
            await wire.silence(protocol.Command)

    run(act())
    assert state(portal, first)["attempts"] == 3


def test_cancelling(portal: Portal, agent: tuple[int, str]) -> None:
    waiting = queue(portal, agent[0])
    path = f"/api/agents/{agent[0]}/commands"
    assert post(portal, f"{path}/{waiting['id']}/cancel/", {})[1]["state"] == "cancelled"
    assert post(portal, f"{path}/{waiting['id']}/cancel/", {})[0] == 409

    async def act() -> None:
        async with WireAgent(portal, agent[1]) as wire:
            await wire.silence(protocol.Command, 1)
            command = await asyncio.to_thread(queue, portal, agent[0])
            came = await wire.hear(protocol.Command)
            status, body = await asyncio.to_thread(
                post, portal, f"{path}/{command['id']}/cancel/", {}
            )
            assert (status, body["state"]) == (200, "sent")
            asked = await wire.hear(protocol.Cancel)
            assert (asked.id, asked.idempotency_key) == (came.id, came.idempotency_key)
        async with WireAgent(portal, agent[1]) as wire:
            # Not the command again: only that it is cancelled.
            assert protocol.decode(await wire.socket.recv()) == asked
            await wire.say(protocol.Result(id=came.id, outcome="cancelled"))
            await asyncio.to_thread(becomes, portal, command, "cancelled")

    run(act())


def test_time_to_live(portal: Portal, agent: tuple[int, str]) -> None:
    late = queue(portal, agent[0], ttl=1)
    time.sleep(1.2)

    async def act() -> None:
        async with WireAgent(portal, agent[1]) as wire:
            await wire.silence(protocol.Command)

    run(act())
    assert becomes(portal, late, "expired")["message"] == "It was not begun in time."
    swept = queue(portal, agent[0], ttl=1)
    becomes(portal, swept, "expired", 15)


def test_garbage(portal: Portal, agent: tuple[int, str]) -> None:
    async def act() -> None:
        async with WireAgent(portal, agent[1]) as wire:
            for frame in ("", "{", "[]", b"\x00\xff", '{"v": 1, "type": "dance", "id": "9"}'):
                await wire.socket.send(frame)
                answer = protocol.decode(await wire.socket.recv())
                assert isinstance(answer, protocol.Error), frame
            assert (answer.code, answer.ref) == ("unknown-type", "9")
            # The portal's own messages, results nobody asked for, an error: none ends it.
            await wire.say(protocol.Cancel(id="1", idempotency_key="k"))
            assert (protocol.decode(await wire.socket.recv())).code == "direction"  # type: ignore[union-attr]
            for made_up in ("999999999", "x", "9" * 40):
                await wire.say(protocol.Result(id=made_up, outcome="done"))
                assert (protocol.decode(await wire.socket.recv())).code == "unknown-id"  # type: ignore[union-attr]
            await wire.say(protocol.Error(code="x", ref="999999999"))
            await wire.say(protocol.Heartbeat(at=datetime.now(UTC)))
            assert isinstance(protocol.decode(await wire.socket.recv()), protocol.Heartbeat)
            for _ in range(30):
                await wire.socket.send("{")
            assert await wire.closed() == 4400

    run(act())


def test_another_agents_command(portal: Portal, agent: tuple[int, str]) -> None:
    victim, _ = make_agent(portal, "Victim")
    command = queue(portal, victim)

    async def act() -> None:
        async with WireAgent(portal, agent[1]) as wire:
            await wire.say(protocol.Accepted(id=str(command["id"])))
            await wire.say(protocol.Result(id=str(command["id"]), outcome="done"))
            answer = protocol.decode(await wire.socket.recv())
            assert answer.code == "unknown-id"  # type: ignore[union-attr]

    run(act())
    assert state(portal, command)["state"] == "queued"


def test_first_register(portal: Portal, agent: tuple[int, str]) -> None:
    async def act() -> None:
        async with WireAgent(portal, agent[1], register=False) as wire:
            await wire.say(protocol.Heartbeat(at=datetime.now(UTC)))
            answer = protocol.decode(await wire.socket.recv())
            assert answer.code == "not-registered"  # type: ignore[union-attr]
            await wire.say(protocol.Register(version="9", protocols=(7,)))
            answer = protocol.decode(await wire.socket.recv())
            assert answer.code == "version"  # type: ignore[union-attr]
            assert await wire.closed() == 4400
        async with WireAgent(portal, agent[1], register=False) as wire:
            assert await wire.closed(20) == 4408

    run(act())


def test_twenty_megabytes(portal: Portal, agent: tuple[int, str]) -> None:
    async def act() -> None:
        async with WireAgent(portal, agent[1]) as wire:
            await wire.socket.send("x" * (protocol.MAX_BYTES + 1))
            answer = protocol.decode(await wire.socket.recv())
            assert answer.code == "too-large"  # type: ignore[union-attr]
            with contextlib.suppress(websockets.ConnectionClosed):
                await wire.socket.send("x" * 20_000_000)
            assert await wire.closed() in {1006, 1009}
        async with WireAgent(portal, agent[1]) as wire:
            assert wire.hello

    run(act())


def test_heartbeat_and_events(portal: Portal, agent: tuple[int, str]) -> None:
    async def act() -> None:
        now = datetime.now(UTC)
        async with WireAgent(portal, agent[1]) as wire:
            await wire.say(
                protocol.Heartbeat(
                    at=now,
                    version="1.0.1",
                    queue_length=7,
                    folders=(protocol.Folder(path="/data/in", waiting=7),),
                    printers=(protocol.Printer(name="A", state="stopped", reason="paper out"),),
                    last_errors=(protocol.Problem(at=now, code="x", message="No room."),),
                )
            )
            await wire.hear(protocol.Heartbeat)
            for _ in range(2):
                event = protocol.Event(
                    id="e-1", event="upload-complete", at=now, data={"file": "a.dcm"}
                )
                await wire.say(event)
                assert (await wire.hear(protocol.Accepted)).of == "event"
            await wire.say(protocol.Event(id="e-2", event="earthquake", at=now))
            answer = protocol.decode(await wire.socket.recv())
            assert (answer.code, answer.ref) == ("unknown-event", "e-2")  # type: ignore[union-attr]

    run(act())
    body = json.loads(portal.request("GET", f"/api/agents/{agent[0]}/")[1])
    assert (body["version"], body["queue_length"]) == ("1.0.1", 7)
    assert body["printers"][0]["reason"] == "paper out"
    kept = portal.stack.shell(
        "from agents.models import AgentEvent\n"
        f"print(AgentEvent.objects.filter(agent={agent[0]}, event_id='e-1').count())"
    )
    assert kept.strip() == "1"


def test_portal_restart(portal: Portal, agent: tuple[int, str]) -> None:
    async def act() -> None:
        async with WireAgent(portal, agent[1]) as wire:
            command = await asyncio.to_thread(queue, portal, agent[0])
            await wire.hear(protocol.Command)
            pid = portal.stack.kill("web")
            await wire.closed()
        await asyncio.to_thread(portal.stack.wait_restarted, "web", pid)
        await asyncio.to_thread(portal.stack.wait_healthy)
        async with WireAgent(portal, agent[1]) as wire:
            again = await wire.hear(protocol.Command)
            assert again.id == str(command["id"])
            await wire.say(protocol.Result(id=again.id, outcome="done"))
            await asyncio.to_thread(becomes, portal, command, "done")

    run(act())


def test_half_open(portal: Portal, agent: tuple[int, str]) -> None:
    """A peer that went without a word is missed, and called offline."""

    async def act() -> None:
        async with WireAgent(portal, agent[1], ping_interval=None) as wire:
            wire.socket.transport.pause_reading()  # neither pongs nor heartbeats
            assert await asyncio.to_thread(online, portal, agent[0])
            await asyncio.to_thread(
                wait, lambda: not online(portal, agent[0]), 110, "offline", portal
            )

    run(act())


def test_upload_with_the_agents_key(portal: Portal, agent: tuple[int, str], series: Any) -> None:
    files, uid = series(1)
    portal.tokens["agent"] = agent[1]
    try:
        status, body = portal.upload(files[0].read_bytes(), who="agent")
        assert status == 201, body
        assert portal.count(uid) == 1
        # It stores and reads nothing.
        assert portal.request("GET", "/dicom-web/studies", who="agent")[0] == 403
        assert portal.request("GET", "/api/agents/", who="agent")[0] == 401
    finally:
        del portal.tokens["agent"]
