"""nginx with a configuration of the test's."""

from __future__ import annotations

from pathlib import Path

from tests.servers.child import require


def nginx_command(folder: Path, http: str) -> list[str | Path]:
    """How to start it in the foreground with this http block; its files are in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "nginx.conf"
    path.write_text(
        f"daemon off;\npid {folder}/pid;\nuser root;\nworker_processes 1;\n"
        f"error_log {folder}/error.log crit;\nevents {{}}\nhttp {{\n{http}\n}}\n"
    )
    return [require("nginx", "/usr/sbin"), "-p", folder, "-c", path]
