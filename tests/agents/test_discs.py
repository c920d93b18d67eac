"""Images for a disc: to the agent of the command, while it runs, if who asked may see them."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.test import AsyncClient, Client
from django.utils import timezone
from pydicom import dcmread

from agents import commands, keys, protocol
from agents.models import Agent, AgentCommand
from pacs.accounts.models import Membership, Site
from pacs.audit.models import AuditEvent
from studies.corrections.services import Why, correct_facts
from studies.demo import synth
from studies.models import Instance, Study
from studies.services import ingest

pytestmark = pytest.mark.django_db
JSON = "application/json"


def stored(site: Site, folder: Path, seed: int, **options: Any) -> Study:
    """A study of three images in the archive."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in synth.ct_series(folder, slices=3, size=32, seed=seed, **options):
        with Path(path).open("rb") as file:
            result = ingest.store(file, source="test", site=site, actor=None)
        assert result.outcome == "stored"
    return Study.objects.filter(site=site).latest("id")


@pytest.fixture
def scanned(site: Any, tmp_path: Path) -> Study:
    return stored(site, tmp_path / "a", 31)


@pytest.fixture
def key(agent: Agent) -> str:
    return keys.rotate(agent, actor=None)


@pytest.fixture
def burning(agent: Agent, scanned: Study, technician: Any) -> AgentCommand:
    """A command that its agent was sent."""
    command, _ = commands.queue(
        agent, "burn-disc", {"studyIds": [scanned.pk]}, requester=technician
    )
    AgentCommand.objects.update(state="running", attempts=1)
    command.refresh_from_db()
    return command


def path_of(command: AgentCommand, image: int | None = None) -> str:
    base = f"/api/agents/commands/{command.pk}/images/"
    return base if image is None else f"{base}{image}/"


def fetch(key: str, path: str) -> Any:
    return Client().get(path, headers={"Authorization": f"Bearer {key}"})


@pytest.mark.django_db(transaction=True)
async def test_the_images_of_the_command(
    agent: Agent, key: str, burning: AgentCommand, scanned: Study
) -> None:
    client, shown = AsyncClient(), {"Authorization": f"Bearer {key}"}
    listed = (await client.get(path_of(burning), headers=shown)).json()["images"]
    assert len(listed) == 3
    for row in listed:
        answer = await client.get(path_of(burning, row["id"]), headers=shown)
        body = b"".join([part async for part in answer.streaming_content])
        assert (answer.status_code, answer["Content-Type"]) == (200, "application/dicom")
        assert answer["Content-Length"] == str(len(body)) == str(row["size"])
        assert hashlib.sha256(body).hexdigest() == row["sha256"]
    await client.get(path_of(burning), headers=shown)
    event = await AuditEvent.objects.aget(action="disc.fetched")
    assert (event.actor_name, event.study_id, event.site_id) == (
        "technician",
        scanned.pk,
        scanned.site_id,
    )
    assert event.detail == {"agent": agent.pk, "command": burning.pk}


@pytest.mark.django_db(transaction=True)
def test_corrections_are_on_the_disc(key: str, burning: AgentCommand, technician: Any) -> None:
    study = Instance.objects.order_by("id")[0].series.study
    said = {"PatientName": "RIGHT^Robin", "PatientID": "RIGHT-1"}
    correct_facts(study.pk, 0, said, Why(technician, "typing"))
    row = fetch(key, path_of(burning)).json()["images"][0]
    data = asyncio.run(read_image(key, path_of(burning, row["id"])))
    assert hashlib.sha256(data).hexdigest() == row["sha256"]
    assert len(data) == row["size"]
    assert dcmread(BytesIO(data)).PatientID == "RIGHT-1"


async def read_image(key: str, path: str) -> bytes:
    reply: Any = await AsyncClient().get(path, headers={"Authorization": f"Bearer {key}"})
    return b"".join([part async for part in reply.streaming_content])


