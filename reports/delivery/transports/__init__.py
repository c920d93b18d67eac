"""The ways out that need no site agent: Orthanc, HL7 directly, e-mail, FHIR."""

from __future__ import annotations


def register() -> None:
    """Enter them in the registry."""
    from reports.delivery import registry
    from reports.delivery.transports import email, fhir, orthanc, oru

    registry.register("orthanc", orthanc.OrthancTransport())
    registry.register("oru", oru.OruTransport())
    registry.register("email", email.EmailTransport())
    registry.register("fhir", fhir.FhirTransport())
