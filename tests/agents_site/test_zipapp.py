"""`make agent`: one file that runs where nothing is installed but Python."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from agents.site import VERSION, config
from tests.agents_site.running import CHECKOUT, RunningAgent
from tests.agents_site.scripted import ScriptedPortal


@pytest.fixture(scope="module")
def zipapp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("dist") / "lightbox-agent.pyz"
    subprocess.run(
        [CHECKOUT / "deploy" / "agent" / "build.sh", sys.executable, path], check=True, timeout=300
    )
    return path


class ZipApp(RunningAgent):
    """The file, run by the interpreter that the virtual environment was made from."""

    path = Path()

    def command(self, *more: str) -> list[str]:
        python = Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}"
        config = ["--config", str(self.config), "--insecure-localhost"]
        return [str(python), "-I", str(self.path), *config, *more]

    def start(self) -> None:
        env = {"PATH": os.defpath, "SHIV_ROOT": str(self.folder / "unpacked")}
        self.child.launch(self.command(), env=env, cwd=self.folder)


def test_runs_by_itself(zipapp: Path, tmp_path: Path) -> None:
    with ScriptedPortal() as portal:
        agent = ZipApp(tmp_path / "agent", portal.url)
        agent.path = zipapp
        with agent:
            portal.wait_registered()
            assert portal.result(portal.command("ping")).outcome == "done"
            env = {"PATH": os.defpath, "SHIV_ROOT": str(agent.folder / "unpacked")}
            tested = subprocess.run(
                agent.command("--self-test"), env=env, capture_output=True, text=True, timeout=60
            )
            assert tested.stdout.splitlines() == [VERSION], tested.stderr
    unpacked = {path.name for path in (tmp_path / "agent" / "unpacked").glob("*/site-packages/*")}
    assert "aiohttp" in unpacked
    assert not {"django", "pydicom", "numpy"} & unpacked


def test_the_sample_configuration_is_a_good_one(tmp_path: Path) -> None:
    """Every option in deploy/agent/agent.toml exists, those behind a # too."""
    text = (CHECKOUT / "deploy" / "agent" / "agent.toml").read_text()
    for name in ("key", "upload-token", "orthanc-password"):
        secret = tmp_path / name
        secret.write_text("x")
        secret.chmod(0o600)
        text = text.replace(f"/etc/lightbox-agent/{name}", str(secret))
    config.parse(text)
    every = "\n".join(
        line.removeprefix("# ")
        for line in text.splitlines()
        if " = " in line or line.lstrip("# ").startswith("[")
    )
    pins = '"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="'
    every = every.replace('"...="', pins).replace('"..."', pins).replace('after = "leave"\n', "")
    read = config.parse(every)
    assert read.relay[0].name == "orthanc"
    assert read.folders[0].after == "move"
