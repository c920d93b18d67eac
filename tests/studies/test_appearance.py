"""Columns and density of the worklist: whose they are, what cannot be hidden, where they show."""

from __future__ import annotations

import csv
import io
import re
from typing import Any

import pytest

from pacs.audit.models import AuditEvent
from studies.appearance.models import WorklistAppearance
from studies.reading.models import StudyNote
from studies.services.spreadsheet import COLUMNS as CSV_COLUMNS
from studies.tables import USUAL_COLUMNS, WorklistTable

HTMX = {"HX-Request": "true"}
PATH = "/worklist/appearance/"


def choose(client: Any, *columns: str, density: str = "comfortable") -> Any:
    return client.post(PATH, {"column": columns, "density": density}, headers=HTMX)


def heads(text: str) -> list[str]:
    """The columns of the list's head, as their classes say."""
    head = re.search(r"<thead>(.*?)</thead>", text, re.DOTALL)
    assert head is not None
    return re.findall(r'<th scope="col"\s+class="c-([a-z-]+)"', head[1])


def cells(text: str) -> list[str]:
    """The columns of the first row."""
    row = re.search(r"<tr data-study.*?</tr>", text, re.DOTALL)
    assert row is not None
    return re.findall(r'<t[hd](?: scope="row")? class="c-([a-z-]+)"', row[0])


def test_nobody_is_told_401_and_chooses_nothing(client: Any, db: None) -> None:
    assert client.get(PATH, headers=HTMX).status_code == 401
    assert choose(client, "age").status_code == 401
    assert not WorklistAppearance.objects.exists()


def test_head_and_rows_have_the_chosen_columns_in_their_order(
    logged_in: Any, radiologist: Any, study: Any
) -> None:
    client = logged_in(radiologist)
    before = client.get("/").content.decode()
    assert heads(before) == cells(before) == [name.replace("_", "-") for name in USUAL_COLUMNS]
    assert "own-columns" not in before
    chosen = ["patient", "referrer", "state", "priority", "birth_date", "received", "age"]
    assert choose(client, *chosen, density="compact").status_code == 200
    classes = [name.replace("_", "-") for name in chosen]
    table = client.post("/worklist/table/", headers=HTMX).content.decode()
    for text in (client.get("/").content.decode(), table):
        assert heads(text) == cells(text) == classes
        assert 'class="studies own-columns is-compact"' in text
        assert f'value="{",".join(chosen)}"' in text
    event = AuditEvent.objects.get(action="worklist.appearance.chosen")
    assert (event.actor_id, event.detail["columns"]) == (radiologist.pk, chosen)


def test_a_live_row_has_the_columns_of_the_page_that_asks(
    logged_in: Any, radiologist: Any, study: Any
) -> None:
    client = logged_in(radiologist)
    choose(client, "state", "patient", "priority")
    row = f"/worklist/row/{study.pk}/"
    # A page from before the choice has the usual ones still.
    assert cells(client.get(row).content.decode()) == [
        name.replace("_", "-") for name in USUAL_COLUMNS
    ]
    asked = {"columns": "state,patient,priority"}
    assert cells(client.get(row, asked).content.decode()) == ["state", "patient", "priority"]
    assert cells(client.post(row, asked).content.decode()) == ["state", "patient", "priority"]


@pytest.mark.parametrize(
    ("columns", "kept"),
    [
        ((), "priority,patient,state"),
        (("age",), "priority,patient,state,age"),
        (("age", "state", "age"), "priority,patient,age,state"),
        (("no_such", "patient", "id; DROP TABLE", "<b>"), "priority,state,patient"),
    ],
)
def test_name_state_and_priority_stay_and_what_is_no_column_is_nothing(
    logged_in: Any, radiologist: Any, study: Any, columns: tuple[str, ...], kept: str
) -> None:
    client = logged_in(radiologist)
    choose(client, *columns, density="tiny")
    row = WorklistAppearance.objects.get()
    assert (row.columns, row.density) == (kept, "comfortable")
    assert heads(client.get("/").content.decode()) == kept.split(",")


