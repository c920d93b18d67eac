"""The agent runs where there is no Django, and needs only its own requirements."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
SITE = CHECKOUT / "agents" / "site"
BLOCKED = """
import pkgutil, sys
banned = {"django", "channels", "rest_framework", "structlog", "studies", "pacs"}
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in banned:
            raise ImportError(f"{name} is not to be imported")
sys.meta_path.insert(0, Block())
import agents.site
names = [each.name for each in pkgutil.walk_packages(agents.site.__path__, "agents.site.")]
for name in names:
    if not name.endswith("__main__"):
        __import__(name)
import agents.site.__main__
print(len(names))
"""


def test_every_module_without_django() -> None:
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED], cwd=CHECKOUT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == len(list(SITE.rglob("*.py"))) - 1
