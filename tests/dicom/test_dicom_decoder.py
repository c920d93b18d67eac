"""The decoder never gives one request the answer of another, and shows what the image says."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file
from pydicom.sequence import Sequence

from studies.dicom.pixels import wire
from studies.dicom.pixels.client import PixelError, PixelService, PixelTimeout


@pytest.fixture
def service() -> Iterator[PixelService]:
    service = PixelService()
    yield service
    service.close()


CT = Path(get_testdata_file("CT_small.dcm"))
MR = Path(get_testdata_file("MR_small.dcm"))


class Interrupted(BaseException):
    """What a task's soft time limit raises in the middle of anything."""


def test_an_answer_left_behind_reaches_nobody(
    service: PixelService, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = {path: service.decoded_digest(path) for path in (CT, MR)}
    real = wire.receive_before

    def interrupted(descriptor: int, until: float) -> object:
        raise Interrupted

    monkeypatch.setattr(wire, "receive_before", interrupted)
    with pytest.raises(Interrupted):
        service.decoded_digest(CT)
    monkeypatch.setattr(wire, "receive_before", real)
    assert service.decoded_digest(MR) == wanted[MR]


def test_a_forked_process_starts_its_own(service: PixelService) -> None:
    wanted = service.decoded_digest(CT)
    mine = service._idle.queue[-1]
    assert mine is not None
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        others = service._idle.queue[-1]
        os.write(writing, b"fresh" if others is None else b"shared")
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 10) == b"fresh"
    os.close(reading)
    os.close(writing)
    assert service.decoded_digest(CT) == wanted
    assert service._idle.queue[-1] is mine


def test_the_decoder_outlives_the_thread_that_started_it(service: PixelService) -> None:
    thread = threading.Thread(target=service.thumbnail, args=(CT,))
    thread.start()
    thread.join()
    child = service._idle.queue[-1]
    assert child is not None
    time.sleep(0.1)
    assert child.poll() is None


def test_the_decoder_ends_with_its_parent(service: PixelService) -> None:
    service.thumbnail(CT)
    child = service._idle.queue[-1]
    assert child is not None
    assert child.stdin is not None
    child.stdin.close()
    assert child.wait(timeout=5) == 0


