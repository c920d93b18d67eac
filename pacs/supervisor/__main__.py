"""`python -m pacs.supervisor [--no-demo]`: prepare, start everything, watch it, stop it."""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import os
import shutil
import signal
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO

from pacs.supervisor import orthanc
from pacs.supervisor.console import Console
from pacs.supervisor.environment import Environment, SetupError
from pacs.supervisor.process import (
    GRACE_SECONDS,
    Process,
    Service,
    describe_exit,
    kill_leftovers,
)

PYTHON = sys.executable
HEALTH_PATIENCE_SECONDS = 30.0
BACKLOG = 4096
"""Connections that may wait to be accepted; the kernel's net.core.somaxconn bounds it, too."""


class Supervisor:
    """One run of the embedded shape."""

    def __init__(self, environment: Environment, console: Console) -> None:
        self.environment = environment
        self.console = console
        self.variables = environment.for_processes()
        self.services: list[Service] = []
        self.stopping = asyncio.Event()
        self._preparing: Process | None = None

    def on_signal(self) -> None:
        """The first signal stops in order, a second one at once."""
        again = self.stopping.is_set()
        self.stopping.set()
        if again:
            for service in self.services:
                service.kill()
        if self._preparing:
            self._preparing.signal_group(signal.SIGKILL if again else signal.SIGTERM)

    async def manage(self, *arguments: str) -> None:
        """Run a command of manage.py to its end; raises SetupError when it fails."""
        if self.stopping.is_set():
            return
        self._preparing = Process(
            "setup",
            [PYTHON, "manage.py", *arguments],
            self.variables,
            self.console,
            self.environment.run_dir,
        )
        code = await self._preparing.ended()
        self._preparing = None
        if code and not self.stopping.is_set():
            command = " ".join(arguments)
            raise SetupError(
                f"`manage.py {command}` {describe_exit(code)}; its messages are above."
            )

    async def prepare(self) -> None:
        """Bring database, static files and the local rows up to date."""
        await self.manage("setup_local")

    def prepare_orthanc(self) -> list[str]:
        """Write Orthanc's configuration; its command, or nothing where it is not installed."""
        installation = orthanc.find()
        if installation.missing:
            self.console.say("Not installed on this machine:")
            for item in installation.missing:
                self.console.say(f"  - {item}")
            self.console.say(orthanc.HOW_TO_INSTALL)
        if not installation.binary:
            self.console.say(
                "The portal starts without Orthanc; images come in by upload (docs/dicomweb.md)."
            )
            return []
        local = orthanc.LocalOrthanc(self.environment)
        configuration = local.write_configuration(installation)
        self.variables |= local.variables()
        return [installation.binary, str(configuration)]

    def add_service(self, name: str, command: list[str], **extra: str) -> None:
        self.services.append(
            Service(name, command, self.variables | extra, self.console, self.environment.run_dir)
        )

    def add_services(self, orthanc_command: list[str]) -> None:
        """The processes, in the order in which they are started."""
        if orthanc_command:
            # Without it every C-STORE waits some 40 ms for a delayed acknowledgement.
            self.add_service("orthanc", orthanc_command, TCP_NODELAY="1")
        # Twisted lets 50 connections wait to be accepted; the others of a burst would be reset.
        endpoint = f"tcp:port={self.environment.port}:interface=127.0.0.1:backlog={BACKLOG}"
        web = ["-e", endpoint, "-t", "900", "-v", "0", "--no-server-name"]
        self.add_service("web", [PYTHON, "-m", "daphne", *web, "pacs.asgi:application"])
        # Celery warns of root at every start; in a container that is no news.
        warnings = [
            self.variables.get("PYTHONWARNINGS", ""),
            "ignore:You're running the worker with superuser privileges",
        ]
        calm = {"PYTHONWARNINGS": ",".join(filter(None, warnings))}
        celery = [PYTHON, "-m", "celery", "-q", "-A", "pacs", "worker", "--pool", "threads"]
        quiet = ["--without-gossip", "--without-mingle", "--loglevel", "WARNING"]
        schedule = str(self.environment.data_dir / "celerybeat-schedule")
        queues = "ingest,render,backup,deliver,default"
        worker = ["-Q", queues, "-c", "4", "-n", "worker@%h", "-B", "-s", schedule]
        self.add_service("worker", [*celery, *worker, *quiet], **calm)
        follow = ["-Q", "follow", "-c", "8", "-n", "follow@%h"]
        self.add_service("follow", [*celery, *follow, *quiet], **calm)

    async def until_healthy(self) -> None:
        """Wait for /healthz; says what is not ready when that takes long."""
        loop = asyncio.get_running_loop()
        complain_at = loop.time() + HEALTH_PATIENCE_SECONDS
        while not self.stopping.is_set():
            status, body = await asyncio.to_thread(get, f"{self.environment.address}healthz")
            if status == 200:
                return
            if loop.time() > complain_at:
                complain_at = loop.time() + HEALTH_PATIENCE_SECONDS
                self.console.say(f"Still waiting for the portal: {body[:500]}")
            await asyncio.sleep(0.4)

    async def announce(self) -> None:
        """Wait until all is ready, load the demo, print where to go."""
        await self.until_healthy()
        if self.stopping.is_set():
            return
        if self.environment.demo:
            try:
                await self.manage("load_demo")
            except SetupError as error:
                self.console.say(str(error))
        if self.stopping.is_set():
            return
        self.console.say(f"Lightbox PACS is ready: {self.environment.address}")
        if self.environment.demo:
            self.console.say("Log in as radiologist, technician, referrer, stranger or admin,")
            self.console.say(f"password {self.environment.demo_password()}")
        if any(service.name == "orthanc" for service in self.services):
            aet = self.variables.get("ORTHANC_AET") or "LIGHTBOX"
            port = self.environment.orthanc_dicom_port
            self.console.say(f"Send images by C-STORE to {aet} at port {port}. Ctrl-C stops.")

    async def run(self) -> None:
        """Everything, until a signal."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self.on_signal)
        if ended := kill_leftovers(self.environment.run_dir, str(self.environment.data_dir)):
            self.console.say(f"Ended what an earlier run left behind: {', '.join(ended)}")
        orthanc_command = self.prepare_orthanc()
        self.environment.check_ports(with_orthanc=bool(orthanc_command))
        await self.prepare()
        if self.stopping.is_set():
            return
        self.add_services(orthanc_command)
        running = [asyncio.create_task(service.run()) for service in self.services]
        announcing = asyncio.create_task(self.announce())
        stopped = asyncio.create_task(self.stopping.wait())
        # A failing task ends the run instead of leaving half of it going.
        await asyncio.wait([stopped, *running], return_when=asyncio.FIRST_COMPLETED)
        await self.stop(running)
        announcing.cancel()
        stopped.cancel()
        await asyncio.gather(*running)

    async def stop(self, running: list[asyncio.Task[None]]) -> None:
        """Ask every process to end, and end those that do not within the grace."""
        self.stopping.set()
        self.console.say("Stopping")
        if self._preparing:
            self._preparing.signal_group(signal.SIGKILL)
        deadline = asyncio.get_running_loop().time() + GRACE_SECONDS
        tasks = {service.name: task for service, task in zip(self.services, running, strict=True)}
        for service in self.services:
            if service.name != "orthanc":
                service.stop()
        # Orthanc last: what is being fetched from it may be finished.
        await asyncio.wait([tasks["follow"]], timeout=GRACE_SECONDS / 2)
        for service in self.services:
            service.stop()
        remaining = max(0.0, deadline - asyncio.get_running_loop().time())
        _, late = await asyncio.wait(running, timeout=remaining)
        if late:
            names = [service.name for service in self.services if service.running]
            self.console.say(f"Ending {', '.join(names)}, still busy after {GRACE_SECONDS:g} s")
            for service in self.services:
                service.kill()
            await asyncio.wait(running, timeout=2)
        self.console.say("Stopped")


def get(url: str) -> tuple[int, str]:
    """Status and body of `url`; 0 and the reason where nothing answers."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=5) as answer:
            return answer.status, answer.read(4096).decode("utf-8", "replace")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(4096).decode("utf-8", "replace")
    except OSError as error:
        return 0, str(error)


