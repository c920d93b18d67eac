"""Frames in another transfer syntax (PS3.5 8.2). Runs in the child process only.

What is called lossless here has been decoded again and compared before it is given out.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import imagecodecs
import numpy as np
from pydicom import Dataset, dcmread
from pydicom.encaps import encapsulate
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.encoders.base import get_encoder
from pydicom.pixels.processing import convert_color_space
from pydicom.uid import JPEGLSLossless

from studies.dicom.pixels import decode
from studies.dicom.pixels.decode import CannotDecode, Pixels
from studies.dicom.syntaxes import (
    DEFLATED_FRAMES,
    HTJ2K_LOSSLESS,
    HTJ2K_RPCL,
    JPEG_BASELINE,
    JPEG_EXTENDED,
    JPEG_LS,
    NATIVE,
    is_encapsulated,
)

JPEG_QUALITY: Final = 90
MAX_HELD: Final = 256 << 20
LUMINANCES = frozenset({"YBR_FULL", "YBR_FULL_422"})

Spans = list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame's samples, and what they mean now that they are decoded."""

    pixels: Pixels
    photometric_interpretation: str
    bits_allocated: int
    bits_stored: int

    @property
    def is_whole(self) -> bool:
        """Whether the samples are integers of 8 or 16 bits, one or three a pixel."""
        return (
            self.bits_allocated in (8, 16)
            and self.pixels.dtype.kind in "iu"
            and self.pixels.dtype.itemsize * 8 == self.bits_allocated
            and (self.pixels.ndim == 2 or self.pixels.shape[2] == 3)
        )


def frame(path: Path, number: int, spans: Spans | None, syntax: str) -> bytes:
    """Frame `number` (from 1) of a file in the transfer syntax `syntax`.

    `spans`: where its bytes lie in the file, where that is known. Raises CannotDecode.
    """
    return encoded(decoded(path, number, spans), syntax)


def decoded(path: Path, number: int, spans: Spans | None) -> Frame:
    """A frame's samples, colour as the file has it. Reads no more of the file than it needs."""
    if spans is None:
        dataset, place = _whole(path), number
    else:
        dataset, place = _alone(_head(path), path, spans), 1
    syntax = str(dataset.file_meta.TransferSyntaxUID)
    interpretation = str(dataset.PhotometricInterpretation)
    if syntax in JPEG_EXTENDED or syntax == DEFLATED_FRAMES:
        pixels = decode.stored(dataset, place)
        if pixels.ndim == 3 and syntax in JPEG_EXTENDED:
            interpretation = "RGB"
    else:
        try:
            pixels, meta = get_decoder(syntax).as_array(dataset, index=place - 1, raw=True)
        except Exception as error:
            raise CannotDecode("the compressed image data cannot be decoded") from error
        interpretation = str(meta["photometric_interpretation"])
    if interpretation == "YBR_FULL_422":  # decoders give every pixel its colours
        interpretation = "YBR_FULL"
    allocated = int(dataset.BitsAllocated)
    pixels = decode.little(pixels, allocated)
    return Frame(pixels, interpretation, allocated, int(dataset.get("BitsStored") or allocated))


def _head(path: Path) -> Dataset:
    return _read_head(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=1)
def _read_head(path: Path, changed: int) -> Dataset:
    dataset = dcmread(path, stop_before_pixels=True)
    decode.check_size(dataset)
    return dataset


def _whole(path: Path) -> Dataset:
    stat = path.stat()
    if stat.st_size > MAX_HELD:
        return decode.open_image(path)
    return _read_whole(path, stat.st_mtime_ns)


@lru_cache(maxsize=1)
def _read_whole(path: Path, changed: int) -> Dataset:
    return decode.open_image(path)


def forget() -> None:
    """Let go of the files that are held."""
    _read_head.cache_clear()
    _read_whole.cache_clear()


def _alone(head: Dataset, path: Path, spans: Spans) -> Dataset:
    """A data set with this frame only."""
    one = Dataset()
    one.file_meta = head.file_meta
    for keyword in decode.IMAGE_PIXEL:
        if keyword in head:
            setattr(one, keyword, head[keyword].value)
    with path.open("rb") as file:
        pieces = []
        for offset, length in spans:
            file.seek(offset)
            pieces.append(file.read(length))
    data = b"".join(pieces)
    one.NumberOfFrames = 1
    one.set_original_encoding(False, True, head.original_character_set)
    if is_encapsulated(str(head.file_meta.TransferSyntaxUID)):
        one.PixelData = encapsulate([data], has_bot=False)
        one["PixelData"].VR = "OB"
        one["PixelData"].is_undefined_length = True
    else:
        one.PixelData = data
        one["PixelData"].VR = "OW" if one.BitsAllocated > 8 else "OB"
    return one


