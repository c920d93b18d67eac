"""The data plane with its clients, and files stored through the one door."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pacs.accounts.models import Site, User
from studies.dicomweb.dataplane import DataPlane
from studies.services.pixels import pixel_service, transcode_service
from tests.dicomweb.asking import TEST_FILES, AsgiClient, Stored, ct_file, fallback, store
from tests.dicomweb.states import state_file


@pytest.fixture(scope="session", autouse=True)
def _decoder() -> Iterator[None]:
    """The decoders' processes end with the tests."""
    yield
    pixel_service().close()
    transcode_service().close()


@pytest.fixture
def plane() -> Iterator[DataPlane]:
    made = DataPlane(fallback)
    yield made
    made.close()


@pytest.fixture
def client(plane: DataPlane, bearer: Any) -> Callable[..., AsgiClient]:
    """`client(user)` asks with a token of that user; `client()` is anonymous."""

    def make(user: User | None = None, **options: Any) -> AsgiClient:
        return AsgiClient(plane, bearer(user, **options) if user else {})

    return make


@pytest.fixture
def ct(site: Site) -> Stored:
    """A CT slice at the first site."""
    return store(site, ct_file(instance="1.2.826.0.1.3680043.10.9.1.1.1"))


@pytest.fixture
def test_file() -> Callable[[str], bytes]:
    """`test_file(name)`: a real file that pydicom ships."""
    return lambda name: (TEST_FILES / name).read_bytes()


@pytest.fixture
def shown(client: Any, radiologist: Any, site: Any) -> Any:
    """`shown(image, ...)`: the pixels of an image with a state."""

    def show(file: Stored, query: str = "", **elements: Any) -> Any:
        state = store(site, state_file(file, **elements))
        reply = client(radiologist).get(
            f"{state.path}/rendered{query}", headers={"accept": "image/png"}
        )
        assert reply.status == 200, reply.body
        return np.asarray(Image.open(BytesIO(reply.body))).astype(int)

    return show
