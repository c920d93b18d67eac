"""The product as `make run` starts it, on free ports and in a data directory of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.servers import migrated
from tests.servers.child import ChildServer
from tests.servers.orthanc import SEND_ENVIRONMENT, send_command, store
from tests.servers.ports import free_port
from tests.servers.shell import Shell

CHECKOUT = Path(__file__).resolve().parents[2]
# Variables of the test run that would turn the product into something else, or that change with
# every test, which the shell would begin anew for.
FOREIGN = (
    "DJANGO_SETTINGS_MODULE", "PACS_", "ORTHANC_", "LIGHTBOX_", "DATABASE_URL", "REDIS_URL",
    "PYTEST_",
)  # fmt: skip


class Stack:
    """Lightbox under `pacs.supervisor`: Orthanc, web, worker and follow.

    `env` adds variables (DATABASE_URL, REDIS_URL, PACS_QUIET_SECONDS, ...). Keeps its ports and
    data over `stop` and `start`.
    """

    demo_password = "demo-password-for-tests"

    def __init__(
        self, data_dir: Path, *, demo: bool = False, env: Mapping[str, str] | None = None
    ) -> None:
        self.data_dir = data_dir
        self.demo = demo
        self.port = free_port()
        self.orthanc_http_port = free_port()
        self.dicom_port = free_port()
        self.env = dict(env or {})
        data_dir.mkdir(parents=True, exist_ok=True)
        self.child = ChildServer(data_dir / "supervisor.log")
        self._shell = Shell()

    def __enter__(self) -> Stack:
        self.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def orthanc_url(self) -> str:
        return f"http://127.0.0.1:{self.orthanc_http_port}"

    @property
    def orthanc_credentials(self) -> tuple[str, str]:
        """User and password of the local Orthanc's REST interface."""
        return "portal", (self.data_dir / "orthanc" / "password").read_text().strip()

    @property
    def hook_secret(self) -> str:
        return (self.data_dir / "orthanc" / "hook_secret").read_text().strip()

    def variables(self) -> dict[str, str]:
        """The environment of the product's processes and of `manage`."""
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)
        }
        return inherited | {
            "DJANGO_SETTINGS_MODULE": "pacs.settings.development",
            "PACS_DATA_DIR": str(self.data_dir),
            "PACS_PORT": str(self.port),
            "ORTHANC_HTTP_PORT": str(self.orthanc_http_port),
            "ORTHANC_DICOM_PORT": str(self.dicom_port),
            "ORTHANC_STABLE_AGE": "1",
            "PACS_DEMO": "1" if self.demo else "0",
            "PACS_DEMO_PASSWORD": self.demo_password,
            **self.env,
        }

    def start(self, seconds: float = 300) -> None:
        """Start and wait until /healthz answers 200 (and, with `demo`, until it is loaded)."""
        before = self.child.log.stat().st_size if self.child.log.exists() else 0
        database = self.data_dir / "lightbox.sqlite3"
        fresh = "DATABASE_URL" not in self.env and not database.exists()
        if fresh and migrated.is_ready():
            migrated.sqlite(database)
        command = [sys.executable, "-m", "pacs.supervisor"]
        self.child.launch(command, env=self.variables(), cwd=CHECKOUT)
        try:
            self.wait_healthy(seconds)
            if self.demo:
                self._wait_for_line("Lightbox PACS is ready", before, seconds)
        except BaseException:
            self.stop()
            raise

    def _wait_for_line(self, text: str, offset: int, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while text.encode() not in self.child.log.read_bytes()[offset:]:
            self._check(deadline, text)
            time.sleep(0.1)

    def _check(self, deadline: float, what: str) -> None:
        if not self.child.running:
            raise AssertionError(f"the supervisor ended:\n{self.child.tail()}")
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not in time\n{self.child.tail()}")

    def wait_healthy(self, seconds: float = 60) -> None:
        """Until /healthz answers 200."""
        deadline = time.monotonic() + seconds
        while self.health()[0] != 200:
            self._check(deadline, "/healthz 200")
            time.sleep(0.1)

    def health(self) -> tuple[int, str]:
        """Status and body of /healthz; status 0 while nothing listens."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(f"{self.base_url}/healthz", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def stop(self) -> None:
        """As Ctrl-C does."""
        self._shell.stop()
        self.child.end(signal.SIGINT, 20)

    def pid(self, name: str) -> int:
        """Pid of the running "orthanc", "web", "worker" or "follow"."""
        return int((self.data_dir / "run" / f"{name}.pid").read_text())

    def kill(self, name: str, number: int = signal.SIGKILL) -> int:
        """Signal one process, which the supervisor then starts again; its old pid."""
        pid = self.pid(name)
        os.kill(pid, number)
        return pid

    def wait_restarted(self, name: str, old_pid: int, seconds: float = 30) -> int:
        """Until `name` runs with another pid; that pid."""
        deadline = time.monotonic() + seconds
        while True:
            with contextlib.suppress(OSError, ValueError):
                if (pid := self.pid(name)) != old_pid:
                    return pid
            self._check(deadline, f"{name} starts again")
            time.sleep(0.05)

    def storescu(self, paths: Path | Iterable[Path]) -> None:
        """Send files to the local Orthanc by C-STORE."""
        store(paths, self.dicom_port)

    def start_storescu(self, paths: Path | Iterable[Path]) -> subprocess.Popen[bytes]:
        """The same in the background; the caller waits for it."""
        return subprocess.Popen(
            send_command(paths, self.dicom_port, "LIGHTBOX"),
            env={**os.environ, **SEND_ENVIRONMENT},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def manage(self, *arguments: str, input: str | None = None, timeout: float = 180) -> str:
        """Output of a command of manage.py with this stack's environment."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            env=self.variables(),
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            input=input,
            timeout=timeout,
            check=False,
        )
        assert done.returncode == 0, f"manage.py {arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def shell(self, code: str) -> str:
        """Output of Python code run inside Django with this stack's database."""
        return self._shell.run(code, self.variables())

    def tail(self, lines: int = 80) -> str:
        """The end of the combined log."""
        return self.child.tail(lines)
