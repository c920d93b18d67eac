"""A private print system: cupsd with virtual IPP printers, for tests that read what came out.

`ippeveprinter` is CUPS's own IPP Everywhere printer; it announces itself by DNS-SD, so it needs a
private dbus-daemon and avahi-daemon. Everything listens on 127.0.0.1 and in one folder.
"""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.servers.child import ChildServer, require
from tests.servers.ports import free_port, listens, wait_until

SBIN = ("/usr/sbin", "/sbin")

CUPSD = """LogLevel warn
Listen 127.0.0.1:{port}
Listen {folder}/cups.sock
Browsing Off
DefaultAuthType None
WebInterface No
MaxJobs 500
PreserveJobHistory Yes
PreserveJobFiles No
JobRetryInterval 1
<Location />
  Order allow,deny
  Allow from 127.0.0.1
</Location>
<Location /admin>
  Order allow,deny
  Allow from 127.0.0.1
</Location>
<Policy default>
  JobPrivateAccess all
  JobPrivateValues none
  <Limit All>
    Order deny,allow
    Allow all
  </Limit>
</Policy>
"""
CUPS_FILES = """ServerRoot {folder}/etc
StateDir {folder}/run
CacheDir {folder}/cache
RequestRoot {folder}/spool
TempDir {folder}/spool/tmp
AccessLog {folder}/access.log
ErrorLog {folder}/error.log
PageLog {folder}/page.log
SystemGroup root
User {user}
Group {group}
"""
DBUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={folder}/dbus.sock</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
    <allow user="*"/>
  </policy>
</busconfig>
"""
AVAHI = """[server]
use-ipv4=yes
use-ipv6=no
allow-interfaces=lo
enable-dbus=yes
[wide-area]
enable-wide-area=no
[publish]
disable-publishing=no
"""
# Waits while the test says so, tells of its trouble as a printer does, and keeps what it prints.
PRINT = """#!/bin/sh
if [ -e "{folder}/empty" ]; then
    echo "STATE: +media-empty-error" >&2
    while [ -e "{folder}/empty" ]; do sleep 0.05; done
    echo "STATE: -media-empty-error" >&2
