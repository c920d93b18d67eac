"""To which site a request stores: named in the path or by X-Lightbox-Site, or the only one."""

from __future__ import annotations

from pacs import audit
from pacs.accounts.models import Site
from pacs.accounts.principal import Principal
from studies.dicomweb.authority import Identity
from studies.dicomweb.errors import BadRequestError, ForbiddenError, NotFoundError
from studies.dicomweb.pool import Pool

DESTINATIONS_EACH = 512


def destination(principal: Principal, in_path: str | None, in_header: str) -> Site:
    """The site. Asks the database.

    Raises NotFoundError for a path of a site that is hidden or unknown, ForbiddenError where the
    principal may not store, BadRequestError where there are several and none is named.
    """
    sites = Site.objects.all()
    if not principal.is_superuser:
        sites = sites.filter(id__in=principal.upload_sites)
    if in_path is not None:
        site = sites.filter(slug=in_path).first()
        if site is None:
            if Site.objects.filter(slug=in_path, id__in=principal.sites).exists():
                raise ForbiddenError("You may not send images to that site.")
            raise NotFoundError
        if in_header and in_header != in_path:
            raise BadRequestError("The path names another site than X-Lightbox-Site.")
        return site
    if in_header:
        site = sites.filter(slug=in_header).first()
        if site is None:
            raise ForbiddenError("You may not send images to that site.")
        return site
    found = list(sites[:2])
    if not found:
        raise ForbiddenError("You may not send images to any site.")
    if len(found) > 1:
        raise BadRequestError("Name the site: X-Lightbox-Site with its short name.")
    return found[0]


def _audited(identity: Identity, in_path: str | None, in_header: str) -> Site:
    """The site, with the attempt to store there in the audit trail, once in ten minutes.

    What was new or refused has an event of its own; a repetition of what is there has only this.
    """
    site = destination(identity.principal, in_path, in_header)
    audit.record_read(
        "instances.offered",
        actor=identity.actor,
        site=site,
        session_key=identity.principal.session_key,
        address=identity.address,
    )
    return site


async def audited_destination(
    pool: Pool, identity: Identity, in_path: str | None, in_header: str
) -> Site:
    """The same without the database where this identity has just been told."""
    key = (in_path, in_header)
    site = identity.destinations.get(key)
    if site is None:
        site = await pool.run(_audited, identity, in_path, in_header)
        if len(identity.destinations) < DESTINATIONS_EACH:
            identity.destinations[key] = site
    return site
