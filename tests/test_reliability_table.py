"""Every test that docs/reliability.md names is there, in the file that it names."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parent
TABLE = TESTS.parent / "docs" / "reliability.md"


def test_named_tests_exist() -> None:
    text = TABLE.read_text(encoding="utf-8").partition("## What survives")[0]
    rows = [line for line in text.splitlines() if line.startswith("| ") and "`test_" in line]
    assert len(rows) > 15
    for row in rows:
        named = re.findall(r"`((?:tests/\w+/)?test_\w+\.py)`", row)
        files = [TESTS.parent / one if "/" in one else TESTS / "integration" / one for one in named]
        for file in files:
            assert file.is_file(), file
        for name in re.findall(r"`(test_\w+)`", row):
            places = [*files, *(TESTS / "integration").glob("test_hostile_*.py")]
            assert any(f"def {name}(" in file.read_text() for file in places), name