def hide(what: str, agent: Agent, command: AgentCommand, technician: Any) -> None:
    """What ends the permission."""
    now = timezone.now()
    changes: dict[str, dict[str, Any]] = {
        "queued": {"state": "queued"},
        "done": {"state": "done"},
        "failed": {"state": "failed"},
        "cancelled": {"cancel_requested_at": now},
        "old": {"expires_at": now - timedelta(hours=3)},
        "nobody asked": {"requester": None},
        "ping": {"type": "ping"},
    }
    if what in changes:
        AgentCommand.objects.filter(pk=command.pk).update(**changes[what])
    elif what == "left the site":
        Membership.objects.filter(user=technician).delete()
    elif what == "lost the role":
        Membership.objects.filter(user=technician).update(role="referrer")
    elif what == "no account":
        technician.is_active = False
        technician.save()
    elif what == "other network":
        Agent.objects.filter(pk=agent.pk).update(allowed_networks=["10.1.0.0/16"])


@pytest.mark.parametrize(
    "what",
    [
        *("queued", "done", "failed", "cancelled", "old", "nobody asked", "ping"),
        *("left the site", "lost the role", "no account", "other network"),
    ],
)
def test_only_while_it_runs_and_who_asked_may(
    agent: Agent, key: str, burning: AgentCommand, technician: Any, what: str
) -> None:
    number = Instance.objects.order_by("id")[0].pk
    assert fetch(key, path_of(burning)).status_code == 200
    hide(what, agent, burning, technician)
    assert fetch(key, path_of(burning)).status_code == 404
    assert fetch(key, path_of(burning, number)).status_code == 404


def test_other_agents_and_people_get_nothing(
    agent: Agent,
    other_agent: Agent,
    key: str,
    burning: AgentCommand,
    technician: Any,
    logged_in: Any,
    bearer: Any,
) -> None:
    number = Instance.objects.order_by("id")[0].pk
    own = Agent.objects.create(site=agent.site, name="Second", state="active")
    for path in (path_of(burning), path_of(burning, number)):
        for another in (other_agent, own):
            assert fetch(keys.rotate(another, actor=None), path).status_code == 404
        for client in (
            Client(),
            logged_in(technician),
            Client(headers=bearer(technician, scopes=["read", "write"])),
        ):
            assert client.get(path).status_code == 401
        assert fetch("lba_wrong", path).status_code == 401
        assert Client().get(f"{path}?key={key}").status_code == 401


def test_no_image_of_another_study(
    site: Any, agent: Agent, key: str, burning: AgentCommand, tmp_path: Path
) -> None:
    other = stored(site, tmp_path / "b", 32)
    inside = set(Instance.objects.filter(series__study=other).values_list("pk", flat=True))
    listed = {row["id"] for row in fetch(key, path_of(burning)).json()["images"]}
    assert not inside & listed
    for number in [*inside, 10**6]:
        assert fetch(key, path_of(burning, number)).status_code == 404


def test_a_disc_is_for_one_patient(
    logged_in: Any, technician: Any, agent: Agent, site: Any, study: Any, make_study: Any
) -> None:
    same = make_study(site, patient_ref=study.patient_ref)
    other = make_study(site)

    def ask(*studies: Any) -> Any:
        return logged_in(technician).post(
            f"/api/agents/{agent.pk}/commands/",
            {"type": "burn-disc", "params": {"studyIds": [each.pk for each in studies]}},
            content_type=JSON,
        )

    assert ask(study, same).status_code == 201
    refused = ask(study, other)
    assert refused.status_code == 409
    assert refused.json() == {
        "detail": "These studies are not of the same patient: a disc is for one."
    }


@pytest.mark.parametrize(("outcome", "kept"), [("done", "ok"), ("failed", "failed")])
def test_the_end_is_in_the_trail_of_the_study(
    agent: Agent, burning: AgentCommand, scanned: Study, outcome: str, kept: str
) -> None:
    result = protocol.Result(id=str(burning.pk), outcome=outcome, code="" if kept == "ok" else "x")
    for _ in range(2):
        assert commands.ended(agent, burning.pk, result)
    event = AuditEvent.objects.get(action="disc.made")
    assert (event.study_id, event.outcome, event.actor_name) == (scanned.pk, kept, "technician")


