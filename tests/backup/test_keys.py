"""The key on paper: typed back it seals, mistyped it says so."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from hypothesis import given
from hypothesis import strategies as st

from pacs.audit.models import AuditEvent
from pacs.sealing import Key
from studies.backup import keys
from studies.backup.errors import NotEscrowed


@pytest.fixture(autouse=True)
def _place(settings: Any, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path


@given(st.binary(min_size=32, max_size=32))
def test_a_sheet_is_read_back(secret: bytes) -> None:
    sheet = keys.sheet(Key(secret))
    assert keys.read_sheet(sheet.lower().replace(" ", "")).secret == secret


@given(st.binary(min_size=32, max_size=32), st.integers(0, 59), st.sampled_from("ABCDEF234567"))
def test_a_slip_of_the_pen_is_noticed(secret: bytes, at: int, letter: str) -> None:
    letters = list(keys.sheet(Key(secret)).replace(" ", ""))
    changed = letters[at] != letter
    letters[at] = letter
    if not changed:
        return
    try:
        read = keys.read_sheet("".join(letters))
    except ValueError:
        return
    # The last letter of Base32 has bits that mean nothing.
    assert read.secret == secret


def test_sealing_waits_for_the_confirmation(db: None, monkeypatch: Any, capsys: Any) -> None:
    with pytest.raises(NotEscrowed):
        keys.sealing_key()
    shown = keys.create()
    with pytest.raises(NotEscrowed):
        keys.sealing_key()
    monkeypatch.setattr("builtins.input", lambda _: keys.sheet(Key.new()))
    with pytest.raises(CommandError, match="another key"):
        call_command("escrow_key")
    monkeypatch.setattr("builtins.input", lambda _: keys.sheet(shown)[:-1] + "!")
    with pytest.raises(CommandError, match="mistyped"):
        call_command("escrow_key")
    with pytest.raises(NotEscrowed):
        keys.sealing_key()
    monkeypatch.setattr("builtins.input", lambda _: keys.sheet(shown))
    call_command("escrow_key")
    assert keys.sealing_key().id == shown.id
    assert stat.S_IMODE(keys.key_file().stat().st_mode) == 0o600
    assert AuditEvent.objects.filter(action="backup.key_escrowed").count() == 1
    assert keys.sheet(shown) in capsys.readouterr().out


def test_a_new_key_seals_and_the_old_one_still_opens(db: None, monkeypatch: Any) -> None:
    old = keys.create()
    keys.confirm(old, "x")
    new = keys.create()
    held = keys.keys()
    assert [each.id for each in held] == [new.id, old.id]
    with pytest.raises(NotEscrowed):
        keys.sealing_key()
    keys.confirm(new, "x")
    assert keys.sealing_key().id == new.id
