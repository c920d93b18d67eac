"""A private Orthanc with the DICOMweb plugin and the portal's hook."""

from __future__ import annotations

import base64
import http.client
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pacs.supervisor.orthanc import PLUGIN_FOLDERS
from tests.servers.child import ChildServer, require
from tests.servers.ports import free_port, wait_until

HOOK_SCRIPT = Path(__file__).resolve().parents[2] / "deploy" / "orthanc" / "lightbox_hook.py"
SEND_ENVIRONMENT = {"TCP_NODELAY": "1"}


def plugin(name: str) -> str:
    """Path of one of Orthanc's plugins."""
    for folder in PLUGIN_FOLDERS:
        if (path := Path(folder) / name).is_file():
            return str(path)
    raise AssertionError(f"{name} is not installed: run deploy/local/install-test-servers.sh")


class OrthancServer:
    """Orthanc in `folder`. Ports stay the same over `stop`, `kill`, `wipe` and `start`.

    With `hook_url` the hook plugin posts there as server `slug`, signed with `secret`. `options`
    are further keys of Orthanc's configuration.
    """

    user = "portal"
    password = "only-for-tests"
    aet = "LIGHTBOX"

    def __init__(
        self,
        folder: Path,
        *,
        hook_url: str | None = None,
        slug: str = "test",
        secret: str = "only-for-tests",
        window_ms: int = 250,
        options: dict[str, Any] | None = None,
    ) -> None:
        self.folder = folder
        self.hook_url = hook_url
        self.slug = slug
        self.secret = secret
        self.window_ms = window_ms
        self.options = options or {}
        self.http_port = free_port()
        self.dicom_port = free_port()
        folder.mkdir(parents=True, exist_ok=True)
        self.child = ChildServer(folder / "orthanc.log")

    def __enter__(self) -> OrthancServer:
        self.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def database(self) -> Path:
        return self.folder / "db"

    def configuration(self) -> dict[str, Any]:
        plugins = [plugin("libOrthancDicomWeb.so")]
        hook: dict[str, Any] = {}
        if self.hook_url:
            plugins.append(plugin("libOrthancPython.so"))
            hook = {
                "PythonScript": str(HOOK_SCRIPT),
                "Lightbox": {
                    "Url": self.hook_url,
                    "Server": self.slug,
                    "Secret": self.secret,
                    "WindowMs": self.window_ms,
                },
            }
        return {
            "Name": self.slug,
            "StorageDirectory": str(self.database),
            "IndexDirectory": str(self.database),
            "HttpPort": self.http_port,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": True,
            "RegisteredUsers": {self.user: self.password},
            "KeepAlive": True,
            "TcpNoDelay": True,
            "DicomAet": self.aet,
            "DicomPort": self.dicom_port,
            "DicomCheckCalledAet": False,
            "DicomAlwaysAllowStore": True,
            "UnknownSopClassAccepted": True,
            "OverwriteInstances": False,
            "StableAge": 1,
            "SaveJobs": False,
            "Plugins": plugins,
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
            **hook,
            **self.options,
        }

    def start(self) -> None:
        """Start and wait until REST answers."""
        self.database.mkdir(exist_ok=True)
        path = self.folder / "orthanc.json"
        path.write_text(json.dumps(self.configuration(), indent=1))
        binary = require("Orthanc", "/usr/sbin", "/usr/local/sbin")
        self.child.launch([binary, path], env={**os.environ, **SEND_ENVIRONMENT})
        wait_until(self._answers, 30, "Orthanc starts")

    def _answers(self) -> bool:
        if not self.child.running:
            raise AssertionError(f"Orthanc ended:\n{self.child.tail()}")
        try:
            return self.rest("GET", "/system", timeout=2)[0] == 200
        except OSError:
            return False

    def stop(self) -> None:
        self.child.end(signal.SIGTERM)

    def kill(self) -> None:
        """As a power failure would."""
        self.child.end(signal.SIGKILL)

    def restart(self) -> None:
        self.stop()
        self.start()

    def wipe(self) -> None:
        """Lose index and images; a stopped Orthanc starts again empty, its `/changes` from 1."""
        running = self.child.running
        self.stop()
        shutil.rmtree(self.database, ignore_errors=True)
        if running:
            self.start()

    def rest(
        self, method: str, path: str, body: Any = None, *, timeout: float = 30
    ) -> tuple[int, bytes]:
        """Status and body of a REST call; a body that is not bytes is sent as JSON."""
        payload = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        credentials = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=timeout)
        try:
            connection.request(method, path, payload, {"Authorization": f"Basic {credentials}"})
            response = connection.getresponse()
            return response.status, response.read()
        except http.client.HTTPException as error:
            raise ConnectionError(str(error)) from error
        finally:
            connection.close()

    def json(self, path: str) -> Any:
        """The JSON that `GET path` answers."""
        status, body = self.rest("GET", path)
        assert status == 200, f"GET {path}: {status}"
        return json.loads(body)

    def count_instances(self) -> int:
        return int(self.json("/statistics")["CountInstances"])

    def instance_files(self) -> dict[str, bytes]:
        """SOPInstanceUID -> the file as Orthanc holds it, of every instance."""
        files = {}
        for identifier in self.json("/instances"):
            uid = self.json(f"/instances/{identifier}")["MainDicomTags"]["SOPInstanceUID"]
            files[uid] = self.rest("GET", f"/instances/{identifier}/file")[1]
        return files

    def storescu(self, paths: Path | Iterable[Path], *, timeout: float = 300) -> None:
        """Send files by C-STORE over one association, each in its own transfer syntax."""
        store(paths, self.dicom_port, called_aet=self.aet, timeout=timeout)

    def start_storescu(self, paths: Path | Iterable[Path]) -> subprocess.Popen[bytes]:
        """The same in the background; the caller waits for or kills it."""
        return subprocess.Popen(
            send_command(paths, self.dicom_port, self.aet),
            env={**os.environ, **SEND_ENVIRONMENT},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


def send_command(paths: Path | Iterable[Path], port: int, called_aet: str) -> list[str]:
    """dcmtk's `dcmsend`: proposes for every file the syntax it is in, never converts."""
    files = [paths] if isinstance(paths, Path) else list(paths)
    options = ["--decompress-never", "--no-uid-checks", "--no-halt"]
    if any(path.is_dir() for path in files):
        options += ["--scan-directories", "--recurse"]
    program = require("dcmsend")
    return [program, *options, "-aet", "TESTSCU", "-aec", called_aet, "127.0.0.1", str(port)] + [
        str(path) for path in files
    ]


def store(
    paths: Path | Iterable[Path], port: int, *, called_aet: str = "LIGHTBOX", timeout: float = 300
) -> None:
    """Send files by C-STORE; AssertionError when one is not accepted."""
    done = subprocess.run(
        send_command(paths, port, called_aet),
        env={**os.environ, **SEND_ENVIRONMENT},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, f"dcmsend: {done.returncode}\n{done.stdout}{done.stderr}"
