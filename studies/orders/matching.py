"""Which study came of which order.

Both sides must agree in accession number and its issuer, PatientID and its issuer, and birth
date, and fit nothing else: only then they are linked. The rest waits for a person, with the reason.
An issuer that only one side names does not part them.
"""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from pacs import audit, events
from studies import documents
from studies.models import Instance, Study
from studies.orders import signals
from studies.orders.models import MatchProblem, Order, OrderStatus
from studies.services import arrival, priority

ACCESSION_ISSUER = "00080051"
LOCAL_NAMESPACE, UNIVERSAL_ID = "00400031", "00400032"
# A number that so many studies carry says nothing.
MOST = 20
SWEEP = 200


def _same(ours: str, theirs: str) -> bool:
    return not ours or not theirs or ours == theirs


def accession_issuer(study: Study) -> str:
    """IssuerOfAccessionNumberSequence (0008,0051) of the study's images; "" where there is none."""
    uid = (
        Instance.objects.filter(series__study=study)
        .order_by("id")
        .values_list("sop_instance_uid", flat=True)
        .first()
    )
    document = documents.get_many(study.site_id, [uid]).get(uid, {}) if uid else {}
    items = document.get(ACCESSION_ISSUER, {}).get("Value") or [{}]
    item = items[0] if isinstance(items[0], dict) else {}
    for tag in (LOCAL_NAMESPACE, UNIVERSAL_ID):
        for value in item.get(tag, {}).get("Value") or []:
            return str(value)
    return ""


def disagreement(order: Order, study: Study) -> str:
    """Why an order and a study of one accession number do not belong together; "" where they do."""
    if not study.patient_id or study.patient_id != order.patient_id:
        return MatchProblem.PATIENT
    if not _same(study.issuer_of_patient_id, order.issuer_of_patient_id):
        return MatchProblem.PATIENT
    if not study.patient_birth_date or not order.patient_birth_date:
        return MatchProblem.BIRTH_DATE_MISSING
    if study.patient_birth_date != order.patient_birth_date:
        return MatchProblem.BIRTH_DATE
    return MatchProblem.NONE


def match(site_id: int, accession_number: str, actor: Any = None) -> None:
    """Link what belongs together at this accession number, and note why the rest does not.

    In a transaction; safe to repeat.
    """
    if not accession_number:
        return
    orders = list(
        Order.objects.select_for_update(of=("self",))
        .filter(site=site_id, accession_number=accession_number)
        .exclude(status=OrderStatus.CANCELLED)
        .order_by("id")
    )
    if not any(order.study_id is None for order in orders):
        return
    studies = list(
        Study.objects.kept()
        .filter(site=site_id, accession_number=accession_number, orders=None)
        .order_by("id")[:MOST]
    )
    issuers = {
        study.pk: accession_issuer(study)
        if any(o.issuer_of_accession_number for o in orders)
        else ""
        for study in studies
    }

    def candidates(study: Study) -> list[Order]:
        return [o for o in orders if _same(issuers[study.pk], o.issuer_of_accession_number)]

    for order in orders:
        if order.study_id is not None or order.match_problem == MatchProblem.TAKEN_AWAY:
            continue
        near = [study for study in studies if order in candidates(study)]
        fits = [study for study in near if not disagreement(order, study)]
        if len(fits) == 1 and len(studies) < MOST:
            # Also an order that has its study counts: the number is not this one's alone.
            rivals = [o for o in candidates(fits[0]) if not disagreement(o, fits[0])]
            if len(rivals) == 1:
                link(order, fits[0], actor)
                continue
            problem: str = MatchProblem.SEVERAL_ORDERS
        elif fits:
            problem = MatchProblem.SEVERAL_STUDIES
        else:
            problem = disagreement(order, near[0]) if near else MatchProblem.NONE
        _note(order, problem)


def _note(order: Order, problem: str) -> None:
    if (
        Order.objects.filter(pk=order.pk)
        .exclude(match_problem=problem)
        .update(match_problem=problem)
    ):
        order.match_problem = problem
        announce(order)