def test_many_threads_get_their_own_images() -> None:
    service = PixelService(max_workers=2, timeout=60)
    wanted = {path: service.decoded_digest(path) for path in (CT, MR)}
    wrong: list[Path] = []

    def ask(path: Path) -> None:
        for _ in range(10):
            if service.decoded_digest(path) != wanted[path]:
                wrong.append(path)

    threads = [threading.Thread(target=ask, args=(path,)) for path in (CT, MR) * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    service.close()
    assert not wrong


def test_a_deadline_in_the_past_and_a_busy_decoder(service: PixelService) -> None:
    with pytest.raises(PixelTimeout):
        service.thumbnail(CT, deadline=time.monotonic() - 1)
    with service._child(time.monotonic() + 5), pytest.raises(PixelTimeout):
        service.thumbnail(CT, deadline=time.monotonic() + 0.05)
    assert service.thumbnail(CT)


def test_a_file_that_is_none(service: PixelService, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"nothing")
    for path in (tmp_path / "x", tmp_path / "missing"):
        with pytest.raises(PixelError):
            service.thumbnail(path)


def grey(samples: list[int], **changes: object) -> Dataset:
    """A one-row image of 16-bit samples."""
    dataset = dcmread(CT)
    for keyword in ("RescaleSlope", "RescaleIntercept", "WindowCenter", "WindowWidth",
                    "PixelPaddingValue"):  # fmt: skip
        if keyword in dataset:
            delattr(dataset, keyword)
    dataset.Rows, dataset.Columns, dataset.PixelRepresentation = 1, len(samples), 0
    dataset.BitsStored, dataset.HighBit = 16, 15
    dataset.PixelData = np.array(samples, "<u2").tobytes()
    for keyword, value in changes.items():
        setattr(dataset, keyword, value)
    return dataset


@pytest.fixture
def shown(service: PixelService, tmp_path: Path) -> object:
    def show(dataset: Dataset, **arguments: object) -> list[int]:
        dataset.save_as(tmp_path / "image.dcm")
        picture = service.render(tmp_path / "image.dcm", format="png", **arguments)  # type: ignore[arg-type]
        pixels: NDArray[np.uint8] = np.asarray(Image.open(BytesIO(picture)))
        return [int(one) for one in pixels.ravel()]

    return show


def test_the_window_is_that_of_the_standard(shown: object) -> None:
    dataset = grey([0, 100, 150, 200, 300], WindowCenter=150.5, WindowWidth=101)
    assert shown(dataset) == [0, 0, 128, 255, 255]  # type: ignore[operator]


def test_exact_and_sigmoid_windows(shown: object) -> None:
    dataset = grey([0, 50, 100], WindowCenter=50, WindowWidth=100, VOILUTFunction="LINEAR_EXACT")
    assert shown(dataset) == [0, 128, 255]  # type: ignore[operator]
    dataset.VOILUTFunction = "SIGMOID"
    low, middle, high = shown(dataset)  # type: ignore[operator]
    assert low == 255 - high
    assert middle == 128


def test_the_voi_table_takes_what_the_modality_gives(shown: object) -> None:
    table = Dataset()
    table.LUTDescriptor = [4, 10, 8]
    table.LUTData = [0, 85, 170, 255]
    dataset = grey([0, 1, 2, 3], RescaleSlope=1, RescaleIntercept=10)
    dataset.VOILUTSequence = Sequence([table])
    dataset.VOILUTSequence[0]["LUTDescriptor"].VR = "US"
    dataset.VOILUTSequence[0]["LUTData"].VR = "US"
    assert shown(dataset) == [0, 85, 170, 255]  # type: ignore[operator]


def test_overlay_bits_are_not_the_image(shown: object) -> None:
    dataset = grey([0x8000, 0x4FFF], BitsStored=12, HighBit=11, WindowCenter=2048, WindowWidth=4096)
    assert shown(dataset) == [0, 255]  # type: ignore[operator]


def test_windows_of_enhanced_images_are_per_frame(shown: object) -> None:
    def group(intercept: int) -> Dataset:
        item, values, window = Dataset(), Dataset(), Dataset()
        values.RescaleSlope, values.RescaleIntercept, values.RescaleType = 1, intercept, "HU"
        window.WindowCenter, window.WindowWidth = 100.5, 201
        item.PixelValueTransformationSequence = Sequence([values])
        item.FrameVOILUTSequence = Sequence([window])
        return item

    dataset = grey([0, 200], NumberOfFrames=2)
    dataset.Columns = 1
    dataset.PerFrameFunctionalGroupsSequence = Sequence([group(100), group(0)])
    assert shown(dataset, frame=1) == [128]  # type: ignore[operator]
    assert shown(dataset, frame=2) == [255]  # type: ignore[operator]


def test_padding_is_black(shown: object) -> None:
    dataset = grey([5, 100, 200], WindowCenter=150, WindowWidth=50)
    dataset.PhotometricInterpretation = "MONOCHROME1"
    dataset.add_new("PixelPaddingValue", "US", 5)
    assert shown(dataset)[0] == 0  # type: ignore[operator]


def test_single_bits_stay_packed(service: PixelService) -> None:
    little, big = (Path(get_testdata_file(f"liver{kind}_1frame.dcm")) for kind in ("", "_expb"))
    wanted = dcmread(little).PixelData
    assert service.frame(little, 1) == wanted
    assert service.frame(big, 1) == wanted


def test_an_allocation_is_refused_before_it_is_made(service: PixelService, tmp_path: Path) -> None:
    dataset = dcmread(MR)
    dataset.Rows = dataset.Columns = 65535
    dataset.save_as(tmp_path / "huge.dcm")
    with pytest.raises(PixelError, match="larger"):
        service.thumbnail(tmp_path / "huge.dcm")
    assert service.thumbnail(MR)
