"""The connection: the key goes to the right portal only, and comes back whatever breaks it."""

from __future__ import annotations

import itertools
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents import protocol
from tests.agents_site.certificates import Authority
from tests.agents_site.proxy import ConnectProxy
from tests.agents_site.receiver import Receiver
from tests.agents_site.running import RunningAgent, folder_section
from tests.agents_site.scripted import ScriptedPortal
from tests.agents_site.test_folders import image
from tests.servers.ports import wait_until

KEY = "lba_only-for-tests"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "ca")


def pins(authority: Authority, *values: str) -> str:
    listed = ", ".join(f'"{each}"' for each in values)
    return f'ca_file = "{authority.ca_file}"\npins = [{listed}]\n'


@pytest.fixture
def plain() -> Iterator[ScriptedPortal]:
    with ScriptedPortal() as portal:
        yield portal


def test_registers_with_the_key_in_the_header_only(plain: ScriptedPortal, tmp_path: Path) -> None:
    with RunningAgent(tmp_path / "agent", plain.url, key=KEY) as agent:
        plain.wait(lambda: plain.of(protocol.Heartbeat), "a heartbeat")
        register = plain.of(protocol.Register)[0]
        assert register.capabilities == ("collect-log", "ping", "scan-folder", "upload-dicom")
        assert plain.headers[0]["authorization"] == f"Bearer {KEY}"
        assert plain.paths == ["/ws/agents/"]
        assert KEY not in agent.log


def test_right_pin_and_next_pin(authority: Authority, tmp_path: Path) -> None:
    context, pin = authority.server("portal")
    _, following = authority.server("next")
    for number, given in enumerate([(pin, following), (following, pin)]):
        with (
            ScriptedPortal(context) as portal,
            RunningAgent(tmp_path / f"agent{number}", portal.url, portal=pins(authority, *given)),
        ):
            portal.wait_registered()


def test_wrong_pin_learns_nothing(authority: Authority, tmp_path: Path) -> None:
    """The certificate is good for the system, and still not a byte of HTTP reaches the server."""
    context, _ = authority.server("portal")
    others = [authority.server(name)[1] for name in ("a", "b")]
    section = folder_section(tmp_path / "in")
    with (
        ScriptedPortal(context) as portal,
        RunningAgent(
            tmp_path / "agent", portal.url, portal=pins(authority, *others), sections=section
        ) as agent,
    ):
        agent.wait_log("connection: the portal shows a public key that is not pinned")
        (tmp_path / "in" / "1.dcm").write_bytes(image(1))
        agent.wait_log("upload: the portal shows an unknown key")
        assert portal.headers == []


def test_untrusted_certificate(authority: Authority, tmp_path: Path) -> None:
    context, _ = authority.server("portal")
    with (
        ScriptedPortal(context) as portal,
        RunningAgent(tmp_path / "agent", portal.url) as agent,
    ):
        agent.wait_log("certificate is not trusted")
        assert portal.headers == []


def test_uploads_over_pinned_tls(authority: Authority, tmp_path: Path) -> None:
    context, pin = authority.server("portal")
    _, following = authority.server("next")
    with (
        Receiver(ssl=context) as receiver,
        RunningAgent(
            tmp_path / "agent",
            receiver.url,
            portal=pins(authority, pin, following),
            sections=folder_section(tmp_path / "in"),
        ) as agent,
    ):
        (tmp_path / "in" / "1.dcm").write_bytes(image(1))
        agent.wait_states(done=1)


def test_through_a_proxy_with_a_password(authority: Authority, tmp_path: Path) -> None:
    """Socket and uploads pass by CONNECT, TLS and pins end at the portal."""
    context, pin = authority.server("portal")
    _, following = authority.server("next")
    secret = tmp_path / "proxy-password"
    secret.write_text("p:w@")
    secret.chmod(0o600)
    with (
        ConnectProxy("agent:p:w@") as proxy,
        ScriptedPortal(context) as portal,
        Receiver(ssl=context) as receiver,
    ):
        options = pins(authority, pin, following) + (
            f'proxy = "http://127.0.0.1:{proxy.port}"\nproxy_user = "agent"\n'
            f'proxy_password_file = "{secret}"\n'
        )
        with RunningAgent(tmp_path / "a", portal.url, portal=options):
            portal.wait_registered()
        section = folder_section(tmp_path / "in")
        with RunningAgent(tmp_path / "b", receiver.url, portal=options, sections=section) as agent:
            (tmp_path / "in" / "1.dcm").write_bytes(image(1))
            agent.wait_states(done=1)
            assert "p:w@" not in agent.log
        assert f"127.0.0.1:{portal.port}" in proxy.targets
        assert f"127.0.0.1:{receiver.port}" in proxy.targets


def test_proxy_that_refuses(authority: Authority, tmp_path: Path) -> None:
    with ConnectProxy("agent:right") as proxy:
        options = f'proxy = "http://127.0.0.1:{proxy.port}"\n'
        with RunningAgent(tmp_path / "a", "https://127.0.0.1:9", portal=options) as agent:
            agent.wait_log("the proxy wants another user or password")


