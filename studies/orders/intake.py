"""What a RIS says of orders and a HIS of patients, taken in. Nothing here changes a study's facts.

`None` is a field that was not sent: it stays as it is. "" empties it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import F, Q

from pacs import audit, events
from pacs.accounts.models import Site
from studies.models import Patient, Study
from studies.orders import matching
from studies.orders.models import (
    CorrectionProposal,
    Order,
    OrderStatus,
    ProposalKind,
    ProposalState,
    new_study_instance_uid,
)
from studies.services import priority

LONGEST_ACCESSION = 16
# The accession number is an order number, because nobody has given another.
PROVISIONAL = (
    Q(accession_number="")
    | Q(accession_number=F("filler_order_number"))
    | Q(accession_number=F("placer_order_number"))
)
NEW, CHANGE, CANCEL = "new", "change", "cancel"
PATIENT_FIELDS = ("patient_name", "patient_birth_date", "patient_sex")


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFacts:
    """One order as the RIS sends it; the columns of Order. `scheduled` is text as HL7 writes it."""

    control: str
    patient_id: str
    accession_number: str = ""
    issuer_of_accession_number: str = ""
    placer_order_number: str = ""
    filler_order_number: str = ""
    issuer_of_patient_id: str | None = None
    patient_name: str | None = None
    patient_birth_date: str | None = None
    patient_sex: str | None = None
    requested_procedure_id: str | None = None
    requested_procedure_code: str | None = None
    requested_procedure_scheme: str | None = None
    requested_procedure_description: str | None = None
    scheduled_procedure_step_id: str | None = None
    modality: str | None = None
    scheduled_station_ae_title: str | None = None
    scheduled: str | None = None
    priority: int | None = None
    referring_physician_name: str | None = None
    reason: str | None = None
    study_instance_uid: str = ""
    status: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientFacts:
    """A patient as the HIS has it; `prior_*` of a merge."""

    patient_id: str
    issuer_of_patient_id: str = ""
    patient_name: str | None = None
    patient_birth_date: str | None = None
    patient_sex: str | None = None
    prior_patient_id: str = ""
    prior_issuer_of_patient_id: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one order: `what` is created, changed, cancelled, unchanged, or refused with
    `why`."""

    what: str
    order: Order | None = None
    why: str = ""


# Columns that are taken over as they are sent.
PLAIN = tuple(
    each.name
    for each in fields(OrderFacts)
    if each.name
    not in {
        *("control", "scheduled", "priority", "study_instance_uid", "status"),
        *("accession_number", "issuer_of_accession_number"),
    }
)


def moment(text: str, zone: str) -> datetime | None:
    """An HL7 time stamp (chapter 2A, DTM) in UTC; without an offset it is local to the site.

    None where it is none, or names no day.
    """
    digits, sign, offset = text, "", ""
    for mark in "+-":
        if mark in text:
            digits, sign, offset = text.partition(mark)
            break
    digits = digits.partition(".")[0]
    try:
        if len(digits) < 8 or not digits.isascii() or not digits.isdigit():
            return None
        local = datetime.strptime(digits[:14].ljust(14, "0"), "%Y%m%d%H%M%S")  # noqa: DTZ007
        if sign:
            span = timedelta(hours=int(offset[:2]), minutes=int(offset[2:4] or 0))
            return local.replace(tzinfo=timezone(span if sign == "+" else -span)).astimezone(UTC)
        return local.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def take_orders(site: Site, orders: Sequence[OrderFacts], *, source: str) -> list[Outcome]:
    """Apply the orders of one message, all or none, in their sequence."""
    with transaction.atomic():
        return [_take(site, facts, source) for facts in orders]


def _take(site: Site, facts: OrderFacts, source: str) -> Outcome:
    order, why = _find(site, facts)
    if why:
        return _refused(site, why, source, order)
    if order is None:
        if facts.control == CANCEL or facts.status == OrderStatus.CANCELLED:
            return _refused(site, "unknown-order", source)
        return _create(site, facts, source)
    if order.patient_id != facts.patient_id or (
        facts.issuer_of_patient_id
        and order.issuer_of_patient_id
        and order.issuer_of_patient_id != facts.issuer_of_patient_id
    ):
        # The RIS has given the number twice, or moved the order: a person looks at it.
        return _refused(site, "other-patient", source, order)
    return _change(order, site, facts, source)


