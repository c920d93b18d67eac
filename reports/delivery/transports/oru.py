"""ORU^R01 straight from the portal, by MLLP, to a receiver that the configuration allows."""

from __future__ import annotations

import ssl
from typing import Any

from reports.delivery import mllp, registry, renderings
from reports.delivery.addresses import is_allowed
from reports.delivery.models import Delivery, DeliveryPlace
from reports.delivery.registry import Base, Outcome, Settings, Target
from reports.errors import PermanentError, RetriableError
from reports.output.hl7 import Ends

NAME = "oru"
GONE = "This receiver is no longer there or switched off."
NOT_ALLOWED = (
    "The portal may not connect to this receiver: whoever runs the portal names it in"
    " PACS_HL7_RECEIVERS."
)
UNREACHABLE = "The receiver cannot be reached; nothing was sent."
UNANSWERED = "The report was sent and not acknowledged. It is sent again under the same number."
FIELDS = (
    *("sending_application", "sending_facility"),
    *("receiving_application", "receiving_facility", "charset"),
)


def control_id(delivery: Delivery) -> str:
    """MSH-10: the same for every try of a delivery, by which a receiver knows it (2.9.2)."""
    return f"LB{delivery.pk}.{delivery.version.verification.hex[:6]}"[:20]


class OruTransport(Base):
    """Places that an administrator enters: host, port and who both sides are."""

    title = "HL7 (ORU)"
    is_entered = True

    def targets(self, site_id: int) -> list[Target]:
        return registry.entered(NAME, site_id)

    def describe(self, site_id: int, data: dict[str, Any]) -> Target:
        """Raises PermanentError where the place is gone."""
        return registry.of_place(_place(site_id, data))

    def clean_settings(self, site_id: int, values: dict[str, Any]) -> Settings:
        """`host`, `port`, `tls`, `charset`, and MSH-3 to 6."""
        problems = {
            name: "An HL7 receiver needs this." for name in ("host", "port") if not values.get(name)
        }
        if not problems and not is_allowed(values["host"], values["port"]):
            problems["host"] = NOT_ALLOWED
        kept = ("host", "port", "tls", *FIELDS)
        return Settings({name: values[name] for name in kept if values.get(name)}, problems)

    def deliver(self, delivery: Delivery) -> Outcome:
        """One message and its acknowledgement: AA is done, AR final, anything else tried again."""
        place = _place(delivery.site_id, delivery.target)
        found = place.settings
        if not is_allowed(found["host"], found["port"]):
            raise PermanentError(NOT_ALLOWED)
        number = control_id(delivery)
        ends = Ends(**{name: found[name] for name in FIELDS if found.get(name)})
        message = renderings.er7(
            delivery.version, ends, withdrawn=delivery.is_recall, message_id=number
        )
        try:
            answer = mllp.send(
                found["host"],
                found["port"],
                message,
                number,
                tls=ssl.create_default_context() if found.get("tls") else None,
            )
        except mllp.Unreachable as error:
            raise RetriableError(UNREACHABLE, whole_place=True) from error
        except mllp.Unanswered as error:
            raise RetriableError(UNANSWERED, whole_place=True, uncertain=True) from error
        if answer.is_taken:
            return Outcome(is_done=True, reference=number, progress=f"Acknowledged {answer.code}")
        # What the receiver says may quote the message: only its code is shown.
        words = f"The receiver answered {answer.code}."
        if answer.is_rejected:
            raise PermanentError(words)
        raise RetriableError(words)


def _place(site_id: int, data: dict[str, Any]) -> DeliveryPlace:
    found = registry.entered_place(site_id, NAME, data)
    if found is None or not found.is_enabled:
        raise PermanentError(GONE)
    return found
