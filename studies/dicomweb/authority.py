"""Who asks and which study they may have: asked of the database, believed for at most 5 s."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from itertools import count
from time import monotonic
from typing import Any

from django.conf import settings
from django.db.models.signals import post_delete, post_save
from django.http.cookie import parse_cookie

from pacs import audit
from pacs.accounts import access
from pacs.accounts.addresses import address_of
from pacs.accounts.models import Scope, Site, User
from pacs.accounts.principal import Principal
from studies.corrections.signals import corrected
from studies.dicomweb.errors import ForbiddenError, NotAuthenticatedError, NotFoundError
from studies.dicomweb.exchange import Exchange
from studies.dicomweb.pool import Once, Pool
from studies.models import Study, StudyGrant

BELIEVED_SECONDS = 5.0
IDENTITIES = 4096
STUDIES_EACH = 512

_grant_changes = count(1)
_grant_epoch = 0


def _grants_changed(sender: Any, **kwargs: Any) -> None:
    global _grant_epoch
    _grant_epoch = next(_grant_changes)


def connect() -> None:
    """Forget permissions when a grant comes or goes or a study is corrected; called once at
    start."""
    for signal in (post_save, post_delete):
        signal.connect(_grants_changed, sender=StudyGrant, dispatch_uid="dataplane-grants")
    corrected.connect(_grants_changed, dispatch_uid="dataplane-corrections")


def epoch() -> tuple[int, int]:
    """Changes whenever something that was read earlier must not be believed any more."""
    return access.epoch(), _grant_epoch


@dataclass(frozen=True, slots=True)
class StudyRef:
    """A study that this identity may see."""

    pk: int
    site_id: int
    site_slug: str
    patient_id: int
    study_instance_uid: str
    version: int = 0
    """Grows with every correction: what was remembered of the study counts no more."""


@dataclass(slots=True)
class Identity:
    """A principal, the studies it was shown to see, and what of it is in the audit trail."""

    principal: Principal
    believed_until: float
    epoch: tuple[int, int]
    address: str
    ends_at: float = 0.0
    """Moment of time.monotonic() at which the session or token ends unless it is used."""
    studies: dict[tuple[str | None, str], StudyRef] = field(default_factory=dict)
    destinations: dict[tuple[str | None, str], Site] = field(default_factory=dict)
    """Sites to which it may store, by how a request names them."""
    audited: set[tuple[str, int]] = field(default_factory=set)

    @property
    def is_session(self) -> bool:
        return not self.principal.session_key.startswith("token:")

    def seconds_left(self) -> int:
        """Until the session or token ends."""
        return max(0, int(self.ends_at - monotonic()))

    @property
    def actor(self) -> User:
        """The user for the audit trail, without asking the database."""
        return User(pk=self.principal.user_id, username=self.principal.username)

    def require(self, scope: Scope) -> None:
        if scope.value not in self.principal.scopes:
            raise ForbiddenError("The token lacks the scope for this.")


class Authority:
    """Identities by credentials, in a bounded memory."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._once = Once()
        self._known: OrderedDict[tuple[str, str], Identity] = OrderedDict()

    async def identify(self, exchange: Exchange) -> Identity:
        """The identity of a request, from memory where fresh. Raises NotAuthenticatedError."""
        authorization = exchange.headers.get("authorization", "")
        cookie = "" if authorization else exchange.headers.get("cookie", "")
        if not authorization and not cookie:
            raise NotAuthenticatedError
        key = (authorization, cookie)
        known = self._known.get(key)
        if known is not None and known.believed_until > monotonic() and known.epoch == epoch():
            return known
        return await self._once.run((key, epoch()), lambda: self._ask(key, exchange))

    async def _ask(self, key: tuple[str, str], exchange: Exchange) -> Identity:
        cookie = key[1]
        current = epoch()
        now = monotonic()
        principal, left = await self._pool.run(
            access.resolve_and_end, exchange.headers, parse_cookie(cookie) if cookie else {}
        )
        if principal is None:
            self._known.pop(key, None)
            raise NotAuthenticatedError
        until = now + min(BELIEVED_SECONDS, left)
        identity = Identity(principal, until, current, _address(exchange), ends_at=now + left)
        self._known[key] = identity
        self._known.move_to_end(key)
        if len(self._known) > IDENTITIES:
            self._known.popitem(last=False)
        return identity

    async def study(
        self, identity: Identity, slug: str | None, study_instance_uid: str, action: str
    ) -> StudyRef:
        """The study, if this identity may see it, with the reading of it in the audit trail.

        Raises NotFoundError for hidden and unknown alike. Where a UID exists at several sites and
        none is named, the one received first.
        """
        key = (slug, study_instance_uid)
        found = identity.studies.get(key)
        if found is not None and (action, found.pk) in identity.audited:
            return found
        found = await self._once.run(
            (id(identity), key, action),
            lambda: self._pool.run(_find_study, identity, slug, study_instance_uid, action),
        )
        if len(identity.studies) >= STUDIES_EACH:
            identity.studies.clear()
        identity.studies[key] = found
        identity.audited.add((action, found.pk))
        return found


def _address(exchange: Exchange) -> str:
    peer = exchange.scope.get("client") or [""]
    return address_of(str(peer[0]), exchange.headers.get("x-forwarded-for", ""))


def _find_study(identity: Identity, slug: str | None, uid: str, action: str) -> StudyRef:
    visible = Study.objects.visible_to(identity.principal, rejected=True)
    studies = visible.filter(study_instance_uid=uid)
    if slug is not None:
        studies = studies.filter(site__slug=slug)
    row = (
        studies.select_related("site")
        .only("site__slug", "patient_ref_id", "study_instance_uid", "correction_version")
        .order_by("id")
        .first()
    )
    if row is None:
        raise NotFoundError
    audit.record_read(
        action,
        actor=identity.actor,
        study=row,
        session_key=identity.principal.session_key,
        address=identity.address,
    )
    return StudyRef(
        row.pk, row.site_id, row.site.slug, row.patient_ref_id, uid, row.correction_version
    )


def dicomweb_root(site_slug: str) -> str:
    """The URL of a site's DICOMweb service: below the configured public URL, or a path."""
    return f"{settings.PUBLIC_URL.rstrip('/')}/dicom-web/sites/{site_slug}"
