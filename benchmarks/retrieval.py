"""The same requests to both servers: metadata, frames, one frame of many, a whole 2 GB study."""

from __future__ import annotations

import threading
import time
from http.client import HTTPConnection
from pathlib import Path

import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset

from benchmarks.http import Row, Target, latencies, orthanc_target, portal_target, rate
from studies.demo import synth
from tests.servers.stack import Stack

CONNECTIONS = (1, 8, 32)
FRAMES = {"Accept": 'multipart/related; type="application/octet-stream"'}
ULTRASOUND_FRAMES = 60
LARGE_INSTANCES = 40
LARGE_BYTES = 2 << 30


def metadata_and_frames(
    stack: Stack, token: str, files: list[Path], production_port: int
) -> dict[str, float]:
    """Metadata of a study of 200 instances; frames over 1, 8 and 32 connections.

    `production_port`: two data-plane processes on one port. Orthanc, the embedded web process and
    those are asked one after the other.
    """
    heads = [dcmread(path, stop_before_pixels=True) for path in files]
    study, series = heads[0].StudyInstanceUID, heads[0].SeriesInstanceUID
    root = f"/dicom-web/studies/{study}/series/{series}"
    frames = [f"{root}/instances/{head.SOPInstanceUID}/frames/1" for head in heads]
    portal = portal_target(stack, token)
    servers = {
        "orthanc": orthanc_target(stack),
        "portal": portal,
        "production": Target(production_port, portal.headers),
    }
    found: dict[str, float] = {}
    for name, server in servers.items():
        found[f"{name}_metadata_ms"], found[f"{name}_metadata_p95_ms"] = latencies(
            server, f"/dicom-web/studies/{study}/metadata", 20, Accept="application/dicom+json"
        )
        for connections in CONNECTIONS:
            found[f"{name}_frames_per_s_{connections}"] = rate(
                Target(server.port, {**server.headers, **FRAMES}), frames, connections
            )
    return found


def ultrasound(folder: Path, *, seed: int = 5, frames: int = ULTRASOUND_FRAMES) -> Path:
    """A colour ultrasound loop of 640 x 480, 60 frames, 55 MB."""
    dataset = _based_on_ct(folder, seed, sop_class="1.2.840.10008.5.1.4.1.1.3.1", modality="US")
    dice = np.random.default_rng(seed)
    dataset.PhotometricInterpretation = "RGB"
    dataset.SamplesPerPixel, dataset.PlanarConfiguration = 3, 0
    dataset.Rows, dataset.Columns, dataset.NumberOfFrames = 480, 640, frames
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    dataset.PixelData = dice.integers(0, 255, (frames, 480, 640, 3), np.uint8).tobytes()
    return synth.write(dataset, folder / f"us{seed}.dcm")


def _based_on_ct(folder: Path, seed: int, *, sop_class: str, modality: str) -> Dataset:
    dataset = dcmread(synth.ct_series(folder / f"base{seed}", 1, 32, seed=900 + seed)[0])
    dataset.SOPClassUID, dataset.Modality = sop_class, modality
    for keyword in ("RescaleSlope", "RescaleIntercept", "RescaleType", "WindowCenter"):
        if keyword in dataset:
            delattr(dataset, keyword)
    if "WindowWidth" in dataset:
        del dataset.WindowWidth
    return dataset


def _send(stack: Stack, path: Path, token: str) -> Dataset:
    """Into Orthanc and so into the portal; returns its header when both have it."""
    head = dcmread(path, stop_before_pixels=True)
    stack.storescu([path])
    portal = portal_target(stack, token)
    query = f"/dicom-web/studies/{head.StudyInstanceUID}/series/{head.SeriesInstanceUID}/instances"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        connection = HTTPConnection("127.0.0.1", portal.port, timeout=30)
        connection.request("GET", query, headers=portal.headers)
        body = connection.getresponse().read()
        connection.close()
        if str(head.SOPInstanceUID).encode() in body:
            return head
        time.sleep(0.1)
    raise RuntimeError("not archived in a minute")


