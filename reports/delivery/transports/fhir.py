"""DiagnosticReport to a FHIR server: an update under an id of ours, so that again is the same."""

from __future__ import annotations

import base64
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
        resource = outgoing(delivery)
        url = f"{place.settings['url'].rstrip('/')}/DiagnosticReport/{resource['id']}"
        status = _put(url, place.secret, json.dumps(resource).encode())
        if status in (200, 201, 202, 204):
            return Outcome(is_done=True, reference=resource["id"])
        raise _error(status)


def outgoing(delivery: Delivery) -> dict[str, Any]:
    """The resource as another server can keep it: under an id that is nobody else's there, the same
    for all versions of the report; nothing in it points to a server where its readers have no
    account."""
    version = delivery.version
    resource = dict(renderings.diagnostic_report(version))
    resource["id"] = f"lightbox-{delivery.site_id}-{version.report_id}"
    # The identifier of each study stays (R4 2.3.0.1, logical references).
    resource["imagingStudy"] = [
        {name: value for name, value in study.items() if name != "reference"}
        for study in resource.get("imagingStudy", ())
    ]
    if delivery.is_recall:
        resource["status"] = ENTERED_IN_ERROR
        resource.pop("presentedForm", None)
    elif forms := resource.get("presentedForm"):
        pdf = base64.b64encode(renderings.pdf(version)).decode()
        kept = {name: value for name, value in forms[0].items() if name != "url"}
        resource["presentedForm"] = [{**kept, "data": pdf}]
    return {name: value for name, value in resource.items() if value}


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
