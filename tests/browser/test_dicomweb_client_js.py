"""npm's dicomweb-client, as published, in a page of another origin that the portal allows."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page
from pydicom import dcmread

from tests.clients.packages import package
from tests.clients.site import Site
from tests.servers.portal import Portal

pytestmark = pytest.mark.browser
INDEX = b'<!doctype html><title>client</title><script src="/dicomweb-client.js"></script>'
CALL = """async ([name, options, root, token]) => {
  const client = new DICOMwebClient.api.DICOMwebClient(
    {url: root, headers: {Authorization: 'Bearer ' + token}});
  const text = (buffer) => {
    let out = '';
    for (const byte of new Uint8Array(buffer)) out += String.fromCharCode(byte);
    return btoa(out);
  };
  if (options.files) {
    options.datasets = options.files.map(
      (file) => Uint8Array.from(atob(file), (letter) => letter.charCodeAt(0)).buffer);
  }
  try {
    const answer = await client[name](options);
    if (answer instanceof ArrayBuffer) return {bytes: [text(answer)]};
    if (Array.isArray(answer) && answer[0] instanceof ArrayBuffer) return {bytes: answer.map(text)};
    return {json: answer ?? null};
  } catch (error) {
    return {status: error.status ?? error.request?.status ?? -1, message: String(error.message)};
  }
}"""


@pytest.fixture(scope="module")
def site(portal: Portal) -> Iterator[Site]:
    build = package("dicomweb-client@0.11.3") / "build"
    with Site(build, portal.viewer_port, {"/index.html": INDEX}) as site:
        yield site


@pytest.fixture
def page(browser: Browser, site: Site) -> Iterator[Page]:
    context = browser.new_context()
    page = context.new_page()
    page.goto(site.origin)
    yield page
    context.close()


def test_every_call_of_the_client(portal: Portal, page: Page, series) -> None:
    files, study = series(3, patient_name="Script^Java", patient_id="NPM-1")
    heads = [dcmread(path) for path in files]
    head = heads[0]
    where = {
        "studyInstanceUID": study,
        "seriesInstanceUID": str(head.SeriesInstanceUID),
        "sopInstanceUID": str(head.SOPInstanceUID),
    }

    def call(name: str, who: str = "radiologist", **options: Any) -> Any:
        root = f"{portal.stack.base_url}/dicom-web"
        answer = page.evaluate(CALL, [name, options, root, portal.tokens[who]])
        if "bytes" in answer:
            return [base64.b64decode(one) for one in answer["bytes"]]
        return answer.get("json", answer)

    def upload(paths: list[Path], who: str) -> Any:
        return call(
            "storeInstances",
            who,
            files=[base64.b64encode(path.read_bytes()).decode() for path in paths],
        )

    stored = upload(files, "technician")
    # The client resolves with the answer's text where the server says application/dicom+json.
    answer = json.loads(stored) if isinstance(stored, str) else stored
    assert answer is None or len(answer["00081199"]["Value"]) == 3
    portal.wait_count(study, 3)

    found = call("searchForStudies", queryParams={"PatientName": "scr*", "limit": 5})
    assert [one["0020000D"]["Value"][0] for one in found] == [study]
    assert len(call("searchForSeries", studyInstanceUID=study)) == 1
    assert len(call("searchForInstances", studyInstanceUID=study)) == 3
    assert len(call("retrieveStudyMetadata", studyInstanceUID=study)) == 3
    assert len(call("retrieveSeriesMetadata", **where)) == 3
    assert len(call("retrieveInstanceMetadata", **where)) == 1
    assert sorted(call("retrieveStudy", **where)) == sorted(p.read_bytes() for p in files)
    assert sorted(call("retrieveSeries", **where)) == sorted(p.read_bytes() for p in files)
    assert call("retrieveInstance", **where) == [files[0].read_bytes()]
    assert call("retrieveInstanceFrames", **where, frameNumbers=[1]) == [head.PixelData]
    for name in ("retrieveInstanceRendered", "retrieveInstanceThumbnail"):
        picture = call(name, **where, mediaTypes=[{"mediaType": "image/jpeg"}])
        assert picture[0].startswith(b"\xff\xd8"), name
    for name in ("retrieveInstanceFramesRendered", "retrieveInstanceFramesThumbnail"):
        picture = call(name, **where, frameNumbers=[1], mediaTypes=[{"mediaType": "image/jpeg"}])
        assert picture[0].startswith(b"\xff\xd8"), name

    assert call("searchForStudies", "stranger", queryParams={"StudyInstanceUID": study}) == []
    assert call("retrieveInstance", "stranger", **where)["status"] == 404


def test_a_page_of_an_origin_that_is_not_listed_gets_nothing(
    portal: Portal, browser: Browser
) -> None:
    with Site(package("dicomweb-client@0.11.3") / "build", 0, {"/index.html": INDEX}) as site:
        context = browser.new_context()
        page = context.new_page()
        page.goto(site.origin)
        root = f"{portal.stack.base_url}/dicom-web"
        arguments = ["searchForStudies", {}, root, portal.tokens["radiologist"]]
        answer = page.evaluate(CALL, arguments)
        assert "json" not in answer
        assert answer["status"] in (0, -1)
        context.close()
