"""What an agent's `hl7` and `mpps` events mean for orders, patients and earlier reports.

The agent has parsed the message; its fields are checked here all the same. An event that cannot be
applied is kept with the reason: it was acknowledged to the RIS and must not be lost.
"""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from agents import protocol
from agents.models import Agent
from reports.attachments import intake as outside
from reports.attachments import received
from reports.attachments.models import Status
from studies.models import Priority
from studies.orders import intake
from studies.orders.models import OrderStatus
from studies.services.arrival import MAX_EXPECTED

EVENTS = (protocol.HL7, protocol.MPPS)
MAX_DATA = 200 * 1024
SHA256 = r"^[0-9a-f]{64}$"
UID = r"^[0-9.]{1,64}$"
DAY = r"^([0-9]{8})?$"
ORDER_MESSAGE, PATIENT_MESSAGES, MERGE_MESSAGE = "ORM^O01", ("ADT^A01", "ADT^A04"), "ADT^A40"


def _text(longest: int, **options: Any) -> Any:
    return serializers.CharField(
        max_length=longest, allow_blank=True, required=False, trim_whitespace=True, **options
    )


class Facts(serializers.Serializer[Any]):
    """What an order and a patient have in common."""

    patient_id = serializers.CharField(max_length=64)
    issuer_of_patient_id = _text(64)
    patient_name = _text(324)
    patient_birth_date = serializers.RegexField(DAY, required=False, allow_blank=True)
    patient_sex = serializers.ChoiceField(choices=["M", "F", "O", ""], required=False)


class OrderFacts(Facts):
    """`studies.orders.intake.OrderFacts` as the agent sends it."""

    control = serializers.ChoiceField(choices=[intake.NEW, intake.CHANGE, intake.CANCEL])
    accession_number = _text(16)
    issuer_of_accession_number = _text(64)
    placer_order_number = _text(64)
    filler_order_number = _text(64)
    requested_procedure_id = _text(16)
    requested_procedure_code = _text(16)
    requested_procedure_scheme = _text(16)
    requested_procedure_description = _text(64)
    scheduled_procedure_step_id = _text(16)
    modality = _text(16)
    scheduled_station_ae_title = _text(16)
    scheduled = _text(30)
    priority = serializers.ChoiceField(choices=Priority.choices, required=False)
    referring_physician_name = _text(324)
    reason = _text(10_000)
    study_instance_uid = serializers.RegexField(UID, required=False, allow_blank=True)
    status = serializers.ChoiceField(choices=OrderStatus.choices, required=False, allow_blank=True)


class PatientFacts(Facts):
    """`studies.orders.intake.PatientFacts` as the agent sends it."""

    prior_patient_id = _text(64)
    prior_issuer_of_patient_id = _text(64)


class ReportFacts(Facts):
    """`reports.attachments.intake.ReportFacts` as the agent sends it."""

    accession_number = _text(16)
    placer_order_number = _text(64)
    filler_order_number = _text(64)
    procedure_code = _text(60)
    title = _text(160)
    observed = _text(30)
    status = serializers.ChoiceField(choices=[each.value for each in Status if each.value])
    text = _text(MAX_DATA)
    pdf = _text(MAX_DATA)
    pdf_sha256 = serializers.RegexField(SHA256, required=False, allow_blank=True)


class Message(serializers.Serializer[Any]):
    """The data of an `hl7` event."""

    sender = serializers.CharField(max_length=200, allow_blank=True)
    control_id = serializers.CharField(max_length=199)
    type = serializers.CharField(max_length=20)
    orders = OrderFacts(many=True, required=False)
    patient = PatientFacts(required=False)
    reports = ReportFacts(many=True, required=False)


class Performed(serializers.Serializer[Any]):
    """The data of an `mpps` event."""

    study_instance_uid = serializers.RegexField(UID)
    accession_number = _text(16)
    status = serializers.ChoiceField(
        choices=[OrderStatus.IN_PROGRESS.value, OrderStatus.COMPLETED.value], required=False
    )
    images = serializers.IntegerField(
        min_value=0, max_value=MAX_EXPECTED, required=False, allow_null=True
    )


def apply(agent: Agent, kind: str, data: dict[str, Any]) -> list[dict[str, Any]]:
    """Apply an event in the caller's transaction: an entry for each order or proposal.

    Each has `what` became of it, the id of the `order` or `proposal`, and `why` it was refused.
    Raises ProtocolError "document-missing": it is to come again with the document before it.
    """
    reader: Any = Message(data=data) if kind == protocol.HL7 else Performed(data=data)
    if not reader.is_valid():
        return [{"what": "refused", "why": "fields: " + ", ".join(sorted(reader.errors))}]
    found = reader.validated_data
    if kind == protocol.MPPS:
        performed = intake.Performed(**found)
        return [
            _shown(intake.take_performed(agent.site, performed, source=f"agent:{agent.pk}:mpps"))
        ]
    source = f"agent:{agent.pk}:{found['sender']}"[:160]
    if "orders" in found:
        orders = [intake.OrderFacts(**each) for each in found["orders"]]
        return [_shown(each) for each in intake.take_orders(agent.site, orders, source=source)]
    if "reports" in found:
        facts = [outside.ReportFacts(**each) for each in found["reports"]]
        try:
            taken = outside.take_reports(
                agent.site,
                facts,
                source=source,
                control_id=found["control_id"],
                left_by=left_by(agent),
            )
        except received.MissingDocument:
            raise protocol.ProtocolError(
                "document-missing", "The PDF that the message names was not left here before."
            ) from None
        return [_of_report(each) for each in taken]
    if "patient" not in found:
        return [{"what": "refused", "why": "neither orders nor a patient"}]
    made = intake.take_patient(
        agent.site,
        intake.PatientFacts(**found["patient"]),
        source=source,
        merge=found["type"] == MERGE_MESSAGE,
        admission=found["type"] in PATIENT_MESSAGES,
    )
    return [{"what": "proposed", "proposal": each.pk} for each in made]


def left_by(agent: Agent) -> str:
    """Whose documents an agent's messages may name: its own."""
    return f"agent:{agent.pk}"


def without_reports(data: dict[str, Any], outcomes: list[dict[str, Any]]) -> dict[str, Any]:
    """What an event keeps: texts and PDFs of reports that were taken are kept with them."""
    if "reports" not in data or any(each["what"] == "refused" for each in outcomes):
        return data
    kept = [
        {name: value for name, value in each.items() if name not in ("text", "pdf")}
        for each in data["reports"]
    ]
    return {**data, "reports": kept}


def _of_report(outcome: outside.Outcome) -> dict[str, Any]:
    entry: dict[str, Any] = {"what": outcome.what}
    if outcome.attachment is not None:
        entry["attachment"] = str(outcome.attachment.pk)
    if outcome.why:
        entry["why"] = outcome.why
    return entry


def _shown(outcome: intake.Outcome) -> dict[str, Any]:
    entry: dict[str, Any] = {"what": outcome.what}
    if outcome.order is not None:
        entry["order"] = outcome.order.pk
    if outcome.why:
        entry["why"] = outcome.why
    return entry