def _find(site: Site, facts: OrderFacts) -> tuple[Order | None, str]:
    """The order that is meant; or why that cannot be told.

    By accession number where the message has one, else by the filler's, else by the placer's.
    An order that nobody has numbered yet is found by what it had before.
    """
    rows = Order.objects.select_for_update(of=("self",)).filter(site=site)
    if facts.accession_number:
        numbered = rows.filter(
            accession_number=facts.accession_number,
            issuer_of_accession_number=facts.issuer_of_accession_number,
        )
        if order := numbered.first():
            return order, ""
        rows = rows.filter(PROVISIONAL, study=None)
    found: list[Order] = []
    if facts.filler_order_number:
        found = list(rows.filter(filler_order_number=facts.filler_order_number)[:2])
        if not found:
            # One placer's order can become several of the filler's.
            rows = rows.filter(filler_order_number="")
    if not found and facts.placer_order_number:
        found = list(rows.filter(placer_order_number=facts.placer_order_number)[:2])
    return (None, "several-orders") if len(found) > 1 else (next(iter(found), None), "")


def _number(order: Order, facts: OrderFacts) -> None:
    """The accession number: of the message, else the filler's, else the placer's order number."""
    number = facts.accession_number or order.filler_order_number or order.placer_order_number
    if len(number) > LONGEST_ACCESSION:
        number = ""
    if number and number != order.accession_number:
        order.accession_number = number
        order.issuer_of_accession_number = facts.issuer_of_accession_number


def _create(site: Site, facts: OrderFacts, source: str) -> Outcome:
    order = Order(site=site, source=source)
    _fill(order, site, facts)
    _number(order, facts)
    if facts.study_instance_uid:
        order.study_instance_uid = facts.study_instance_uid
        if Order.objects.filter(site=site, study_instance_uid=facts.study_instance_uid).exists():
            order.study_instance_uid = new_study_instance_uid()
    order.save()
    # What modalities have to be given, and the RIS has not numbered.
    order.requested_procedure_id = order.requested_procedure_id or f"RP{order.pk}"
    order.scheduled_procedure_step_id = order.scheduled_procedure_step_id or f"SPS{order.pk}"
    order.save(update_fields=["requested_procedure_id", "scheduled_procedure_step_id"])
    _record("order.created", order, source)
    matching.announce(order)
    matching.match(site.pk, order.accession_number)
    return Outcome("created", order)


def _change(order: Order, site: Site, facts: OrderFacts, source: str) -> Outcome:
    before = {each.attname: getattr(order, each.attname) for each in Order._meta.fields}
    if facts.control == CANCEL:
        order.status = OrderStatus.CANCELLED
    else:
        if facts.control == NEW and order.status == OrderStatus.CANCELLED:
            order.status = OrderStatus.SCHEDULED
        is_provisional = order.study_id is None and order.accession_number in (
            *("", order.filler_order_number, order.placer_order_number),
        )
        _fill(order, site, facts)
        if is_provisional:
            _number(order, facts)
    changed = sorted(name for name, value in before.items() if getattr(order, name) != value)
    if not changed:
        return Outcome("unchanged", order)
    order.save(update_fields=changed)
    what = "cancelled" if order.status == OrderStatus.CANCELLED else "changed"
    _record(f"order.{what}", order, source, fields=changed)
    _pass_on(order, before)
    matching.announce(order)
    if order.study_id is None:
        matching.match(site.pk, order.accession_number)
    return Outcome(what, order)


def _pass_on(order: Order, before: Mapping[str, Any]) -> None:
    """A priority that the study had of the order follows the order; another stays."""
    if order.study is None:
        return
    if order.priority != before["priority"] and order.study.priority == before["priority"]:
        priority.set_priority(order.study, order.priority, why="order")
    if order.expected_instances != before["expected_instances"]:
        matching.give_expected(order)


def _fill(order: Order, site: Site, facts: OrderFacts) -> None:
    for name in PLAIN:
        value = getattr(facts, name)
        if value is not None and (
            value or name not in {"placer_order_number", "filler_order_number"}
        ):
            setattr(order, name, value)
    if facts.scheduled is not None:
        order.scheduled_at = moment(facts.scheduled, site.timezone)
    if facts.priority is not None:
        order.priority = facts.priority
    if facts.status:
        order.status = facts.status


@dataclass(frozen=True, slots=True, kw_only=True)
class Performed:
    """What a modality says of a procedure step (PS3.4 F.7); `images` None while it goes on."""

    study_instance_uid: str
    accession_number: str = ""
    status: str = ""
    images: int | None = None


