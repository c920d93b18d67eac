"""A log line tells where it went wrong, and nothing of what was being worked on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import logging
import django
django.setup()

class IntegrityError(Exception):
    pass

def work(token):
    try:
        raise IntegrityError("null value\\nDETAIL:  Failing row contains (DOE^Jane,\\n\\n 1980).")
    except IntegrityError as error:
        raise RuntimeError("not stored") from error

try:
    work("Bearer s" + "ecret")
except RuntimeError as error:
    logging.getLogger("somewhere").exception("Task raised: %r", error.__cause__)
"""


@pytest.mark.parametrize("as_json", ["0", "1"])
def test_a_traceback_tells_no_values(tmp_path: Path, as_json: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "pacs.settings.development",
            "PACS_DATA_DIR": str(tmp_path),
            "PACS_LOG_JSON": as_json,
        },
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    text = done.stderr
    assert "RuntimeError: not stored" in text
    assert "IntegrityError: null value" in text
    assert "in work" in text
    assert "DOE" not in text
    assert "1980" not in text
    assert "Bearer secret" not in text
    if as_json == "1":
        assert json.loads(text)["exception"].endswith("RuntimeError: not stored")
