"""What the environment variables say about a run, and what its processes get to see."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pacs.settings.local_secrets import read_or_create

CHECKOUT = Path(__file__).resolve().parents[2]
MARKER = "LIGHTBOX_SUPERVISED"
TRUE = {"1", "true", "yes", "on"}
FALSE = {"0", "false", "no", "off", ""}


class SetupError(Exception):
    """Something that the person at the keyboard must change; the text says what."""


def _port(environ: Mapping[str, str], name: str, default: int) -> int:
    value = environ.get(name, "").strip() or str(default)
    if not (value.isascii() and value.isdigit() and 0 < int(value) < 65536):
        raise SetupError(f"{name} must be a port number from 1 to 65535, not {value!r}.")
    return int(value)


def _flag(environ: Mapping[str, str], name: str, default: bool) -> bool:
    value = environ.get(name, "1" if default else "0").strip().lower()
    if value not in TRUE | FALSE:
        raise SetupError(f"{name} must be 1 or 0, not {value!r}.")
    return value in TRUE


@dataclass(frozen=True)
class Environment:
    """The settings of one run."""

    data_dir: Path
    port: int
    orthanc_http_port: int
    orthanc_dicom_port: int
    demo: bool
    variables: Mapping[str, str]

    @classmethod
    def read(cls, environ: Mapping[str, str], *, demo: bool = True) -> Environment:
        """Read the variables; raises SetupError. `demo=False` overrides PACS_DEMO."""
        data_dir = Path(environ.get("PACS_DATA_DIR") or CHECKOUT / "var")
        return cls(
            data_dir=data_dir.expanduser().resolve(),
            port=_port(environ, "PACS_PORT", 8000),
            orthanc_http_port=_port(environ, "ORTHANC_HTTP_PORT", 8042),
            orthanc_dicom_port=_port(environ, "ORTHANC_DICOM_PORT", 4242),
            demo=demo and _flag(environ, "PACS_DEMO", True),
            variables=dict(environ),
        )

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    @property
    def run_dir(self) -> Path:
        return self.data_dir / "run"

    def make_folders(self) -> None:
        """Create the data directory and what the supervisor keeps in it; raises SetupError."""
        try:
            for folder in (self.data_dir, self.run_dir, self.data_dir / "tmp"):
                folder.mkdir(parents=True, exist_ok=True)
            self.data_dir.chmod(0o700)
        except OSError as error:
            raise SetupError(
                f"The data directory {self.data_dir} cannot be used ({error.strerror}). "
                "Set PACS_DATA_DIR to a folder that you may write to."
            ) from error

    def demo_password(self) -> str:
        """PACS_DEMO_PASSWORD, else a random one that is made once and kept."""
        given = self.variables.get("PACS_DEMO_PASSWORD", "")
        return given or read_or_create(self.data_dir / "secrets" / "demo_password", 9)

    def for_processes(self) -> dict[str, str]:
        """The environment of every process of this run."""
        variables = dict(self.variables)
        variables.setdefault("DJANGO_SETTINGS_MODULE", "pacs.settings.development")
        variables |= {
            "PACS_DATA_DIR": str(self.data_dir),
            "PACS_PORT": str(self.port),
            "ORTHANC_HTTP_PORT": str(self.orthanc_http_port),
            "ORTHANC_DICOM_PORT": str(self.orthanc_dicom_port),
            "PACS_DEMO": "1" if self.demo else "0",
            # The same file system as the archive and the broker, where renames are atomic.
            "TMPDIR": str(self.data_dir / "tmp"),
            "PYTHONUNBUFFERED": "1",
            MARKER: str(self.data_dir),
        }
        if self.demo:
            variables["PACS_DEMO_PASSWORD"] = self.demo_password()
        return variables

    def check_ports(self, *, with_orthanc: bool) -> None:
        """Raise SetupError for the first port that something else listens on."""
        wanted = [("127.0.0.1", self.port, "PACS_PORT", "the portal")]
        if with_orthanc:
            wanted += [
                ("", self.orthanc_http_port, "ORTHANC_HTTP_PORT", "Orthanc's REST interface"),
                ("", self.orthanc_dicom_port, "ORTHANC_DICOM_PORT", "Orthanc's DICOM service"),
            ]
        if len({port for _, port, _, _ in wanted}) < len(wanted):
            raise SetupError(
                "PACS_PORT, ORTHANC_HTTP_PORT and ORTHANC_DICOM_PORT must be different ports."
            )
        for host, port, variable, purpose in wanted:
            if problem := _bind_problem(host, port):
                raise SetupError(
                    f"Port {port}, wanted for {purpose}, {problem}. Stop what uses it, or choose "
                    f"another port: {variable}=<port> make run"
                )


def _bind_problem(host: str, port: int) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return "is already in use"
            return f"cannot be used ({os.strerror(error.errno or 0)})"
    return ""
