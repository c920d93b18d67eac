"""OHIF's published build, on an origin of its own, lists and shows studies of our server."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, Page
from pydicom import dcmread
from pydicom.data import DATA_ROOT  # type: ignore[attr-defined]
from pydicom.pixels import pixel_array

from tests.clients.packages import package
from tests.clients.site import Site
from tests.servers.portal import Portal

pytestmark = pytest.mark.browser
# OHIF asks its authentication service for headers; an extension in the configuration gives it one.
TOKEN = """
window.config.extensions = [{
  id: 'lightbox-token',
  preRegistration({ servicesManager }) {
    servicesManager.services.userAuthenticationService.setServiceImplementation({
      getAuthorizationHeader: () => ({ Authorization: 'Bearer %s' }),
    });
  },
}];
"""
FILES = Path(DATA_ROOT) / "test_files"


def config(portal: Portal) -> bytes:
    """What a hospital writes into app-config.js: our addresses, and where the token comes from."""
    root = f"{portal.stack.base_url}/dicom-web"
    source = {
        "namespace": "@ohif/extension-default.dataSourcesModule.dicomweb",
        "sourceName": "dicomweb",
        "configuration": {
            "friendlyName": "Lightbox",
            "name": "lightbox",
            "wadoUriRoot": f"{portal.stack.base_url}/wado",
            "qidoRoot": root,
            "wadoRoot": root,
            "qidoSupportsIncludeField": True,
            "supportsReject": False,
            "imageRendering": "wadors",
            "thumbnailRendering": "wadors",
            "enableStudyLazyLoad": True,
            "supportsFuzzyMatching": True,
            "supportsWildcard": True,
            "omitQuotationForMultipartRequest": False,
            "bulkDataURI": {"enabled": True},
        },
    }
    settings = {
        "routerBasename": None,
        "modes": [],
        "showStudyList": True,
        "maxNumberOfWebWorkers": 2,
        "showWarningMessageForCrossOrigin": False,
        "showCPUFallbackMessage": False,
        "showLoadingIndicator": True,
        "strictZSpacingForVolumeViewport": True,
        "investigationalUseDialog": {"option": "never"},
        "defaultDataSourceName": "dicomweb",
        "dataSources": [source],
    }
    text = f"window.config = {json.dumps(settings)};" + TOKEN % portal.tokens["radiologist"]
    return text.encode()


@pytest.fixture(scope="module")
def ohif(portal: Portal) -> Iterator[Site]:
    folder = package("@ohif/app@3.13.2") / "dist"
    with Site(folder, portal.viewer_port, {"/app-config.js": config(portal)}) as site:
        yield site


@pytest.fixture
def page(browser: Browser, portal: Portal) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.failures = []  # type: ignore[attr-defined]

    def note(answer: object) -> None:
        if answer.status >= 400 and str(portal.stack.port) in answer.url:  # type: ignore[attr-defined]
            page.failures.append((answer.status, answer.url))  # type: ignore[attr-defined]

    page.on("response", note)
    yield page
    context.close()


def picture(page: Page) -> NDArray[np.float64]:
    """What the first viewport shows, as grey levels."""
    shot = page.locator(".cornerstone-canvas, canvas").first.screenshot()
    return np.asarray(Image.open(io.BytesIO(shot)).convert("L"), float)


def expected(path: Path, frame: int = 0) -> NDArray[np.float64]:
    """The image itself as grey levels, without a window."""
    samples = pixel_array(path, index=frame) if _frames(path) > 1 else pixel_array(path)
    return samples.mean(axis=-1) if samples.ndim == 3 else samples.astype(float)


def _frames(path: Path) -> int:
    return int(getattr(dcmread(path, stop_before_pixels=True), "NumberOfFrames", 1) or 1)


def likeness(shown: NDArray[np.float64], image: NDArray[np.float64]) -> float:
    """Rank correlation of the canvas with the image, which OHIF fits into its middle.

    Ranks, since a window bends the grey levels; corners and text of OHIF cost a little.
    """
    rows, columns = image.shape
    height, width = shown.shape
    scale = min(height / rows, width / columns)
    h, w = int(rows * scale), int(columns * scale)
    top, left = (height - h) // 2, (width - w) // 2
    part = Image.fromarray(shown[top : top + h, left : left + w].astype(np.float32))
    small = np.asarray(part.resize((96, 96), Image.Resampling.BOX))
    other = Image.fromarray(image.astype(np.float32)).resize((96, 96), Image.Resampling.BOX)
    a, b = (np.argsort(np.argsort(x[12:84, 12:84].ravel())) for x in (small, np.asarray(other)))
    return float(np.corrcoef(a, b)[0, 1])


def wait_like(page: Page, candidates: list[NDArray[np.float64]], seconds: float = 60) -> float:
    """Until the canvas shows one of the candidates; the best likeness seen."""
    deadline = time.monotonic() + seconds
    best = 0.0
    while time.monotonic() < deadline:
        if page.locator("canvas").count():
            shown = picture(page)
            best = max([best, *(likeness(shown, image) for image in candidates)])
            if best > 0.85:
                return best
        time.sleep(0.5)
    return best


@pytest.mark.parametrize(
    ("name", "patient"),
    [
        ("CT_small.dcm", "CompressedSamples^CT1"),
        ("MR_small.dcm", "CompressedSamples^MR1"),
        ("examples_ybr_color.dcm", "PLA"),
    ],
)
def test_ohif_lists_and_renders(
    portal: Portal, ohif: Site, page: Page, name: str, patient: str
) -> None:
    path = FILES / name
    status, answer = portal.upload(path.read_bytes())
    assert status in (200, 201), answer
    head = dcmread(path, stop_before_pixels=True)
    page.goto(ohif.origin)
    # OHIF asks for PatientName=*text* while one types.
    page.locator("input").first.fill(patient.partition("^")[0])
    row = page.locator("tr", has_text=str(head.Modality)).filter(
        has_text=patient.partition("^")[0][:8]
    )
    row.first.wait_for(timeout=60_000)
    page.goto(f"{ohif.origin}/viewer?StudyInstanceUIDs={head.StudyInstanceUID}")
    best = wait_like(page, [expected(path)])
    assert best > 0.85, (best, page.failures)  # type: ignore[attr-defined]
    assert not page.failures  # type: ignore[attr-defined]