# The dialog


@pytest.fixture
def burner(agent: Agent) -> Agent:
    Agent.objects.filter(pk=agent.pk).update(
        drives=[{"name": "Tray", "kind": "drive"}], capabilities=["burn-disc"]
    )
    agent.refresh_from_db()
    return agent


@pytest.mark.parametrize("actor", ["radiologist", "technician", "site_admin", "admin"])
def test_dialog(request: Any, logged_in: Any, actor: str, burner: Agent, study: Any) -> None:
    client = logged_in(request.getfixturevalue(actor))
    page = client.get(f"/studies/{study.pk}/view/").content.decode()
    assert "Make a disc" in page
    shown = client.get(f"/studies/{study.pk}/disc/").content.decode()
    assert "Ward: Tray (disc)" in shown
    form = {"studies": [study.pk], "drive": f"{burner.pk}:Tray", "key": "k-1"}
    for _ in range(2):
        answer = client.post(f"/studies/{study.pk}/disc/", form).content.decode()
        assert "The disc is being made." in answer
    command = AgentCommand.objects.get()
    assert command.params == {"studyIds": [study.pk], "target": "Tray"}
    assert f'data-command="{command.pk}"' in answer
    assert AuditEvent.objects.filter(action="discs.opened", study_id=study.pk).exists()


@pytest.mark.parametrize("actor", ["stranger", "referrer"])
def test_dialog_hidden(request: Any, logged_in: Any, actor: str, burner: Agent, study: Any) -> None:
    client = logged_in(request.getfixturevalue(actor))
    form = {"studies": [study.pk], "drive": f"{burner.pk}:Tray", "key": "k"}
    assert client.get(f"/studies/{study.pk}/disc/").status_code == 404
    assert client.post(f"/studies/{study.pk}/disc/", form).status_code == 404
    assert not AgentCommand.objects.exists()
    assert Client().get(f"/studies/{study.pk}/disc/").status_code in (302, 401)
    assert Client().post(f"/studies/{study.pk}/disc/", form).status_code in (302, 401)


def test_dialog_offers_the_patients_studies_and_own_drives_only(
    logged_in: Any,
    technician: Any,
    burner: Agent,
    other_agent: Agent,
    study: Any,
    other_study: Any,
    make_study: Any,
) -> None:
    Agent.objects.filter(pk=other_agent.pk).update(
        drives=[{"name": "Theirs", "kind": "drive"}], capabilities=["burn-disc"]
    )
    same = make_study(study.site, patient_ref=study.patient_ref, study_description="CT earlier")
    another = make_study(study.site, study_description="MR of somebody else")
    client = logged_in(technician)
    shown = client.get(f"/studies/{study.pk}/disc/").content.decode()
    assert "CT earlier" in shown
    assert "somebody else" not in shown
    assert "Theirs" not in shown
    drive = f"{burner.pk}:Tray"
    for studies, where in (
        ([], drive),
        ([another.pk], drive),
        ([other_study.pk], drive),
        ([study.pk], f"{other_agent.pk}:Theirs"),
        ([study.pk], f"{burner.pk}:/dev/sda"),
        ([study.pk], ""),
    ):
        form = {"studies": studies, "drive": where, "key": "k"}
        answer = client.post(f"/studies/{study.pk}/disc/", form).content.decode()
        assert 'role="alert"' in answer, (studies, where)
    assert not AgentCommand.objects.exists()
    form = {"studies": [study.pk, same.pk], "drive": drive, "key": "k"}
    assert "being made" in client.post(f"/studies/{study.pk}/disc/", form).content.decode()


def test_no_button_where_nothing_burns(
    logged_in: Any, technician: Any, agent: Agent, study: Any
) -> None:
    assert (
        "Make a disc"
        not in logged_in(technician).get(f"/studies/{study.pk}/view/").content.decode()
    )
    shown = logged_in(technician).get(f"/studies/{study.pk}/disc/").content.decode()
    assert "No agent of this site has a drive for discs." in shown
