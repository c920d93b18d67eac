"""DiagnosticReport to a FHIR server: an update under an id of ours, so that again is the same."""

from __future__ import annotations

import json
from typing import Any

import urllib3
from django.conf import settings

from reports.delivery import registry, renderings
from reports.delivery.models import Delivery, DeliveryPlace
from reports.delivery.registry import Base, Outcome, Settings, Target
from reports.errors import PermanentError, RetriableError
from studies.sending.addresses import is_own_machine, problem_of_url

NAME = "fhir"
CONNECT_TIMEOUT = 10.0
GONE = "This FHIR server is no longer there or switched off."
UNREACHABLE = "The FHIR server cannot be reached."
ENTERED_IN_ERROR = "entered-in-error"


class FhirTransport(Base):
    """Places that an administrator enters: the base address, and a bearer token as its secret."""

    title = "FHIR server"
    is_entered = True

    def targets(self, site_id: int) -> list[Target]:
        return registry.entered(NAME, site_id)

    def describe(self, site_id: int, data: dict[str, Any]) -> Target:
        """Raises PermanentError where the place is gone."""
        return registry.of_place(_place(site_id, data))

    def clean_settings(self, site_id: int, values: dict[str, Any]) -> Settings:
        """`url`, the base of the service."""
        url = str(values.get("url") or "")
        host = urllib3.util.parse_url(url).hostname if url else ""
        problem = "A FHIR server needs this." if not host else problem_of_url(url)
        if host and not values.get("may_name_own_machine") and is_own_machine(host):
            problem = "Only superusers may name the portal's own machine."
        return Settings({"url": url}, {"url": problem} if problem else {})

    def deliver(self, delivery: Delivery) -> Outcome:
        """PUT (R4 3.1.0.4.3, "update as create"): each version takes the place of the one before,
        a withdrawal says `entered-in-error`."""
        place = _place(delivery.site_id, delivery.target)
        resource = dict(renderings.diagnostic_report(delivery.version))
        resource["id"] = resource.get("id") or resource_id(delivery)
        if delivery.is_recall:
            resource["status"] = ENTERED_IN_ERROR
        url = f"{place.settings['url'].rstrip('/')}/DiagnosticReport/{resource['id']}"
        status = _put(url, place.secret, json.dumps(resource).encode())
        if status in (200, 201, 202, 204):
            return Outcome(is_done=True, reference=resource["id"])
        raise _error(status)


def resource_id(delivery: Delivery) -> str:
    """The logical id (R4 2.24.0.2): of the report, the same for all of its versions."""
    return f"lightbox-{delivery.site_id}-{delivery.version.report_id}"


def _put(url: str, secret: str, body: bytes) -> int:
    headers = {"Content-Type": "application/fhir+json", "Accept": "application/fhir+json"}
    if secret:
        headers["Authorization"] = f"Bearer {secret}"
    timeout = urllib3.Timeout(connect=CONNECT_TIMEOUT, read=settings.SEND_READ_TIMEOUT)
    try:
        with urllib3.PoolManager(maxsize=1, retries=False, timeout=timeout) as pool:
            return pool.request(
                "PUT", url, body=body, headers=headers, redirect=False, preload_content=False
            ).status
    except urllib3.exceptions.HTTPError as error:
        raise RetriableError(UNREACHABLE, whole_place=True, uncertain=True) from error


def _error(status: int) -> PermanentError | RetriableError:
    if status in (401, 403):
        return RetriableError("The FHIR server refuses the portal's login.", whole_place=True)
    if 300 <= status < 400:
        return PermanentError("The FHIR server has moved; its entry must be corrected.")
    if status in (408, 425, 429) or status >= 500:
        return RetriableError(
            f"The FHIR server cannot take reports now (HTTP {status}).", whole_place=True
        )
    return PermanentError(f"The FHIR server refuses the report (HTTP {status}).")


def _place(site_id: int, data: dict[str, Any]) -> DeliveryPlace:
    found = registry.entered_place(site_id, NAME, data)
    if found is None or not found.is_enabled:
        raise PermanentError(GONE)
    return found