fi
while [ -e "{folder}/slow" ]; do sleep 0.05; done
env | grep '^IPP_' >"{folder}/options-$$"
cp "$1" "{folder}/part-$$"
mv "{folder}/part-$$" "{folder}/page-$$.pdf"
echo "ATTR: job-impressions=1 job-impressions-completed=1" >&2
"""


class VirtualPrinter:
    """An IPP printer of the print system; what it printed lies in `folder` as PDF."""

    def __init__(self, system: CupsSystem, name: str) -> None:
        self.system = system
        self.name = name
        self.port = free_port()
        self.folder = system.folder / name
        self.child = ChildServer(system.folder / f"{name}.log")

    def start(self) -> None:
        """Switch it on; the queue of this name in CUPS leads to it."""
        self.folder.mkdir(exist_ok=True)
        script = self.folder / "print.sh"
        script.write_text(PRINT.format(folder=self.folder))
        script.chmod(0o755)
        self.child.launch(
            [
                *(require("ippeveprinter", *SBIN), "-p", str(self.port), "-n", "localhost"),
                *("-d", str(self.folder), "-c", str(script), "-f", "application/pdf"),
                *("-r", "off", "-2", f"{self.name} {self.port}"),
            ],
            env=self.system.environment,
        )
        wait_until(lambda: listens(self.port), 60, f"{self.name} listens")

    def vanish(self) -> None:
        """Pull its plug."""
        self.child.end(signal.SIGKILL)

    @contextmanager
    def held(self, how: str = "slow") -> Iterator[None]:
        """What is printed meanwhile stays under way; "empty": for want of paper."""
        flag = self.folder / how
        flag.touch()
        try:
            yield
        finally:
            flag.unlink()

    def printed(self) -> list[str]:
        """The text of every document that came out, oldest first."""
        files = sorted(self.folder.glob("page-*.pdf"), key=lambda path: path.stat().st_mtime_ns)
        return [text_of(path) for path in files]

    def options(self) -> dict[str, str]:
        """The attributes of the job that came out last, as ippeveprinter names them."""
        last = max(self.folder.glob("options-*"), key=lambda path: path.stat().st_mtime_ns)
        return dict(line.split("=", 1) for line in last.read_text().splitlines() if "=" in line)

    def clear(self) -> None:
        """Empty the tray."""
        for path in self.folder.glob("page-*.pdf"):
            path.unlink()


class CupsSystem:
    """cupsd, and what its printers need. `address` is host:port, `socket` its local socket."""

    def __init__(self) -> None:
        # The path of a Unix socket has at most 107 characters; pytest's folders are too deep.
        self._made = tempfile.TemporaryDirectory(prefix="cups-")
        self.folder = Path(self._made.name)
        self.folder.chmod(0o755)
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.socket = self.folder / "cups.sock"
        self.environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("CUPS_")},
            "DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={self.folder}/dbus.sock",
            "CUPS_SERVER": self.address,
        }
        self.printers: dict[str, VirtualPrinter] = {}
        self._ends = ExitStack()

    def __enter__(self) -> CupsSystem:
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop everything, the printers first."""
        for printer in self.printers.values():
            printer.child.end()
        self._ends.close()
        self._made.cleanup()

    def _child(self, name: str, *command: str) -> ChildServer:
        child = ChildServer(self.folder / f"{name}.log")
        child.launch(command, env=self.environment)
        self._ends.callback(child.end)
        return child

    def _start(self) -> None:
        folder = self.folder
        values = {"folder": folder, "port": self.port, "user": "lp", "group": "lp"}
        for name, text in (
            ("etc/cupsd.conf", CUPSD),
            ("etc/cups-files.conf", CUPS_FILES),
            ("dbus.conf", DBUS),
            ("avahi.conf", AVAHI),
        ):
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(text.format(**values))
        for name in ("run", "cache", "spool", "spool/tmp"):
            (folder / name).mkdir()
        self._child("dbus", require("dbus-daemon"), f"--config-file={folder}/dbus.conf", "--nofork")
        wait_until(lambda: _is_socket(folder / "dbus.sock"), 60, "dbus-daemon listens")
        avahi = require("avahi-daemon", *SBIN)
        self._child(
            "avahi",
            avahi,
            "-f",
            f"{folder}/avahi.conf",
            "--no-drop-root",
            "--no-chroot",
            "--no-rlimits",
        )
        cups = require("cupsd", *SBIN)
        config = f"{folder}/etc/cupsd.conf"
        self._child("cupsd", cups, "-f", "-c", config, "-s", f"{folder}/etc/cups-files.conf")
        wait_until(lambda: listens(self.port), 60, "cupsd listens")

    def add(self, name: str) -> VirtualPrinter:
        """A new printer, switched on, and its queue."""
        printer = self.printers[name] = VirtualPrinter(self, name)
        printer.start()
        uri = f"ipp://127.0.0.1:{printer.port}/ipp/print"
        self.run(
            "lpadmin",
            "-p",
            name,
            "-E",
            "-v",
            uri,
            "-m",
            "everywhere",
            "-o",
            "printer-error-policy=retry-job",
        )
        return printer

    def run(self, command: str, *arguments: str) -> str:
        """One of CUPS's own commands against this system; its output."""
        done = subprocess.run(
            [require(command, *SBIN), "-h", self.address, *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"{command} {arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def jobs(self, name: str) -> int:
        """Jobs of a queue that are not over."""
        return len(self.run("lpstat", "-o", name).splitlines())


def text_of(path: Path) -> str:
    """The text of a PDF."""
    done = subprocess.run(
        [require("pdftotext"), "-layout", str(path), "-"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout


def _is_socket(path: Path) -> bool:
    return path.exists() and stat.S_ISSOCK(path.stat().st_mode)
