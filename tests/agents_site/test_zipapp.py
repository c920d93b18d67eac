"""`make agent`: one file that runs where nothing is installed but Python."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from agents.site import VERSION, config
from studies.demo import synth
from tests.agents_site.disc_portal import DiscPortal
from tests.agents_site.running import CHECKOUT, RunningAgent


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
    drive = f'[[drives]]\nname = "a"\ndevice = "stdio:{tmp_path}/disc.img"\n'
    with DiscPortal() as portal:
        agent = ZipApp(tmp_path / "agent", portal.url, sections=drive)
        agent.path = zipapp
        files = synth.ct_series(tmp_path / "ct", slices=1, size=32, seed=5)
        portal.images = [Path(file).read_bytes() for file in files]
        with agent:
            portal.wait_registered()
            assert portal.result(portal.command("ping")).outcome == "done"
            # A disc's directory is made by a process of its own, out of the same file.
            assert portal.result(portal.burn(), 60).outcome == "done"
            env = {"PATH": os.defpath, "SHIV_ROOT": str(agent.folder / "unpacked")}
            tested = subprocess.run(
                agent.command("--self-test"), env=env, capture_output=True, text=True, timeout=60
            )
            assert tested.stdout.splitlines() == [VERSION], tested.stderr
    unpacked = {path.name for path in (tmp_path / "agent" / "unpacked").glob("*/site-packages/*")}
    assert {"aiohttp", "pydicom", "serial"} <= unpacked
    assert not {"django", "numpy"} & unpacked


def test_the_sample_configuration_is_a_good_one(tmp_path: Path) -> None:
    """Every option in deploy/agent/agent.toml exists, those behind a # too."""
    text = (CHECKOUT / "deploy" / "agent" / "agent.toml").read_text()
    for name in ("key", "upload-token", "orthanc-password", "ris-password"):
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
    every = every.replace('"<64 digits>"', f'"{"0" * 64}"').replace('device = "/dev/sr0"\n', "")
    read = config.parse(every)
    assert read.relay[0].name == "orthanc"
    assert read.folders[0].after == "move"
    assert read.drives[0].folder == Path("/srv/discs")
    assert read.scanners[0].name == "reception"
