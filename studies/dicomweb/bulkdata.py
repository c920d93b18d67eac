"""Bulk data: the URLs that metadata carries, and the values behind them (PS3.18 10.4.1.1.5)."""

from __future__ import annotations

import mmap
import re
from json import JSONDecoder

from studies import archive
from studies.dicom import header
from studies.dicom.errors import GateError
from studies.dicomweb.errors import NotFoundError

PIXEL_DATA = "7FE00010"
PATH = r"[0-9A-F]{8}(?:/[1-9][0-9]{0,8}/[0-9A-F]{8}){0,16}"
RELATIVE = re.compile(r'"BulkDataURI":\s*"bulkdata/')
_decode = JSONDecoder().raw_decode


def with_urls(array: str, series_url: str) -> list[str]:
    """The objects of a metadata array as text, their bulk data under the instance's own URL.

    A quotation mark inside a value is escaped in JSON, so the pattern meets keys only.
    """
    objects = []
    position = array.find("{")
    while position >= 0:
        instance, end = _decode(array, position)
        uid = instance["00080018"]["Value"][0]
        url = f'"BulkDataURI":"{series_url}/instances/{uid}/bulkdata/'
        objects.append(RELATIVE.sub(lambda _, url=url: url, array[position:end]))  # type: ignore[misc]
        position = array.find("{", end)
    return objects


def value_at(archive_key: str, path: str) -> bytes:
    """The bytes of an element such as `00281201` or `00540016/1/00181234`. NotFoundError."""
    tag, *rest = path.split("/")
    try:
        with (
            archive.local_path(archive_key).open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
        ):
            dataset = header.read(data)
            for number, inner in zip(rest[::2], rest[1::2], strict=True):
                dataset = dataset[int(tag, 16)].value[int(number) - 1]
                tag = inner
            value = dataset[int(tag, 16)].value
    except (KeyError, IndexError, TypeError, ValueError, GateError):
        raise NotFoundError from None
    if not isinstance(value, bytes | bytearray):
        raise NotFoundError
    return bytes(value)
