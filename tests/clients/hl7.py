"""npm's simple-hl7 as a RIS that sends and as a HIS that receives; and a bare socket."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
from pathlib import Path
from typing import Any

from agents.site.hl7.framing import END, framed
from tests.clients import node
from tests.clients.packages import CACHE, PACKAGES, package
from tests.servers.child import ChildServer
from tests.servers.ports import free_port, wait_until

NAMES = ("simple-hl7", "moment", "utils-merge", "watch")
SEND = """
const hl7 = require("simple-hl7"), parser = new hl7.Parser();
const [port, texts] = [process.argv[1], JSON.parse(require("fs").readFileSync(0, "utf8"))];
const client = hl7.Server.createTcpClient({host: "127.0.0.1", port: port, keepalive: true});
const next = (i) => {
  if (i == texts.length) process.exit(0);
  client.send(parser.parse(texts[i]), (error, ack) => {
    const msa = error ? null : ack.getSegment("MSA");
    const words = error ? "" : msa.getField(3);
    console.log(JSON.stringify(error ? [String(error)]
      : [msa.getField(1).toString(), msa.getField(2).toString(), words ? words.toString() : ""]));
    if (error) process.exit(1);
    setImmediate(next, i + 1);
  });
};
next(0);
"""
# What it does is chosen by the patient: AE and AR are answered so, SILENT is never answered, LATE
# not the first time.
RECEIVE = """
const hl7 = require("simple-hl7"), app = hl7.tcp(), late = new Set();
app.use((req, res, next) => {
  const pid = req.msg.getSegment("PID"), who = pid.getComponent(3, 1).toString();
  const obx = req.msg.getSegments("OBX").map((s) => [1, 2, 3, 4, 5].map((n) => s.getField(n)));
  const id = String(req.msg.header.getField(8));
  console.log(JSON.stringify({id, who, name: pid.getField(5), obx}));
  if (who == "SILENT") return;
  if (who == "LATE" && !late.has(id)) { late.add(id); return; }
  if (who == "AE" || who == "AR") {
    res.ack.getSegment("MSA").setField(1, who);
    res.ack.getSegment("MSA").addField("no such patient", 3);
  }
  next();
});
app.use((req, res, next) => res.end());
app.start(process.argv[1]);
"""


def _environment() -> dict[str, str]:
    modules = CACHE / "simple-hl7-modules"
    modules.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        (full,) = [each for each in PACKAGES if each.startswith(f"{name}@")]
        link = modules / name
        if not link.exists():
            with contextlib.suppress(FileExistsError):  # another process was quicker
                link.symlink_to(package(full))
    return node.environment(NODE_PATH=str(modules))


def send(port: int, *texts: str) -> list[list[str]]:
    """Send messages one after another: MSA-1, MSA-2 and MSA-3 of each acknowledgement."""
    done = subprocess.run(
        [node.program("node"), "-e", SEND, str(port)],
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        timeout=60,
        env=_environment(),
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


class Receiver:
    """A HIS that takes reports."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.child = ChildServer(folder / "receiver.log")

    def __enter__(self) -> Receiver:
        self.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    def start(self) -> None:
        self.child.launch([node.program("node"), "-e", RECEIVE, str(self.port)], env=_environment())
        wait_until(self._listens, 30, "simple-hl7 listens")

    def stop(self) -> None:
        self.child.end()

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def got(self, control_id: str) -> list[dict[str, Any]]:
        """What came under a control id."""
        lines = [json.loads(line) for line in self.child.tail(500).splitlines() if line[:1] == "{"]
        return [each for each in lines if each["id"] == control_id]


class Wire:
    """A socket to an MLLP port, from an address of this machine."""

    def __init__(self, port: int, address: str = "127.0.0.1") -> None:
        self.socket = socket.create_connection(
            ("127.0.0.1", port), timeout=30, source_address=(address, 0)
        )

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.socket.close()

    def write(self, data: bytes) -> None:
        self.socket.sendall(data)

    def read(self) -> bytes:
        """Until an end of a frame, or of the connection."""
        found = b""
        while END not in found:
            try:
                part = self.socket.recv(65_536)
            except ConnectionResetError:
                break
            if not part:
                break
            found += part
        return found

    def ask(self, message: bytes) -> bytes:
        self.write(framed(message))
        return self.read()
