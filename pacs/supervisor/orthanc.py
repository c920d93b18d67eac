"""The local Orthanc of the embedded shape: is it there, and the configuration it runs with."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from string import Template

from pacs.settings.local_secrets import read_or_create
from pacs.supervisor.environment import CHECKOUT, Environment

SLUG = "local"
USER = "portal"
DEPLOY = CHECKOUT / "deploy" / "orthanc"
PLUGIN_FOLDERS = ("/usr/share/orthanc/plugins", "/usr/local/share/orthanc/plugins")
PLUGINS = {
    "libOrthancDicomWeb.so": "the DICOMweb plugin (Debian: orthanc-dicomweb)",
    "libOrthancPython.so": "the Python plugin (Debian: orthanc-python), which tells the portal at"
    " once of new images; without it the portal looks every few seconds",
}
HOW_TO_INSTALL = (
    "On Debian or Ubuntu: apt-get install --no-install-recommends"
    " orthanc orthanc-dicomweb orthanc-python dcmtk. Elsewhere: see docs/orthanc.md."
)


@dataclass(frozen=True)
class Installation:
    """Orthanc as found on this machine; `binary` is empty where there is none."""

    binary: str
    plugins: tuple[Path, ...]
    missing: tuple[str, ...]


def find() -> Installation:
    """Look for Orthanc, its two plugins and dcmtk."""
    search = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))
    binary = shutil.which("Orthanc", path=search) or ""
    missing = [] if binary else ["Orthanc, the server that receives images from modalities"]
    plugins = []
    for name, description in PLUGINS.items():
        paths = (Path(folder) / name for folder in PLUGIN_FOLDERS)
        if found := next((path for path in paths if path.is_file()), None):
            plugins.append(found)
        elif binary:
            missing.append(description)
    if not shutil.which("dcmsend"):
        missing.append("dcmtk, whose dcmsend sends the demo images to Orthanc")
    return Installation(binary, tuple(plugins), tuple(missing))


@dataclass(frozen=True)
class LocalOrthanc:
    """Files and addresses of the Orthanc that belongs to a data directory."""

    environment: Environment

    @property
    def folder(self) -> Path:
        return self.environment.data_dir / "orthanc"

    @property
    def configuration(self) -> Path:
        return self.folder / "orthanc.json"

    @property
    def password_file(self) -> Path:
        return self.folder / "password"

    @property
    def secret_file(self) -> Path:
        return self.folder / "hook_secret"

    def variables(self) -> dict[str, str]:
        """Where the portal finds this Orthanc, for `manage.py setup_local`."""
        return {
            "LIGHTBOX_LOCAL_ORTHANC_URL": f"http://127.0.0.1:{self.environment.orthanc_http_port}",
            "LIGHTBOX_LOCAL_ORTHANC_USER": USER,
            "LIGHTBOX_LOCAL_ORTHANC_PASSWORD_FILE": str(self.password_file),
            "LIGHTBOX_LOCAL_ORTHANC_SECRET_FILE": str(self.secret_file),
            "LIGHTBOX_LOCAL_ORTHANC_SLUG": SLUG,
        }

    def write_configuration(self, installation: Installation) -> Path:
        """Fill the template; secrets are made once, the file is readable by its owner alone."""
        storage = self.folder / "db"
        storage.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        read_or_create(self.secret_file)
        texts = {
            "ORTHANC_NAME": "Lightbox local",
            "ORTHANC_STORAGE": str(storage),
            "ORTHANC_USER": USER,
            "ORTHANC_PASSWORD": read_or_create(self.password_file, 24),
            "ORTHANC_AET": self.environment.variables.get("ORTHANC_AET") or "LIGHTBOX",
            "LIGHTBOX_HOOK_SCRIPT": str(DEPLOY / "lightbox_hook.py"),
            "LIGHTBOX_HOOK_URL": f"{self.environment.address}api/orthanc/webhook/",
            "LIGHTBOX_HOOK_SERVER": SLUG,
            "LIGHTBOX_HOOK_SECRET_FILE": str(self.secret_file),
        }
        values = {name: json.dumps(text)[1:-1] for name, text in texts.items()} | {
            "ORTHANC_HTTP_PORT": str(self.environment.orthanc_http_port),
            "ORTHANC_DICOM_PORT": str(self.environment.orthanc_dicom_port),
            "ORTHANC_STABLE_AGE": self.environment.variables.get("ORTHANC_STABLE_AGE") or "60",
            "ORTHANC_PLUGINS": ", ".join(json.dumps(str(path)) for path in installation.plugins),
        }
        template = (DEPLOY / "orthanc.json.template").read_text(encoding="utf-8")
        # The comments speak of ${NAME}; only what has a value here is replaced.
        filled = Template(template).safe_substitute(values)
        draft = self.configuration.with_suffix(".draft")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
            handle.write(filled)
        draft.replace(self.configuration)
        return self.configuration
