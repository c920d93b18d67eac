"""Where the tests find Node."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.clients import node


def executable(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return str(path)


def test_pypis_comes_first_and_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own, system = tmp_path / "venv" / "bin", tmp_path / "usr" / "bin"
    monkeypatch.setattr(sys, "executable", executable(own / "python"))
    monkeypatch.setenv("PATH", str(system))
    with pytest.raises(AssertionError, match="npm is not installed"):
        node.program("npm")
    theirs = executable(system / "node")
    assert node.program("node") == theirs
    ours = executable(own / "node")
    assert node.program("node") == ours
    monkeypatch.setenv("PATH", "")
    assert node.program("node") == ours