def take_performed(site: Site, performed: Performed, *, source: str) -> Outcome:
    """Note how far an order is and how many images it has; its study expects as many."""
    with transaction.atomic():
        rows = Order.objects.select_for_update(of=("self",)).filter(site=site)
        order = rows.filter(study_instance_uid=performed.study_instance_uid).first()
        if order is None:
            return _refused(site, "unknown-order", source)
        before = {each.attname: getattr(order, each.attname) for each in Order._meta.fields}
        if performed.status and order.status != OrderStatus.CANCELLED:
            order.status = performed.status
        if performed.images:
            order.expected_instances = performed.images
        changed = sorted(name for name, value in before.items() if getattr(order, name) != value)
        if not changed:
            return Outcome("unchanged", order)
        order.save(update_fields=changed)
        _record("order.changed", order, source, fields=changed)
        _pass_on(order, before)
        matching.announce(order)
        return Outcome("changed", order)


def take_patient(
    site: Site, facts: PatientFacts, *, source: str, merge: bool = False, admission: bool = False
) -> list[CorrectionProposal]:
    """What the HIS says of a patient: open orders follow, images wait for the correction desk.

    The proposals that were made; the same once more makes none, nor does an `admission`.
    """
    with transaction.atomic():
        if not merge:
            _orders_follow(site, facts, source)
        return [] if admission else _propose(site, facts, source, merge)


def _patients(site: Site, patient_id: str, issuer: str) -> list[Patient]:
    found = Patient.objects.filter(site=site, patient_id=patient_id).order_by("id")[:50]
    return [p for p in found if not issuer or p.issuer_of_patient_id in ("", issuer)]


def _orders_follow(site: Site, facts: PatientFacts, source: str) -> None:
    """Orders that no image has come for yet are the RIS's own words, and take its newer ones."""
    told = {name: v for name in PATIENT_FIELDS if (v := getattr(facts, name)) is not None}
    rows = Order.objects.select_for_update(of=("self",)).filter(
        site=site, patient_id=facts.patient_id, study=None, status=OrderStatus.SCHEDULED
    )
    for order in rows.order_by("id"):
        if order.issuer_of_patient_id and facts.issuer_of_patient_id != order.issuer_of_patient_id:
            continue
        changed = sorted(name for name, value in told.items() if getattr(order, name) != value)
        if not changed:
            continue
        for name in changed:
            setattr(order, name, told[name])
        order.save(update_fields=changed)
        _record("order.changed", order, source, fields=changed)
        matching.announce(order)
        matching.match(site.pk, order.accession_number)


def _propose(site: Site, facts: PatientFacts, source: str, merge: bool) -> list[CorrectionProposal]:
    told = {name: v for name in PATIENT_FIELDS if (v := getattr(facts, name)) is not None}
    if merge:
        wanted = _patients(site, facts.prior_patient_id, facts.prior_issuer_of_patient_id)
        # Images of the old number may still come: the merge is kept for them, too.
        targets: list[Patient | None] = list(wanted) or [None]
        kind = ProposalKind.MERGE
    else:
        found = _patients(site, facts.patient_id, facts.issuer_of_patient_id)
        targets = [patient for patient in found if _differs(patient, told)]
        kind = ProposalKind.UPDATE
    made = []
    for patient in targets:
        values = {
            "site": site,
            "kind": kind,
            "patient_ref": patient,
            "patient_id": facts.patient_id,
            "issuer_of_patient_id": facts.issuer_of_patient_id,
            "prior_patient_id": facts.prior_patient_id,
            "prior_issuer_of_patient_id": facts.prior_issuer_of_patient_id,
        }
        open_ones = CorrectionProposal.objects.filter(**values, state=ProposalState.OPEN)
        if any(each.facts == told for each in open_ones):
            continue
        proposal = CorrectionProposal.objects.create(**values, facts=told, source=source)
        audit.record(
            "correction.proposed",
            site=site,
            patient=patient,
            detail={"proposal": proposal.pk, "kind": str(kind), "source": source},
        )
        events.publish("correction.proposed", site=site.pk, proposal=proposal.pk)
        made.append(proposal)
    return made


def _differs(patient: Patient, told: Mapping[str, str]) -> bool:
    """From the patient's row, or from what any of the patient's studies shows."""
    if any(getattr(patient, name) != value for name, value in told.items()):
        return True
    return any(
        Study.objects.filter(patient_ref=patient).exclude(**{name: value}).exists()
        for name, value in told.items()
    )


def _refused(site: Site, why: str, source: str, order: Order | None = None) -> Outcome:
    audit.record(
        "order.refused",
        site=site,
        outcome="refused",
        detail={"why": why, "source": source, "order": order.pk if order else None},
    )
    return Outcome("refused", order, why)


def _record(action: str, order: Order, source: str, **detail: Any) -> None:
    audit.record(
        action,
        site=order.site_id,
        study=order.study_id,
        detail={"order": order.pk, "source": source, **detail},
    )