def one_frame_of_many(stack: Stack, token: str, folder: Path) -> dict[str, float]:
    """A frame in the middle of a 55 MB multi-frame image, one request after another."""
    head = _send(stack, ultrasound(folder), token)
    path = (
        f"/dicom-web/studies/{head.StudyInstanceUID}/series/{head.SeriesInstanceUID}"
        f"/instances/{head.SOPInstanceUID}/frames/30"
    )
    theirs, _ = latencies(orthanc_target(stack), path, 10, **FRAMES)
    ours, _ = latencies(portal_target(stack, token), path, 60, **FRAMES)
    return {"orthanc_multiframe_ms": theirs, "portal_multiframe_ms": ours}


def memory(stack: Stack, token: str, folder: Path) -> dict[str, float]:
    """Resident memory of the web process while it gives a 2 GB study, at first to a slow reader."""
    large = dcmread(ultrasound(folder, seed=6))
    for number in range(LARGE_INSTANCES):
        large.SOPInstanceUID = large.file_meta.MediaStorageSOPInstanceUID = synth.synthetic_uid(
            "large", number
        )
        large.InstanceNumber = number + 1
        head = _send(stack, synth.write(large, folder / "large.dcm"), token)
    pid = stack.pid("web")
    before = _resident(pid)
    peak = [before]
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.05):
            peak[0] = max(peak[0], _resident(pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        got, seconds = _drink(
            portal_target(stack, token), f"/dicom-web/studies/{head.StudyInstanceUID}"
        )
    finally:
        done.set()
        watcher.join()
    if got < LARGE_BYTES:
        raise RuntimeError(f"the study had {got} bytes only")
    return {
        "retrieval_mb_per_s": got / seconds / 1e6,
        "web_resident_before_mb": before / 1e6,
        "web_resident_peak_mb": peak[0] / 1e6,
    }


def _drink(portal: Target, path: str) -> tuple[int, float]:
    connection = HTTPConnection("127.0.0.1", portal.port, timeout=60)
    headers = {**portal.headers, "Accept": 'multipart/related; type="application/dicom"'}
    start = time.perf_counter()
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    got = 0
    while chunk := answer.read(1 << 20):
        got += len(chunk)
        if got < 200 << 20:
            time.sleep(0.01)  # slow at first: what the socket does not take must not pile up
    connection.close()
    return got, time.perf_counter() - start


def _resident(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("no VmRSS")


def table_rows(found: dict[str, float]) -> list[Row]:
    """Of the three measurements together."""
    rows = [
        Row(
            "metadata of 200 instances, median",
            f"{found['orthanc_metadata_ms']:.0f} ms",
            f"{found['portal_metadata_ms']:.1f} ms",
            f"{found['orthanc_metadata_ms'] / found['portal_metadata_ms']:.1f}",
        )
    ]
    for name, words in (("portal", "one web process"), ("production", "two data-plane processes")):
        for connections in CONNECTIONS:
            theirs = found[f"orthanc_frames_per_s_{connections}"]
            ours = found[f"{name}_frames_per_s_{connections}"]
            work = f"CT frames, {connections} connections, {words}"
            rows.append(Row(work, f"{theirs:.0f}/s", f"{ours:.0f}/s", f"{ours / theirs:.2f}"))
    theirs, ours = found["orthanc_multiframe_ms"], found["portal_multiframe_ms"]
    return [
        *rows,
        Row(
            "one frame of a 55 MB multi-frame image",
            f"{theirs:.0f} ms",
            f"{ours:.1f} ms",
            f"{theirs / ours:.0f}",
        ),
        Row(
            "web process while a 2 GB study is retrieved",
            "",
            f"{found['web_resident_before_mb']:.0f} MB before, at most"
            f" {found['web_resident_peak_mb']:.0f} MB ({found['retrieval_mb_per_s']:.0f} MB/s)",
        ),
    ]
