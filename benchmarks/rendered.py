"""Rendered JPEG of CT slices and of large radiographs, made anew and from the cache."""

from __future__ import annotations

import time
from http.client import HTTPConnection
from pathlib import Path

import numpy as np
from pydicom import dcmread

from benchmarks.http import Row, Target, orthanc_target, portal_target, rate
from studies.demo import synth
from tests.servers.stack import Stack

CT_CONNECTIONS = (1, 8)
CR_CONNECTIONS = (1, 4)
WINDOWS = 24
SECONDS = 4
JPEG = {"Accept": "image/jpeg"}


def radiographs(folder: Path, count: int = 4) -> list[Path]:
    """Chest-like radiographs of 2500 x 3000 in 16 bits, of one series."""
    dataset = dcmread(synth.ct_series(folder / "base-cr", 1, 32, seed=950)[0])
    dataset.SOPClassUID, dataset.Modality = "1.2.840.10008.5.1.4.1.1.1", "CR"
    for keyword in ("RescaleSlope", "RescaleIntercept", "RescaleType"):
        del dataset[keyword]
    dataset.Rows, dataset.Columns = 3000, 2500
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelRepresentation = 0
    dataset.WindowCenter, dataset.WindowWidth = 2048, 4096
    rows, columns = np.mgrid[0:3000, 0:2500].astype(np.float32)
    shape = 2000 + 1500 * np.sin(columns / 300) * np.cos(rows / 200)
    files = []
    for number in range(count):
        noise = np.random.default_rng(number).normal(0, 40, shape.shape)
        dataset.PixelData = np.clip(shape + noise, 0, 4095).astype("<u2").tobytes()
        dataset.SOPInstanceUID = synth.synthetic_uid("bench-cr", number)
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.InstanceNumber = number + 1
        files.append(synth.write(dataset, folder / f"cr{number}.dcm"))
    return files


def measure(stack: Stack, token: str, ct: list[Path], cr: list[Path]) -> dict[str, float]:
    """Pictures a second of both servers. The files of `ct` and `cr` must be in both.

    Cold: no picture is asked for twice, by another window each time. Orthanc keeps none, so its
    numbers are the same cold and cached.
    """
    servers = {"orthanc": orthanc_target(stack), "portal": portal_target(stack, token)}
    found: dict[str, float] = {}
    for kind, files, counts in (("ct", ct, CT_CONNECTIONS), ("cr", cr, CR_CONNECTIONS)):
        paths = [_path(file) for file in files]
        for name, server in servers.items():
            target = Target(server.port, {**server.headers, **JPEG})
            for run, connections in enumerate(counts):
                cold = [
                    f"{path}?window={2048 + 100 * run + window},{3000 + window},linear"
                    for window in range(WINDOWS * (1 if kind == "ct" else 20))
                    for path in paths
                ]
                found[f"{name}_{kind}_{connections}"] = rate(target, cold, connections, SECONDS)
        portal = Target(servers["portal"].port, {**servers["portal"].headers, **JPEG})
        _fill(portal, paths)
        for connections in counts:
            found[f"cached_{kind}_{connections}"] = rate(portal, paths, connections, SECONDS)
    return found


def _path(file: Path) -> str:
    head = dcmread(file, stop_before_pixels=True)
    return (
        f"/dicom-web/studies/{head.StudyInstanceUID}/series/{head.SeriesInstanceUID}"
        f"/instances/{head.SOPInstanceUID}/rendered"
    )


def _fill(portal: Target, paths: list[str]) -> None:
    connection = HTTPConnection("127.0.0.1", portal.port, timeout=60)
    for path in paths:
        connection.request("GET", path, headers=portal.headers)
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{path} answers {answer.status}")
    connection.close()


def until_archived(stack: Stack, token: str, files: list[Path]) -> None:
    """Wait until the portal gives every file's picture; raises after two minutes."""
    portal = portal_target(stack, token)
    deadline = time.monotonic() + 120
    for file in files:
        path = _path(file).removesuffix("/rendered") + "/metadata"
        while True:
            connection = HTTPConnection("127.0.0.1", portal.port, timeout=30)
            connection.request("GET", path, headers=portal.headers)
            status = connection.getresponse().status
            connection.close()
            if status == 200:
                break
            if time.monotonic() > deadline:
                raise RuntimeError("not archived in two minutes")
            time.sleep(0.2)


def table_rows(found: dict[str, float]) -> list[Row]:
    """Orthanc, the portal cold, and the portal from its cache."""
    rows = []
    for kind, words, counts in (
        ("ct", "rendered JPEG of a CT", CT_CONNECTIONS),
        ("cr", "rendered JPEG of a radiograph, 2500 x 3000", CR_CONNECTIONS),
    ):
        for connections in counts:
            theirs = found[f"orthanc_{kind}_{connections}"]
            for name, how in (("portal", ""), ("cached", ", from the cache")):
                ours = found[f"{name}_{kind}_{connections}"]
                plural = "s" if connections > 1 else ""
                work = f"{words}, {connections} connection{plural}{how}"
                rows.append(Row(work, f"{theirs:.0f}/s", f"{ours:.0f}/s", f"{ours / theirs:.2f}"))
    return rows
