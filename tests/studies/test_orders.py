"""Orders: a RIS is taken at its word once; studies are linked where nothing is in doubt."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from pacs.audit.models import AuditEvent
from pacs.events.models import SiteEvent
from studies import documents
from studies.models import Arrival, Instance, Patient, Series
from studies.orders import intake, matching
from studies.orders.intake import OrderFacts, PatientFacts, Performed
from studies.orders.models import CorrectionProposal, Order

pytestmark = pytest.mark.django_db
WHO = {"patient_id": "P1", "patient_birth_date": "19700131"}


def order(site: Any, control: str = intake.NEW, **fields: Any) -> intake.Outcome:
    values = {"accession_number": "A1", "patient_name": "DOE^Jane", **WHO, **fields}
    return intake.take_orders(site, [OrderFacts(control=control, **values)], source="test")[0]


@pytest.fixture
def came(site: Any, make_study: Callable[..., Any]) -> Callable[..., Any]:
    """A study has been stored; `issuer` of its accession number is in its images."""

    def make(*, issuer: str = "", **fields: Any) -> Any:
        number = Patient.objects.count()
        study = make_study(
            site,
            patient_ref=Patient.objects.create(site=site, patient_id=f"row {number}"),
            **{"accession_number": "A1", **WHO, **fields},
        )
        series = Series.objects.create(study=study, series_instance_uid=f"1.2.{study.pk}")
        uid = f"1.3.{study.pk}"
        Instance.objects.create(
            **{"site": site, "series": series, "sop_instance_uid": uid, "file_size": 1}
        )
        value = {"vr": "SQ", "Value": [{"00400031": {"vr": "UT", "Value": [issuer]}}]}
        body = json.dumps({matching.ACCESSION_ISSUER: value} if issuer else {})
        documents.replace_many(
            [documents.Document(site.pk, study.study_instance_uid, "1.2", uid, 1, body)]
        )
        matching.study_arrived(study)
        study.refresh_from_db()
        return study

    return make


def test_an_order_and_its_changes(site: Any) -> None:
    made = order(
        site,
        placer_order_number="PL1",
        scheduled="202611241430",
        priority=1,
        modality="CT",
        reason="cough",
    )
    row = Order.objects.get()
    assert (made.what, row.status, row.priority) == ("created", "scheduled", 1)
    # Berlin in November.
    assert row.scheduled_at == datetime(2026, 11, 24, 13, 30, tzinfo=UTC)
    assert row.study_instance_uid.startswith("2.25.")
    assert (row.requested_procedure_id, row.scheduled_procedure_step_id) == (
        f"RP{row.pk}",
        f"SPS{row.pk}",
    )
    event = SiteEvent.objects.get(type="order.changed")
    assert (event.seq, event.extra) == (row.seq, {"order": row.pk})
    # The same again changes nothing and tells nobody; what is not sent stays.
    assert order(site, placer_order_number="PL1", reason="cough").what == "unchanged"
    assert order(site, intake.CHANGE, reason="", scheduled="2026112507").what == "changed"
    row.refresh_from_db()
    assert (row.reason, row.modality) == ("", "CT")
    assert row.scheduled_at == datetime(2026, 11, 25, 6, 0, tzinfo=UTC)
    assert order(site, intake.CANCEL, accession_number="", placer_order_number="PL1").what == (
        "cancelled"
    )
    assert order(site).what == "changed"
    row.refresh_from_db()
    assert row.status == "scheduled"
    trail = AuditEvent.objects.filter(action__startswith="order.").order_by("id")
    assert [each.action for each in trail] == [
        *("order.created", "order.changed", "order.cancelled", "order.changed")
    ]
    assert trail[1].detail["fields"] == ["reason", "scheduled_at"]
    assert "cough" not in str([each.detail for each in trail])


def test_an_order_is_known_by_whichever_number_it_has(site: Any) -> None:
    def numbers() -> list[tuple[str, str, str]]:
        return list(
            Order.objects.order_by("id").values_list(
                "accession_number", "filler_order_number", "placer_order_number"
            )
        )

    def take(control: str, accession: str = "", **fields: Any) -> str:
        outcome = order(site, control, accession_number=accession, **fields)
        return outcome.why or outcome.what

    # The ward orders, the RIS numbers it, and numbers it for DICOM at last.
    assert take(intake.NEW, placer_order_number="PL1") == "created"
    assert numbers() == [("PL1", "", "PL1")]
    one = {"placer_order_number": "PL1", "filler_order_number": "F1"}
    assert take(intake.CHANGE, **one) == "changed"
    assert numbers() == [("F1", "F1", "PL1")]
    assert take(intake.CHANGE, "A7", **one) == "changed"
    assert numbers() == [("A7", "F1", "PL1")]
    # Without OBR the accession number is not in the message.
    assert take(intake.CHANGE, reason="x", filler_order_number="F1") == "changed"
    assert numbers() == [("A7", "F1", "PL1")]
    # A second procedure of one placer's order is an order of its own.
    assert take(intake.NEW, "A8", placer_order_number="PL1", filler_order_number="F2") == "created"
    assert take(intake.CANCEL, placer_order_number="PL1") == "several-orders"
    assert take(intake.CANCEL, filler_order_number="F2") == "cancelled"
    assert dict(Order.objects.values_list("accession_number", "status")) == {
        "A7": "scheduled",
        "A8": "cancelled",
    }
    assert take(intake.CHANGE, placer_order_number="P" * 17) == "created"
    assert numbers()[-1] == ("", "", "P" * 17)


def test_what_cannot_be_applied_is_refused_with_its_reason(site: Any, other_site: Any) -> None:
    assert order(site, intake.CANCEL).why == "unknown-order"
    order(site, issuer_of_patient_id="HOSP")
    assert order(site, patient_id="P2").why == "other-patient"
    assert order(site, issuer_of_patient_id="CLINIC").why == "other-patient"
    assert Order.objects.get().patient_id == "P1"
    assert order(other_site).what == "created"
    assert order(site, issuer_of_accession_number="LAB", patient_id="P2").what == "created"
    assert AuditEvent.objects.filter(action="order.refused", outcome="refused").count() == 3


@pytest.mark.parametrize("first", ["order", "study"])
def test_a_study_finds_its_order(site: Any, came: Any, first: str) -> None:
    if first == "order":
        order(site, priority=0)
        study = came()
    else:
        study = came()
        order(site, priority=0)
        study.refresh_from_db()
    row = Order.objects.get()
    assert (row.study_id, row.match_problem, study.priority) == (study.pk, "", 0)
    assert AuditEvent.objects.get(action="order.linked").study_id == study.pk
    assert AuditEvent.objects.get(action="study.priority").study_id == study.pk


@pytest.mark.parametrize(
    ("of_order", "of_study", "problem"),
    [
        ({}, {"patient_id": "P2"}, "patient"),
        ({}, {"patient_id": ""}, "patient"),
        ({"issuer_of_patient_id": "A"}, {"issuer_of_patient_id": "B"}, "patient"),
        ({}, {"patient_birth_date": "19700130"}, "birth_date"),
        ({}, {"patient_birth_date": ""}, "birth_date_missing"),
        ({"patient_birth_date": ""}, {}, "birth_date_missing"),
        ({"issuer_of_accession_number": "A"}, {"issuer": "B"}, ""),
        ({}, {"accession_number": "A2"}, ""),
    ],
)
def test_what_does_not_agree_is_not_linked(
    site: Any, came: Any, of_order: dict[str, str], of_study: dict[str, str], problem: str
) -> None:
    order(site, **of_order)
    came(**of_study)
    row = Order.objects.get()
    assert (row.study_id, row.match_problem) == (None, problem)
    matching.sweep()
    row.refresh_from_db()
    assert row.study_id is None


def test_issuers_part_equal_accession_numbers(site: Any, came: Any) -> None:
    order(site, issuer_of_accession_number="A")
    order(site, issuer_of_accession_number="B")
    study = came(issuer="B")
    assert Order.objects.get(issuer_of_accession_number="B").study_id == study.pk
    assert Order.objects.get(issuer_of_accession_number="A").study_id is None


def test_ambiguity_links_nothing(site: Any, came: Any) -> None:
    order(site, issuer_of_accession_number="A")
    order(site, issuer_of_accession_number="B")
    came()
    assert set(Order.objects.values_list("study", "match_problem")) == {(None, "several_orders")}


def test_two_studies_of_one_number(site: Any, came: Any) -> None:
    came()
    came()
    order(site)
    assert Order.objects.values_list("study", "match_problem").get() == (None, "several_studies")


def test_a_second_study_of_a_linked_order_stays_without(site: Any, came: Any) -> None:
    order(site)
    first, second = came(), came()
    assert Order.objects.get().study_id == first.pk
    assert not second.orders.exists()


def test_a_correction_of_the_order_links(site: Any, came: Any) -> None:
    order(site, patient_birth_date="19700130")
    study = came()
    order(site, intake.CHANGE)
    assert Order.objects.get().study_id == study.pk


def test_what_a_person_takes_away_stays_away(site: Any, came: Any, technician: Any) -> None:
    order(site)
    study = came()
    assert matching.unlink(Order.objects.get(), technician)
    order(site, intake.CHANGE, reason="new")
    matching.sweep()
    row = Order.objects.get()
    assert (row.study_id, row.match_problem) == (None, "taken_away")
    assert matching.link(row, study, technician)
    assert not matching.link(Order.objects.get(), study, technician)


def test_the_sweep_finds_what_came_at_the_same_moment(site: Any, came: Any) -> None:
    study = came()
    Order.objects.create(site=site, accession_number="A1", **WHO)
    assert matching.sweep() == 1
    assert Order.objects.get().study_id == study.pk
    assert matching.sweep() == 0


def test_priority_follows_the_order_unless_a_person_chose(site: Any, came: Any) -> None:
    order(site, priority=1)
    study = came()
    order(site, intake.CHANGE, priority=0)
    study.refresh_from_db()
    assert study.priority == 0
    study.priority = 1
    study.save(update_fields=["priority"])
    order(site, intake.CHANGE, priority=2)
    study.refresh_from_db()
    assert study.priority == 1


def test_a_procedure_step_gives_the_number_of_images(site: Any, came: Any) -> None:
    order(site)
    uid = Order.objects.get().study_instance_uid
    performed = Performed(study_instance_uid=uid, status="in_progress")
    assert intake.take_performed(site, performed, source="test").what == "changed"
    study = came(number_of_instances=3)
    performed = Performed(study_instance_uid=uid, status="completed", images=3)
    assert intake.take_performed(site, performed, source="test").what == "changed"
    study.refresh_from_db()
    assert (study.expected_instances, study.arrival) == (3, Arrival.COMPLETE)
    assert Order.objects.get().status == "completed"
    assert intake.take_performed(site, performed, source="test").what == "unchanged"
    unknown = Performed(study_instance_uid="1.2.3", images=3)
    assert intake.take_performed(site, unknown, source="test").why == "unknown-order"


def test_a_patients_new_facts_are_proposed_and_change_no_study(site: Any, came: Any) -> None:
    order(site, accession_number="A2")
    order(site, accession_number="A3")
    Order.objects.filter(accession_number="A3").update(status="completed")
    patient = Patient.objects.create(site=site, patient_name="DOE^Jane", **WHO)
    study = came(accession_number="", patient_name="DOE^Jane")
    study.patient_ref = patient
    study.save(update_fields=["patient_ref"])
    facts = PatientFacts(patient_id="P1", patient_name="ROE^Jane", patient_birth_date="19700131")
    assert intake.take_patient(site, facts, source="his", admission=True) == []
    made = intake.take_patient(site, facts, source="his")
    assert [(each.kind, each.patient_ref_id, each.facts) for each in made] == [
        ("update", patient.pk, {"patient_name": "ROE^Jane", "patient_birth_date": "19700131"})
    ]
    assert intake.take_patient(site, facts, source="his") == []
    study.refresh_from_db()
    patient.refresh_from_db()
    assert (study.patient_name, patient.patient_name) == ("DOE^Jane", "DOE^Jane")
    names = dict(Order.objects.values_list("accession_number", "patient_name"))
    assert names == {"A2": "ROE^Jane", "A3": "DOE^Jane"}
    assert AuditEvent.objects.get(action="correction.proposed").patient_id == patient.pk


def test_a_merge_is_proposed(site: Any, other_site: Any) -> None:
    old = Patient.objects.create(site=site, patient_id="OLD")
    Patient.objects.create(site=other_site, patient_id="OLD")
    facts = PatientFacts(patient_id="P1", prior_patient_id="OLD", prior_issuer_of_patient_id="H")
    made = intake.take_patient(site, facts, source="his", merge=True)
    assert [(each.kind, each.patient_ref_id, each.prior_patient_id) for each in made] == [
        ("merge", old.pk, "OLD")
    ]
    assert intake.take_patient(site, facts, source="his", merge=True) == []
    later = PatientFacts(patient_id="P1", prior_patient_id="NOT-YET")
    assert intake.take_patient(site, later, source="his", merge=True)[0].patient_ref_id is None
    assert CorrectionProposal.objects.count() == 2


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("20260701", datetime(2026, 6, 30, 22, 0, tzinfo=UTC)),
        ("20260701083015.123", datetime(2026, 7, 1, 6, 30, 15, tzinfo=UTC)),
        ("202607010830+0000", datetime(2026, 7, 1, 8, 30, tzinfo=UTC)),
        ("202607010830-0530", datetime(2026, 7, 1, 14, 0, tzinfo=UTC)),
        ("2026", None),
        ("20261301", None),
        ("2026070108\u0663\u0660", None),
        ("00010101000000+1400", None),
        ("20260701+99", None),
        ("", None),
    ],
)
def test_time_stamps(text: str, wanted: datetime | None) -> None:
    assert intake.moment(text, "Europe/Berlin") == wanted
