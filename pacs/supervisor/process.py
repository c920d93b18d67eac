"""A child process in a session of its own, its log lines, its restarts and its end."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from pacs.supervisor.console import Console
from pacs.supervisor.environment import CHECKOUT, MARKER

MAX_LINE = 16 * 1024
FIRST_PAUSE, LAST_PAUSE, HEALTHY_AFTER = 0.5, 10.0, 30.0
GRACE_SECONDS = 7.0
PROC = Path("/proc")


@functools.cache
def _dies_with_parent() -> tuple[str, ...]:
    """A prefix that has Linux end the child when the supervisor itself is killed."""
    prefix = ("setpriv", "--pdeathsig", "TERM")
    if not shutil.which("setpriv"):
        return ()
    probe = subprocess.run([*prefix, "true"], capture_output=True, check=False)
    return prefix if probe.returncode == 0 else ()


def describe_exit(code: int) -> str:
    """`subprocess` exit code in words."""
    if code < 0:
        try:
            return f"was killed by {signal.Signals(-code).name}"
        except ValueError:
            return f"was killed by signal {-code}"
    return f"ended with code {code}"


class Process:
    """One run of a command. Its output goes to the console, its pid to `run_dir/<name>.pid`."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        variables: Mapping[str, str],
        console: Console,
        run_dir: Path,
    ) -> None:
        self.name = name
        self.console = console
        self.pid_file = run_dir / f"{name}.pid"
        self.popen = subprocess.Popen(
            [*_dies_with_parent(), *command],
            cwd=CHECKOUT,
            env=dict(variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.pid_file.write_text(f"{self.popen.pid}\n", encoding="ascii")
        self._log = asyncio.create_task(self._copy_output())

    async def _copy_output(self) -> None:
        reader = asyncio.StreamReader(limit=MAX_LINE)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), self.popen.stdout
        )
        try:
            while True:
                try:
                    line = await reader.readuntil(b"\n")
                except asyncio.IncompleteReadError as error:
                    if error.partial:
                        self._print(error.partial)
                    return
                except asyncio.LimitOverrunError as error:
                    line = await reader.readexactly(max(1, error.consumed))
                self._print(line)
        finally:
            transport.close()

    def _print(self, line: bytes) -> None:
        if text := line.decode("utf-8", "replace").rstrip():
            self.console.line(self.name, text)

    async def ended(self) -> int:
        """Wait for the end of the process and remove what it left running; the exit code.

        An orphan would live on otherwise: a second beat, or a decoder that nobody reads.
        """
        if hasattr(os, "waitid"):  # leaves the pid taken until the group is gone
            await asyncio.to_thread(os.waitid, os.P_PID, self.popen.pid, os.WEXITED | os.WNOWAIT)
        else:
            await asyncio.to_thread(self.popen.wait)
        self.signal_group(signal.SIGKILL)
        code = await asyncio.to_thread(self.popen.wait)
        for _ in range(20):
            if not self.signal_group(0):
                break
            await asyncio.sleep(0.05)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._log, 2)
        self.pid_file.unlink(missing_ok=True)
        return code

    def signal_group(self, number: int) -> bool:
        """Signal the process and its descendants; False when none is left."""
        try:
            os.killpg(self.popen.pid, number)
        except (ProcessLookupError, PermissionError):
            return False
        return True

    def ask_to_stop(self) -> None:
        """TERM to the process alone: it ends its own children when their work is done."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.popen.pid, signal.SIGTERM)


class Service:
    """A command that is started again whenever it ends, until `stop`."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        variables: Mapping[str, str],
        console: Console,
        run_dir: Path,
    ) -> None:
        self.name = name
        self.console = console
        self._start = functools.partial(Process, name, command, variables, console, run_dir)
        self._process: Process | None = None
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Start, watch and restart."""
        loop = asyncio.get_running_loop()
        pause = 0.0
        while not self._stopping.is_set():
            started = loop.time()
            self._process = self._start()
            code = await self._process.ended()
            self._process = None
            if self._stopping.is_set():
                return
            healthy = loop.time() - started > HEALTHY_AFTER
            pause = FIRST_PAUSE if healthy or not pause else min(LAST_PAUSE, pause * 2)
            self.console.say(f"{self.name} {describe_exit(code)}; starting it again in {pause:g} s")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)

    @property
    def running(self) -> bool:
        return self._process is not None

    def stop(self) -> None:
        """Ask the process to end; `run` returns when it has."""
        self._stopping.set()
        if self._process:
            self._process.ask_to_stop()

    def kill(self) -> None:
        """End it now, descendants included."""
        self._stopping.set()
        if self._process:
            self._process.signal_group(signal.SIGKILL)


def kill_leftovers(run_dir: Path, marker: str) -> list[str]:
    """End process groups that an earlier supervisor of the same data directory left behind.

    A pid alone proves nothing: the process must carry this data directory in its environment.
    Returns the names of what was ended. Does nothing where there is no /proc.
    """
    ended = []
    for pid_file in sorted(run_dir.glob("*.pid")):
        try:
            group = int(pid_file.read_text(encoding="ascii"))
        except ValueError:
            group = 0
        if group > 1 and any(_belongs(pid, group, marker) for pid in _pids()):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(group, signal.SIGKILL)
                ended.append(pid_file.stem)
            _wait_for_end(group, marker)
        pid_file.unlink(missing_ok=True)
    return ended


def _wait_for_end(group: int, marker: str) -> None:
    """Up to two seconds, so that ports and files are free again."""
    for _ in range(40):
        if not any(_belongs(pid, group, marker) for pid in _pids()):
            return
        time.sleep(0.05)


def _pids() -> list[int]:
    if not PROC.is_dir():
        return []
    return [int(path.name) for path in PROC.iterdir() if path.name.isdigit()]


def _belongs(pid: int, group: int, marker: str) -> bool:
    try:
        if os.getpgid(pid) != group:
            return False
        environ = (PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return False
    return f"{MARKER}={marker}".encode() in environ.split(b"\0")
