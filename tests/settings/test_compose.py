"""deploy/compose.yaml, as far as it can be checked where no container runs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

CHECKOUT = Path(__file__).parents[2]
FILE = CHECKOUT / "deploy" / "compose.yaml"


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load(FILE.read_text())
    return read


def test_what_is_named_is_there(compose: dict[str, Any]) -> None:
    services = compose["services"]
    for name, service in services.items():
        assert {"image"} <= set(service), name
        for other in service.get("depends_on", ()):
            assert other in services
        for secret in service.get("secrets", ()):
            assert secret in compose["secrets"]
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            known = source in compose["volumes"] or source == "./tls"
            assert known or (FILE.parent / source).exists(), volume
    build = services["web"]["build"]
    assert (FILE.parent / build["context"] / build["dockerfile"]).is_file()
    for line in (CHECKOUT / "deploy" / "Dockerfile").read_text().splitlines():
        if line.startswith("COPY ") and "--from" not in line:
            *sources, _ = line.split()[1:]
            assert all((CHECKOUT / source).exists() for source in sources), line


def test_only_the_proxy_and_nothing_secret_is_open(compose: dict[str, Any]) -> None:
    assert [name for name, one in compose["services"].items() if "ports" in one] == ["nginx"]
    for name, service in compose["services"].items():
        for variable, value in (service.get("environment") or {}).items():
            secret = re.search("PASSWORD|SECRET|KEY|DATABASE_URL", variable)
            assert not secret or value.startswith("/run/secrets/"), (name, variable)


def test_variables_are_settings_of_the_portal(compose: dict[str, Any]) -> None:
    readme = (CHECKOUT / "README.md").read_text()
    for variable in compose["services"]["web"]["environment"]:
        assert f"`{variable.removesuffix('_FILE')}`" in readme, variable


def test_the_programs_run_as_they_are_called(compose: dict[str, Any]) -> None:
    """The systemd units and the containers start the same programs."""
    units = "\n".join(each.read_text() for each in (FILE.parent / "systemd").iterdir())
    for name in ("follow", "worker"):
        words = compose["services"][name]["command"]
        queues = words[words.index("-Q") + 1]
        assert f"-Q {queues} " in units
    shown = subprocess.run(
        [sys.executable, "-m", "pacs.dataplane", "--help"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for word in compose["services"]["dataplane"]["command"]:
        assert not word.startswith("--") or word in shown


def test_nginx_is_the_configuration_of_the_project(compose: dict[str, Any], tmp_path: Path) -> None:
    """The container's sed, run here, leaves nothing of the example."""
    script = compose["services"]["nginx"]["command"][2].replace("$$", "$")
    script = script.replace("/lightbox.conf", str(FILE.parent / "nginx" / "lightbox.conf"))
    script = script.replace("/etc/nginx/conf.d/default.conf", str(tmp_path / "out.conf"))
    script = script.replace('exec nginx -g "daemon off;"', "true")
    subprocess.run(["sh", "-c", script], env={"PORTAL_HOST": "pacs.hospital.test"}, check=True)
    made = (tmp_path / "out.conf").read_text()
    assert "pacs.example.org" not in made.replace("# ", "")
    assert made.count("pacs.hospital.test") == 3
    assert "server web:8000;" in made
    assert "server dataplane:8001;" in made
    assert "ssl_certificate /tls/portal.crt;" in made
    assert "ssl_certificate_key /tls/portal.key;" in made