@pytest.mark.parametrize(
    ("status", "headers", "words"),
    [
        (403, {}, "refuses this agent's key"),
        (429, {"Retry-After": "30"}, "asks for fewer attempts"),
    ],
)
def test_refused_agent_is_patient(
    plain: ScriptedPortal, tmp_path: Path, status: int, headers: dict[str, str], words: str
) -> None:
    plain.refuse = (status, headers)
    with RunningAgent(tmp_path / "agent", plain.url, key=KEY) as agent:
        agent.wait_log(words)
        time.sleep(2.5)
        assert len(plain.connected_at) == 1  # others are tried again within a second here


def test_no_redirect_is_followed(plain: ScriptedPortal, tmp_path: Path) -> None:
    with ScriptedPortal() as other:
        plain.refuse = (302, {"Location": f"ws://127.0.0.1:{other.port}/ws/agents/"})
        with RunningAgent(tmp_path / "agent", plain.url, key=KEY) as agent:
            agent.wait_log("the portal answered 302")
            assert other.headers == []


def test_reconnects_with_pauses_that_differ(plain: ScriptedPortal, tmp_path: Path) -> None:
    with RunningAgent(tmp_path / "agent", plain.url):
        for count in range(1, 6):
            plain.wait_registered(count)
            plain.close(1012)
        plain.wait_registered(6)
    times = plain.connected_at
    pauses = [after - before for before, after in itertools.pairwise(times)]
    assert all(0.05 < each < 3 for each in pauses)
    assert max(pauses) - min(pauses) > 0.05


@pytest.mark.parametrize(
    ("code", "words"),
    [(4403, "the portal has revoked the key"), (4409, "another agent connected")],
)
def test_revoked_or_replaced_agents_do_not_fight(
    plain: ScriptedPortal, tmp_path: Path, code: int, words: str
) -> None:
    with RunningAgent(tmp_path / "agent", plain.url) as agent:
        plain.wait_registered()
        plain.wait(lambda: plain._socket is not None, "registered")
        plain.close(code)
        agent.wait_log(words)
        time.sleep(2.5)
        assert len(plain.connected_at) == 1


def test_half_open_connection_is_given_up(authority: Authority, tmp_path: Path) -> None:
    context, pin = authority.server("portal")
    _, following = authority.server("next")
    with ConnectProxy() as proxy, ScriptedPortal(context) as portal:
        options = pins(authority, pin, following) + (
            f'proxy = "http://127.0.0.1:{proxy.port}"\nping_seconds = 1\n'
        )
        with RunningAgent(tmp_path / "agent", portal.url, portal=options) as agent:
            portal.wait_registered()
            proxy.frozen = True
            agent.wait_log("the connection to the portal ended", 15)
            proxy.frozen = False
            portal.wait_registered(2)


@pytest.mark.parametrize(
    "garbage",
    [
        "no json",
        "[]",
        '{"v":1,"type":"dance","id":"7"}',
        '{"v":99,"type":"command"}',
        '{"v":1,"type":"command","id":"7"}',
        b"\x00\xff",
    ],
)
def test_garbage_is_answered_and_survived(
    plain: ScriptedPortal, tmp_path: Path, garbage: str | bytes
) -> None:
    with RunningAgent(tmp_path / "agent", plain.url):
        plain.wait_registered()
        plain.say_raw(garbage)
        plain.wait(lambda: plain.of(protocol.Error), "an error")
        assert plain.result(plain.command("ping")).outcome == "done"


def test_20_megabytes_end_the_connection_and_nothing_else(
    plain: ScriptedPortal, tmp_path: Path
) -> None:
    with RunningAgent(tmp_path / "agent", plain.url) as agent:
        plain.wait_registered()
        plain.say_raw("x" * 20_000_000)
        plain.wait_registered(2)
        assert agent.child.running


def test_wrong_clock_is_told_and_no_reason_to_stop(
    plain: ScriptedPortal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registered = plain._registered
    wrong = registered().now.replace(year=2020)
    monkeypatch.setattr(
        plain,
        "_registered",
        lambda: protocol.Registered(agent_id=1, name="Test", site="Main", now=wrong),
    )
    with RunningAgent(tmp_path / "agent", plain.url) as agent:
        agent.wait_log("clock is wrong by")
        assert plain.result(plain.command("ping")).outcome == "done"


def test_the_pin_is_what_openssl_says(authority: Authority, tmp_path: Path) -> None:
    """docs/agent.md tells administrators to compute it with openssl."""

    _, pin = authority.server("portal")
    page = (Path(__file__).parents[2] / "docs" / "agent.md").read_text()
    assert "openssl x509 -pubkey -noout | openssl pkey" in " ".join(page.split())
    done = subprocess.run(
        f"openssl x509 -in {tmp_path}/ca/portal.pem -pubkey -noout |"
        " openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | base64",
        shell=True,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == pin


def test_unreachable_portal_is_said_once_and_tried_again(tmp_path: Path) -> None:
    with RunningAgent(tmp_path / "agent", "http://127.0.0.1:9") as agent:
        wait_until(lambda: agent.log.count("the portal cannot be reached") >= 3, 20, "attempts")