def encoded(one: Frame, syntax: str) -> bytes:
    """The frame in `syntax`. CannotDecode where that syntax cannot hold it."""
    if syntax in NATIVE:
        return decode.native(one.pixels, one.bits_allocated)
    if not one.is_whole:
        raise CannotDecode("this kind of image cannot be made in that transfer syntax")
    if syntax == JPEG_LS:
        return _jpeg_ls(one)
    if syntax in (HTJ2K_LOSSLESS, HTJ2K_RPCL):
        return _htj2k(one)
    if syntax == JPEG_BASELINE:
        return _jpeg(one)
    raise CannotDecode("that transfer syntax cannot be made here")


def interpretation_after(one: Frame, syntax: str) -> str:
    """Photometric Interpretation of the frame once it is encoded (PS3.5 8.2, PS3.3 C.7.6.3.1.2)."""
    if syntax in (HTJ2K_LOSSLESS, HTJ2K_RPCL) and one.photometric_interpretation == "RGB":
        return "YBR_RCT"
    if syntax == JPEG_BASELINE and one.pixels.ndim == 3:
        return "YBR_FULL_422"
    return one.photometric_interpretation


def _jpeg_ls(one: Frame) -> bytes:
    pixels = one.pixels
    # Two's complement goes as it is: with fewer bits a decoder would not know the sign. Samples
    # beyond BitsStored are overlays of old devices, and stay.
    signed = pixels.dtype.kind == "i"
    unsigned = pixels.view(f"<u{pixels.dtype.itemsize}")
    bits = one.bits_allocated
    if not signed and 2 <= one.bits_stored < bits and not (unsigned >> one.bits_stored).any():
        bits = one.bits_stored
    try:
        data: bytes = get_encoder(JPEGLSLossless).encode(
            unsigned,
            encoding_plugin="pyjpegls",
            rows=pixels.shape[0],
            columns=pixels.shape[1],
            number_of_frames=1,
            samples_per_pixel=1 if pixels.ndim == 2 else 3,
            bits_allocated=one.bits_allocated,
            bits_stored=bits,
            pixel_representation=0,
            photometric_interpretation="RGB" if pixels.ndim == 3 else "MONOCHROME2",
            planar_configuration=0,
        )
    except Exception:
        data = _small_jpeg_ls(unsigned)
    try:
        again = np.asarray(imagecodecs.jpegls_decode(data))
    except Exception as error:
        raise CannotDecode("this image cannot be made JPEG-LS") from error
    _check(again, unsigned)
    return data


def _small_jpeg_ls(pixels: Pixels) -> bytes:
    """Where the other encoder leaves too little room, as for a few pixels of noise."""
    try:
        return bytes(imagecodecs.jpegls_encode(pixels, out=2 * pixels.nbytes + 4096))
    except Exception as error:
        raise CannotDecode("this image cannot be made JPEG-LS") from error


def _htj2k(one: Frame) -> bytes:
    """RPCL with the tile-parts' lengths: the first bytes already show the image (PS3.5 8.2.14)."""
    pixels = one.pixels
    # The reversible colour transform is for RGB only; other colours go as planes of their own.
    apart = pixels.ndim == 3 and one.photometric_interpretation != "RGB"
    if apart:
        pixels = np.ascontiguousarray(pixels.transpose(2, 0, 1))
    try:
        data = bytes(
            imagecodecs.htj2k_encode(
                pixels,
                reversible=True,
                tlm=True,
                tilepart=1,
                planar=True if apart else None,
                rgb=False if apart else None,
            )
        )
        again = np.asarray(imagecodecs.htj2k_decode(data))
    except Exception as error:
        raise CannotDecode("this image cannot be made HTJ2K") from error
    _check(again, pixels)
    return data


def _check(again: Pixels, pixels: Pixels) -> None:
    if again.dtype != pixels.dtype or not np.array_equal(again, pixels):
        raise CannotDecode("this image cannot be compressed without loss")


def _jpeg(one: Frame) -> bytes:
    pixels = one.pixels
    if one.bits_stored != 8 or pixels.dtype != np.uint8:
        raise CannotDecode("JPEG baseline holds 8 bits a sample only")
    if one.photometric_interpretation == "PALETTE COLOR":
        raise CannotDecode("the numbers of a palette cannot be changed by compression")
    if one.photometric_interpretation in LUMINANCES:
        pixels = convert_color_space(pixels, "YBR_FULL", "RGB")
    try:
        if pixels.ndim == 2:
            return bytes(imagecodecs.jpeg8_encode(pixels, level=JPEG_QUALITY))
        return bytes(imagecodecs.jpeg8_encode(pixels, level=JPEG_QUALITY, subsampling="422"))
    except Exception as error:
        raise CannotDecode("this image cannot be made JPEG") from error