def lock(run_dir: Path) -> IO[str]:
    """Hold the data directory for this supervisor; raises SetupError where another has it."""
    handle = (run_dir / "supervisor.lock").open("a", encoding="ascii")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        handle.close()
        raise SetupError(
            f"Lightbox already runs on the data directory {run_dir.parent}. Stop it first, or set "
            "PACS_DATA_DIR (and the ports) for a second one."
        ) from error
    handle.truncate(0)
    handle.write(f"{os.getpid()}\n")
    handle.flush()
    return handle


def main() -> int:
    """Entry point; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m pacs.supervisor", description=__doc__)
    parser.add_argument("--no-demo", action="store_true", help="start empty, like PACS_DEMO=0")
    arguments = parser.parse_args()
    console = Console(sys.stdout)
    try:
        environment = Environment.read(os.environ, demo=not arguments.no_demo)
        environment.make_folders()
        held = lock(environment.run_dir)
        with held:
            shutil.rmtree(environment.data_dir / "tmp", ignore_errors=True)
            environment.make_folders()
            asyncio.run(_run(environment, console))
    except SetupError as error:
        console.say(str(error))
        return 1
    return 0


async def _run(environment: Environment, console: Console) -> None:
    await Supervisor(environment, console).run()


if __name__ == "__main__":
    sys.exit(main())