def test_it_is_the_persons_own_and_goes_back(
    logged_in: Any, radiologist: Any, technician: Any, study: Any
) -> None:
    client = logged_in(radiologist)
    choose(client, "patient", "state", "priority", density="compact")
    assert "own-columns" not in logged_in(technician).get("/").content.decode()
    answer = client.post(PATH, {"reset": "1"}, headers=HTMX)
    assert "data-kept" in answer.content.decode()
    assert not WorklistAppearance.objects.exists()
    text = client.get("/").content.decode()
    assert 'class="studies"' in text
    assert AuditEvent.objects.filter(action="worklist.appearance.reset").count() == 1


def test_the_usual_columns_are_not_ones_own(logged_in: Any, radiologist: Any, study: Any) -> None:
    client = logged_in(radiologist)
    choose(client, *USUAL_COLUMNS, density="compact")
    text = client.get("/").content.decode()
    assert 'class="studies is-compact"' in text
    assert 'name="columns"' not in text


def test_the_dialog_offers_what_is_shown_first(logged_in: Any, radiologist: Any, db: None) -> None:
    client = logged_in(radiologist)
    choose(client, "state", "patient", "priority", "waiting")
    text = client.get(PATH, headers=HTMX).content.decode()
    names = re.findall(r'name="column"\s+value="(\w+)"', text)
    assert names[:4] == ["state", "patient", "priority", "waiting"]
    assert sorted(names) == sorted(WorklistTable.base_columns)
    assert text.count("always shown") == 3


def test_the_file_has_the_columns_of_the_list(
    logged_in: Any, radiologist: Any, make_study: Any, site: Any
) -> None:
    make_study(site, referring_physician_name="HOUSE^Greg^^Dr", patient_birth_date="19700102")
    client = logged_in(radiologist)
    asked = {"columns": "state,patient,priority,referrer,birth_date,age"}
    answer = client.post("/worklist/export/", asked)
    lines = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert lines[0] == [
        *("State", "Reader", "Assigned to", "Patient", "Priority"),
        *("Referrer", "Birth date", "Sex"),
    ]
    assert lines[1][5:7] == ["HOUSE, Greg, Dr", "19700102"]
    usual = client.post("/worklist/export/").content.decode("utf-8-sig").splitlines()[0]
    assert len(next(csv.reader([usual]))) == 19
    assert set(CSV_COLUMNS) == set(WorklistTable.base_columns)


def test_every_column_sorts_and_a_hidden_one_is_named(
    logged_in: Any, radiologist: Any, make_study: Any, site: Any
) -> None:
    for name in ("B", "A"):
        make_study(
            site, referring_physician_name=name, patient_birth_date=f"1970010{ord(name) - 64}"
        )
    client = logged_in(radiologist)
    choose(client, *WorklistTable.base_columns)
    for name in WorklistTable.base_columns:
        for sort in (name, f"-{name}"):
            assert cells(client.get(f"/?sort={sort}").content.decode())
    assert "sorted by" not in client.get("/?sort=referrer").content.decode()
    choose(client, "state", "patient", "priority")
    assert "sorted by referrer" in client.get("/?sort=referrer").content.decode()


def test_notes_stay_in_sight_without_the_description(
    logged_in: Any, radiologist: Any, study: Any
) -> None:
    StudyNote.objects.create(
        study=study, kind=StudyNote.Kind.NOTE, text="Patient moved", author=radiologist
    )
    client = logged_in(radiologist)
    choose(client, "state", "patient", "priority")
    text = client.get("/").content.decode()
    patient = re.search(r'<th scope="row" class="c-patient">.*?</th>', text, re.DOTALL)
    assert patient is not None
    assert "There are notes" in patient[0]
    usual = client.get(f"/worklist/row/{study.pk}/").content.decode()
    assert usual.count("There are notes:") == 1
