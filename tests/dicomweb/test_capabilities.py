"""`GET /dicom-web/` says what the service can do; its URLs come from the configuration alone."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from studies.dicomweb.dataplane import STUDIES_PATH
from tests.dicomweb.asking import AsgiClient, Reply


def ask(asking: AsgiClient, path: str, **options: Any) -> Reply:
    return asyncio.run(asking.ask(path, **options))


pytestmark = pytest.mark.django_db(transaction=True)


def test_for_everyone_who_is_somebody(request: Any, client: Any) -> None:
    for actor in ("radiologist", "technician", "referrer", "site_admin", "stranger", "admin"):
        reply = client(request.getfixturevalue(actor)).get("/dicom-web/")
        assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    assert client(request.getfixturevalue("radiologist")).get("/dicom-web").status == 200


def test_nobody_is_401(client: Any) -> None:
    for path in ("/dicom-web/", "/dicom-web", "/dicom-web/sites/main/"):
        assert client().get(path).status == 401


def test_a_token_that_may_not_read(client: Any, radiologist: Any) -> None:
    assert client(radiologist, scopes=["write"]).get("/dicom-web/").status == 403


def test_sites(client: Any, radiologist: Any, stranger: Any, admin: Any, settings: Any) -> None:
    settings.PUBLIC_URL = "https://pacs.example"
    asking = client(radiologist)
    found = asking.get("/dicom-web/sites/main/").json
    assert found["root"] == "https://pacs.example/dicom-web/sites/main"
    hidden, unknown = (asking.get(f"/dicom-web/sites/{slug}/") for slug in ("north", "nowhere"))
    assert (hidden.status, hidden.body) == (unknown.status, unknown.body) == (404, hidden.body)
    assert client(admin).get("/dicom-web/sites/north").status == 200


def test_methods_and_media_types(client: Any, radiologist: Any) -> None:
    asking = client(radiologist)
    assert ask(asking, "/dicom-web/", method="POST").status == 405
    assert ask(asking, "/dicom-web/", method="HEAD").body == b""
    options = ask(client(), "/dicom-web/", method="OPTIONS")
    assert (options.status, options.headers["allow"]) == (204, "GET, HEAD, OPTIONS")
    assert asking.get("/dicom-web/", headers={"accept": "text/html"}).status == 406


def test_every_resource_is_one_that_is_served(client: Any, radiologist: Any) -> None:
    found = client(radiologist).get("/dicom-web/").json
    values = {"frames": "1", "path": "7FE00010"}
    for resource in found["resources"]:
        path = re.sub(r"{(\w+)}", lambda hit: values.get(hit[1], "1.2.3"), resource["path"])
        assert STUDIES_PATH.fullmatch("/dicom-web" + path), path
        for method in resource["methods"]:
            allow = ask(client(), "/dicom-web" + path, method="OPTIONS").headers["allow"]
            assert method in allow


def test_search_keys_and_limits(client: Any, radiologist: Any, ct: Any) -> None:
    found = client(radiologist).get("/dicom-web/").json
    searches = {
        resource["path"]: resource["methods"]["GET"]
        for resource in found["resources"]
        if resource["methods"]["GET"]["transaction"] == "search"
    }
    assert "PatientID" in searches["/studies"]["indexedAttributes"]
    assert "Modality" not in searches["/studies"]["indexedAttributes"]
    assert "SOPInstanceUID" in searches["/instances"]["indexedAttributes"]
    assert found["limits"]["searchResults"] == 1000
    # JPEG Baseline has eight bits; this CT has twelve.
    for syntax in set(found["transferSyntaxes"]["madeOnRequest"]) - {"1.2.840.10008.1.2.4.50"}:
        accept = f'multipart/related; type="*/*"; transfer-syntax={syntax}'
        reply = client(radiologist).get(ct.path + "/frames/1", headers={"accept": accept})
        assert reply.status == 200, syntax


@pytest.mark.parametrize("public", ["https://pacs.example", ""])
def test_no_url_follows_the_host_header(
    client: Any, radiologist: Any, technician: Any, ct: Any, settings: Any, public: str
) -> None:
    """Not in capabilities, metadata, search results, nor in the answer of a store."""
    settings.PUBLIC_URL = public
    hostile = {
        "host": "evil.example",
        "x-forwarded-host": "evil.example",
        "forwarded": "host=evil.example",
    }
    asking = client(radiologist)
    bodies = []
    for path in (
        "/dicom-web/",
        "/dicom-web/sites/main/",
        ct.path + "/metadata",
        "/dicom-web/studies?includefield=all",
        "/dicom-web/instances?includefield=all",
    ):
        reply = asking.get(path, headers=hostile)
        assert reply.status == 200, path
        bodies.append(reply.body)
        assert b"evil" not in str(reply.headers).encode()
    stored = ask(
        client(technician, scopes=["read", "write"]),
        "/dicom-web/studies",
        method="POST",
        headers={**hostile, "content-type": "application/dicom"},
        body=[ct.file],
    )
    assert stored.status == 200
    assert stored.json["00081190"]["Value"][0].startswith(f"{public}/dicom-web/sites/main/")
    bodies.append(stored.body)
    assert not any(b"evil" in body for body in bodies)
