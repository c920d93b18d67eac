"""SR and encapsulated PDF into the study, and on to an Orthanc of the site.

Orthanc tells of them as of any other instance; the follower finds what is stored already.
"""

from __future__ import annotations

from typing import Any

from reports.delivery import renderings
from reports.delivery.models import Delivery
from reports.delivery.registry import DONE, Base, Outcome, Target
from reports.errors import PermanentError, RetriableError
from studies.errors import PermanentError as OrthancPermanent
from studies.errors import RetriableError as OrthancRetriable
from studies.models import OrthancServer
from studies.orthanc.client import OrthancRefuses, client_of

GONE = "This Orthanc is no longer one of the site's."
UNREACHABLE = "The site's Orthanc cannot be reached."
REFUSES = "The site's Orthanc refuses the portal's login."
REFUSED = "The site's Orthanc does not take the report as DICOM."


class OrthancTransport(Base):
    """One target for each enabled Orthanc of the site: `{"server": 3}`."""

    title = "Orthanc"

    def targets(self, site_id: int) -> list[Target]:
        rows = OrthancServer.objects.filter(site=site_id, is_enabled=True).order_by("id")
        return [_target(server) for server in rows]

    def describe(self, site_id: int, data: dict[str, Any]) -> Target:
        """Raises PermanentError where the Orthanc is gone or switched off."""
        return _target(_server(site_id, data))

    def deliver(self, delivery: Delivery) -> Outcome:
        """Store every object; what is there already stays as it is."""
        server = _server(delivery.site_id, delivery.target)
        objects = renderings.dicom_objects(delivery.version)
        client = client_of(server)
        try:
            stored = [client.store(content) for content in objects]
        except OrthancRefuses as error:
            raise RetriableError(REFUSES, whole_place=True) from error
        except OrthancRetriable as error:
            raise RetriableError(UNREACHABLE, whole_place=True, uncertain=True) from error
        except OrthancPermanent as error:
            raise PermanentError(REFUSED) from error
        return Outcome(DONE.is_done, progress=f"{len(stored)} objects")


def _server(site_id: int, data: dict[str, Any]) -> OrthancServer:
    number = data.get("server")
    found = (
        OrthancServer.objects.filter(pk=number, site=site_id, is_enabled=True).first()
        if isinstance(number, int)
        else None
    )
    if found is None:
        raise PermanentError(GONE)
    return found


def _target(server: OrthancServer) -> Target:
    name = server.name
    return Target(name, {"server": server.pk}, str(server.pk), name)
