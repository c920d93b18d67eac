"""Fixtures of the whole product: started once, shared by integration and browser tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread

from studies.demo import synth
from tests.servers.cups import CupsSystem
from tests.servers.mongo import MongoServer
from tests.servers.portal import Portal
from tests.servers.ports import free_port
from tests.servers.s3 import s3_process
from tests.servers.stack import Stack
from tests.servers.swift import Swift, swift_processes


@pytest.fixture(scope="session")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    """The product as `make run` starts it, empty, with its Orthanc; it has reports to print."""
    folder = tmp_path_factory.mktemp("portal")
    viewer_port = free_port()
    env = {
        "DJANGO_SETTINGS_MODULE": "tests.servers.documents.settings",
        "PACS_QUIET_SECONDS": "2",
        "PACS_UPLOAD_WINDOW_SECONDS": "5",
        "PACS_HL7_RECEIVERS": "127.0.0.1",
        "PACS_CORS_ORIGINS": f"http://127.0.0.1:{viewer_port}",
    }
    with Stack(folder, env=env) as stack:
        yield Portal(stack, viewer_port)


@pytest.fixture(scope="session")
def cups() -> Iterator[CupsSystem]:
    """A private print system; each test that prints adds a printer of its own or shares one."""
    with CupsSystem() as system:
        yield system


@pytest.fixture(scope="session")
def mongo_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MongoServer]:
    """A server that speaks MongoDB's protocol; a test that kills it starts it again."""
    with MongoServer(tmp_path_factory.mktemp("mongo")) as server:
        yield server


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The address of an S3 server; each test makes a bucket of its own."""
    with s3_process() as url:
        yield url


@pytest.fixture(scope="session")
def swift(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Swift]:
    """An object storage that checks signatures; each test makes a bucket of its own."""
    with swift_processes(tmp_path_factory.mktemp("swift")) as server:
        yield server


@pytest.fixture
def series(tmp_path: Path) -> Callable[..., tuple[list[Path], str]]:
    """`series(slices, seed=...)`: files of a new CT and its StudyInstanceUID."""
    numbers = iter(range(1_000))

    def make(slices: int = 10, **options: Any) -> tuple[list[Path], str]:
        options.setdefault("seed", hash((tmp_path, next(numbers))) & 0xFFFFFFF)
        options.setdefault("size", 64)
        folder = tmp_path / f"series-{options['seed']}"
        folder.mkdir()
        files = [Path(path) for path in synth.ct_series(folder, slices=slices, **options)]
        return files, str(dcmread(files[0], stop_before_pixels=True).StudyInstanceUID)

    return make
