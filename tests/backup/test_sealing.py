"""Sealing: whatever is changed, cut, moved or renamed does not open."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacs import sealing
from pacs.sealing import CHUNK, HEADER_BYTES, TAG_BYTES, Key, SealError, UnknownKey

KEY, OTHER = Key(b"k" * 32), Key(b"o" * 32)


def sealed(data: bytes, name: str = "a/b") -> bytes:
    return b"".join(sealing.seal([data], KEY, name))


def opened(data: bytes, name: str = "a/b", keys: tuple[Key, ...] = (OTHER, KEY)) -> bytes:
    return b"".join(sealing.unseal([data], keys, name))


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 5])
def test_comes_back_and_has_the_size_foretold(size: int) -> None:
    data = bytes(size)
    there = sealed(data)
    assert len(there) == sealing.sealed_size(size)
    assert opened(there) == data


@given(st.lists(st.binary(max_size=300)))
def test_pieces_do_not_matter(pieces: list[bytes]) -> None:
    there = b"".join(sealing.seal(pieces, KEY, "x"))
    again = [there[at : at + 7] for at in range(0, len(there), 7)]
    assert b"".join(sealing.unseal(again, [KEY], "x")) == b"".join(pieces)


@given(st.data())
def test_a_changed_byte_is_noticed(data: st.DataObject) -> None:
    there = bytearray(sealed(b"patient data" * 20))
    at = data.draw(st.integers(0, len(there) - 1))
    there[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(SealError):
        opened(bytes(there))


@pytest.mark.parametrize(
    "cut",
    [HEADER_BYTES + CHUNK + TAG_BYTES, HEADER_BYTES + 2 * (CHUNK + TAG_BYTES), -1, HEADER_BYTES],
)
def test_a_cut_is_noticed_even_between_chunks(cut: int) -> None:
    there = sealed(bytes(3 * CHUNK - 10))
    with pytest.raises(SealError):
        opened(there[:cut])


def test_chunks_cannot_change_places() -> None:
    there = sealed(b"a" * CHUNK + b"b" * CHUNK + b"c")
    first, second = HEADER_BYTES, HEADER_BYTES + CHUNK + TAG_BYTES
    third = second + CHUNK + TAG_BYTES
    swapped = there[:first] + there[second:third] + there[first:second] + there[third:]
    with pytest.raises(SealError):
        opened(swapped)


def test_another_name_does_not_open() -> None:
    with pytest.raises(SealError):
        opened(sealed(b"x", "site1/a"), "site2/a")


def test_a_key_that_is_not_here_is_named() -> None:
    with pytest.raises(UnknownKey) as error:
        opened(sealed(b"x"), keys=(OTHER,))
    assert error.value.key_id == KEY.id


def test_the_same_twice_is_never_the_same() -> None:
    assert sealed(b"x") != sealed(b"x")
    assert KEY.id != OTHER.id
    assert "6b" * 8 not in repr(KEY)