def study_arrived(study: Study) -> None:
    """A study is new: has somebody ordered it? In the transaction that stores it."""
    accession = study.accession_number
    if accession and Order.objects.filter(site=study.site_id, accession_number=accession).exists():
        match(study.site_id, accession)


def link(order: Order, study: Study, actor: Any = None, **origin: Any) -> bool:
    """Say that the study came of the order, in a transaction; by itself or by a person.

    The study takes the order's priority where that is higher, and the expected number of images
    where nobody has named one. False where the order has a study already.
    """
    now = timezone.now()
    if not Order.objects.filter(pk=order.pk, study=None).update(
        study=study, linked_at=now, match_problem=MatchProblem.NONE
    ):
        return False
    order.study, order.linked_at, order.match_problem = study, now, MatchProblem.NONE
    _record("order.linked", order, actor, **origin)
    if order.priority < study.priority:
        priority.set_priority(study, order.priority, actor, why="order")
    give_expected(order, actor)
    announce(order)
    events.publish("study.changed", site=study.site_id, study=study.pk)
    return True


def unlink(order: Order, actor: Any, **origin: Any) -> bool:
    """A person says that the study did not come of the order. False where it has none."""
    with transaction.atomic():
        if order.study_id is None:
            return False
        study_id = order.study_id
        if not _release(order, MatchProblem.TAKEN_AWAY, actor, **origin):
            return False
        events.publish("study.changed", site=order.site_id, study=study_id)
    return True


def _release(order: Order, problem: MatchProblem, actor: Any, **origin: Any) -> bool:
    """Take an order's study away, in the caller's transaction. False where it has it no more."""
    _record("order.unlinked", order, actor, **origin)
    if not Order.objects.filter(pk=order.pk, study=order.study_id).update(
        study=None, linked_at=None, match_problem=problem
    ):
        return False
    order.study, order.linked_at, order.match_problem = None, None, problem
    announce(order)
    return True


def corrected(study: Study, actor: Any = None, **origin: Any) -> None:
    """A study's patient or number was corrected, or it was rejected: an order that is not its
    own any more waits for its study again. In the transaction of the correction."""
    kept = Study.objects.kept().filter(pk=study.pk).exists()
    for order in Order.objects.select_for_update(of=("self",)).filter(study=study).order_by("id"):
        number = order.accession_number
        if (
            kept
            and order.patient_id == study.patient_id
            and _same(study.issuer_of_patient_id, order.issuer_of_patient_id)
            and (not number or number == study.accession_number)
        ):
            continue
        _release(order, MatchProblem.NONE, actor, **origin)
        match(order.site_id, number, actor)


def give_expected(order: Order, actor: Any = None) -> None:
    """The order's number of images for its study, unless a person has said another."""
    if order.expected_instances is None or order.study_id is None:
        return
    if Study.objects.filter(pk=order.study_id, expected_instances=None).exists():
        arrival.mark_complete(order.study_id, actor, expected_instances=order.expected_instances)


def announce(order: Order) -> None:
    """Number the change and tell of it, in the caller's transaction."""
    order.seq = events.publish(
        "order.changed", site=order.site_id, study=order.study_id, order=order.pk
    )
    Order.objects.filter(pk=order.pk).update(seq=order.seq, changed_at=timezone.now())
    signals.changed.send(Order, site_id=order.site_id)


def sweep() -> int:
    """Orders whose study is there and was not seen: both came at the same moment."""
    same = Study.objects.kept().filter(
        site=OuterRef("site"), accession_number=OuterRef("accession_number"), orders=None
    )
    found = list(
        Order.objects.filter(Exists(same), study=None, match_problem="")
        .exclude(status=OrderStatus.CANCELLED)
        .exclude(accession_number="")
        .values_list("site_id", "accession_number")[:SWEEP]
    )
    for site_id, accession in found:
        with transaction.atomic():
            match(site_id, accession)
    return len(found)


def _record(action: str, order: Order, actor: Any, **origin: Any) -> None:
    audit.record(action, actor=actor, study=order.study, detail={"order": order.pk}, **origin)
