"""How the browser's files are kept."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from pacs.storage import StaticStorage


def test_gzip_alone_even_where_brotli_is_installed(tmp_path: Path) -> None:
    assert importlib.util.find_spec("brotli")
    file = tmp_path / "page.js"
    file.write_text("export const answer = 42;\n" * 200)
    StaticStorage(location=tmp_path).create_compressor(quiet=True).compress(str(file))
    assert {path.name for path in tmp_path.iterdir()} == {"page.js", "page.js.gz"}
