"""The API is what its description says: generated requests against the running product."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
import requests
import schemathesis
from django.core.management import call_command
from django.urls import get_resolver
from hypothesis import HealthCheck, Phase, given, settings
from pydicom import dcmread
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.servers.portal import Portal

pytestmark = pytest.mark.integration
EXAMPLES = 5
# Answers the key of the agent that makes the disc.
OF_DISC = "/api/agents/commands/"
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@schemathesis.serializer("application/dicom", "application/pdf", "multipart/related")
def _as_it_is(context: Any, value: Any) -> Any:
    if isinstance(value, bytes):
        return value
    return getattr(value, "data", None) or str(value).encode()


@pytest.fixture(scope="module")
def real(portal: Portal, tmp_path_factory: Any) -> dict[str, Any]:
    """Values of things that exist, so that more than 404 is asked for."""
    from studies.demo import synth

    files = synth.ct_series(tmp_path_factory.mktemp("api"), slices=2, size=32, seed=4242)
    for path in files:
        portal.upload(path.read_bytes())
    dataset = dcmread(files[0])
    made = portal.stack.shell(
        "from studies.models import *\n"
        "from studies.sending.models import *\n"
        "from pacs.accounts.models import User\n"
        f"study = Study.objects.get(study_instance_uid={str(dataset.StudyInstanceUID)!r})\n"
        "where = Destination.objects.create(site=study.site, name='API', kind='dicomweb',"
        " url='https://nowhere.invalid', next_attempt_at='2100-01-01T00:00Z')\n"
        "user = User.objects.get(username='technician')\n"
        "send = Send.objects.create(study=study, destination=where, requester=user)\n"
        "from agents.commands import queue\n"
        "from agents.models import Agent\n"
        "agent = Agent.objects.create(site=study.site, name='API', state='active')\n"
        "command = queue(agent, 'ping', {}, requester=user)[0]\n"
        "from agents import keys\n"
        "key = keys.rotate(agent, actor=None)\n"
        "disc = queue(agent, 'burn-disc', {'studyIds': [study.pk]}, requester=user)[0]\n"
        "agent.commands.filter(pk=disc.pk).update(state='running')\n"
        "image = Instance.objects.filter(series__study=study).first()\n"
        "order = Order.objects.create(site=study.site, patient_id='P1')\n"
        "from reports.models import ReportTemplate\n"
        "template = ReportTemplate.objects.get(slug='ct-chest').pk\n"
        "from tests.reports.factories_delivery import sign\n"
        "from tests.reports.factories_find import PDF\n"
        "from reports.attachments import services\n"
        "reader = User.objects.get(username='radiologist')\n"
        "version = sign(study, reader, 'final', 'Nothing to see.')\n"
        "attached = services.add(study, reader, PDF, title='API', kind='other')\n"
        "print(study.pk, where.pk, send.pk, agent.pk, command.pk)\n"
        "print(disc.pk, image.pk, order.pk, template, version.report_id, version.pk)\n"
        "print(attached.pk, key)\n"
    )
    *numbers, attachment, key = made.split()
    study, destination, send, agent, command, disc, image, order, *more = map(int, numbers)
    template, report, version = more
    return {
        "study": str(dataset.StudyInstanceUID),
        "series": str(dataset.SeriesInstanceUID),
        "instance": str(dataset.SOPInstanceUID),
        "frames": "1",
        "path": "7FE00010",
        "seq": "1",
        "sha256": "0" * 64,
        "ids": {
            **{"study": study, "destination": destination, "send": send},
            **{"agent": agent, "command": command, "disc": disc, "image": image, "order": order},
            "report-template": template,
            "report": report,
            "version": version,
            "attachment": attachment,
        },
        "annotation": str(uuid.uuid4()),
        "key": key,
    }


def described() -> dict[str, Any]:
    out = StringIO()
    call_command("spectacular", format="openapi-json", stdout=out)
    return dict(json.loads(out.getvalue()))


def test_the_description_is_valid_and_whole() -> None:
    """No warnings, and every address of the API is in it."""
    call_command("spectacular", validate=True, fail_on_warn=True, stdout=StringIO())
    paths = set(described()["paths"])
    addresses = {
        re.sub(r"<\w+:(\w+)>", r"{\1}", f"/{pattern}").replace("{pk}", "{id}")
        for pattern in _patterns(get_resolver().url_patterns)
        if pattern.startswith("api/")
    }
    assert addresses
    assert addresses <= paths
    for path in ("/api/dicom/upload", "/dicom-web/", "/dicom-web/studies", "/wado"):
        assert path in paths


def _patterns(found: Any, before: str = "") -> Iterator[str]:
    for one in found:
        here = before + str(one.pattern)
        if hasattr(one, "url_patterns"):
            yield from _patterns(one.url_patterns, here)
        else:
            yield here


def test_who_gets_the_description(portal: Portal) -> None:
    for who in ("radiologist", "technician", "referrer", "stranger"):
        status, body, headers = portal.request("GET", "/api/schema/?format=json", who=who)
        assert status == 200
        assert headers["content-type"].startswith("application/vnd.oai.openapi+json")
        assert json.loads(body)["info"]["title"] == "Lightbox PACS"
    assert portal.request("GET", "/api/schema/", who=None)[0] == 401


def _operations() -> list[str]:
    return sorted(
        f"{method.upper()} {path}"
        for path, methods in described()["paths"].items()
        for method in methods
        if method in {"get", "post", "delete", "put", "patch"}
    )


@pytest.mark.parametrize("operation", _operations())
@pytest.mark.parametrize("existing", [False, True], ids=["made-up", "existing"])
def test_answers_are_as_described(
    portal: Portal, real: dict[str, Any], operation: str, existing: bool
) -> None:
    method, path = operation.split(" ")
    schema = schemathesis.openapi.from_dict(described())
    of_agent = path.startswith(OF_DISC) or path == "/api/agents/worklist/"
    token = real["key"] if of_agent else portal.tokens["technician"]
    headers = {"Authorization": f"Bearer {token}"}
    asked: list[int] = []
    session = requests.Session()

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=schema[path][method].as_strategy())
    def ask(case: Any) -> None:
        if existing and "/agents/release/" not in path:
            _put(case, path, real)
        response = case.call(
            base_url=portal.stack.base_url, headers=headers, session=session, timeout=30
        )
        case.validate_response(response, checks=CHECKS)
        asked.append(response.status_code)

    ask()
    assert asked
    # Releases are for agents' keys: a person is answered 401 for all of them.
    of_agents = ("/agents/release/", "/agents/deliveries/")
    if existing and method == "GET" and not any(each in path for each in of_agents):
        assert 200 in asked or 304 in asked, asked


def _put(case: Any, path: str, real: dict[str, Any]) -> None:
    """Replace what names a thing by the name of one that exists."""
    for name in list(case.path_parameters or {}):
        if path.startswith(OF_DISC):
            case.path_parameters[name] = real["ids"]["disc" if name == "cid" else "image"]
        elif name == "id":
            kinds = [
                each
                for each in ("agent", "send", "order", "report-template", "report", "attachment")
                if f"/api/{each}s/" in path
            ]
            fhir = {"DiagnosticReport": "report", "Binary": "version"}
            kinds += [kind for resource, kind in fhir.items() if f"/fhir/{resource}/" in path]
            kind = kinds[0] if kinds else "study"
            case.path_parameters[name] = real["ids"][kind]
        elif name == "cid":
            case.path_parameters[name] = real["ids"]["command"]
        else:
            case.path_parameters[name] = real[name]
    case.query = {} if case.method == "GET" else case.query
    if path == "/api/macros/" or path.startswith("/api/report-templates/"):
        case.query = {"study": real["ids"]["study"]}
    if path == "/wado":
        case.query = {
            "requestType": "WADO",
            "studyUID": real["study"],
            "seriesUID": real["series"],
            "objectUID": real["instance"],
        }
    if path == "/api/sends/" and isinstance(case.body, dict):
        case.body = {key: real["ids"][key] for key in ("study", "destination")}
