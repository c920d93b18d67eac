"""The only writers of roles, users and tokens. Each change is audited in its transaction.

A superuser may do everything here. A site administrator works within the own site: on its
memberships, and on users whose every membership is there. Nobody else may do anything.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from pacs import audit
from pacs.accounts.errors import NotAllowed
from pacs.accounts.models import TOKEN_DAYS, ApiToken, Membership, Role, Site, User


def administered_sites(actor: Any) -> set[int]:
    """Ids of the sites that the actor administers; none for inactive or anonymous actors."""
    if not actor.is_authenticated or not actor.is_active:
        return set()
    if actor.is_superuser:
        return set(Site.objects.values_list("id", flat=True))
    return set(
        Membership.objects.filter(user=actor, role=Role.SITE_ADMIN).values_list(
            "site_id", flat=True
        )
    )


def administered_users(actor: Any) -> QuerySet[User]:
    """Superusers: everyone. Site administrators: users who belong to administered sites only.

    So an administrator of one site cannot set the password of somebody who works at another.
    """
    if actor.is_authenticated and actor.is_active and actor.is_superuser:
        return User.objects.all()
    sites = administered_sites(actor)
    here = Membership.objects.filter(site__in=sites).values("user")
    elsewhere = Membership.objects.exclude(site__in=sites).values("user")
    return User.objects.filter(is_superuser=False, pk__in=here).exclude(pk__in=elsewhere)


def may_administer_user(actor: Any, user: User) -> bool:
    """Whether the actor may change this user, set the password and make tokens."""
    return administered_users(actor).filter(pk=user.pk).exists()


def only_site(user: User) -> int | None:
    """The site that what is done to a user is filed under: the only one, or none."""
    sites = set(user.memberships.values_list("site_id", flat=True))
    return sites.pop() if len(sites) == 1 else None


def _require_site(actor: Any, site: Site) -> None:
    if site.pk not in administered_sites(actor):
        raise NotAllowed("You do not administer this site.")


def _require_user(actor: Any, user: User) -> None:
    if not may_administer_user(actor, user):
        raise NotAllowed("You do not administer this user.")


def grant_role(actor: Any, user: User, site: Site, role: str, *, address: str = "") -> Membership:
    """Give a user a role at a site; the same again changes nothing.

    Raises NotAllowed unless the actor administers the site, and where a site administrator would
    change a superuser. ValueError for an unknown role.
    """
    role = Role(role).value
    with transaction.atomic():
        _require_site(actor, site)
        if user.is_superuser and not actor.is_superuser:
            raise NotAllowed("You do not administer this user.")
        membership, created = Membership.objects.get_or_create(user=user, site=site, role=role)
        if created:
            audit.record(
                "membership.granted",
                actor=actor,
                site=site,
                address=address,
                detail={"user": user.pk, "role": role},
            )
            refresh_admin_access(user)
    return membership


def revoke_role(actor: Any, user: User, site: Site, role: str, *, address: str = "") -> bool:
    """Take a role away. True if the user held it. Raises as `grant_role`."""
    role = Role(role).value
    with transaction.atomic():
        _require_site(actor, site)
        if user.is_superuser and not actor.is_superuser:
            raise NotAllowed("You do not administer this user.")
        membership = Membership.objects.filter(user=user, site=site, role=role).first()
        if membership is None:
            return False
        membership.delete()
        audit.record(
            "membership.revoked",
            actor=actor,
            site=site,
            address=address,
            detail={"user": user.pk, "role": role},
        )
        refresh_admin_access(user)
    return True


def refresh_admin_access(user: User) -> None:
    """A user reaches the admin while superuser or administrator of a site, and not otherwise."""
    wanted = (
        user.is_superuser or Membership.objects.filter(user=user, role=Role.SITE_ADMIN).exists()
    )
    if user.is_staff != wanted:
        user.is_staff = wanted
        user.save(update_fields=["is_staff"])


def create_user(
    actor: Any,
    username: str,
    password: str,
    *,
    roles: Iterable[tuple[Site, str]],
    first_name: str = "",
    last_name: str = "",
    email: str = "",
    address: str = "",
) -> User:
    """A new user with roles, of which a site administrator has to name at least one.

    Raises NotAllowed, ValidationError for a weak password or a name that is taken.
    """
    roles = list(roles)
    user = User(username=username, first_name=first_name, last_name=last_name, email=email)
    validate_password(password, user)
    user.set_password(password)
    with transaction.atomic():
        if not roles and not actor.is_superuser:
            raise NotAllowed("A new user needs a role at your site.")
        user.full_clean()
        user.save()
        sites = {site.pk for site, _ in roles}
        audit.record(
            "user.created",
            actor=actor,
            site=sites.pop() if len(sites) == 1 else None,
            address=address,
            detail={"user": user.pk},
        )
        for site, role in roles:
            grant_role(actor, user, site, role, address=address)
    return user


def set_password(actor: Any, user: User, password: str, *, address: str = "") -> None:
    """Set a user's password; open sessions of the user end. Raises NotAllowed, ValidationError."""
    _require_user(actor, user)
    validate_password(password, user)
    with transaction.atomic():
        user.set_password(password)
        user.save(update_fields=["password"])
        audit.record(
            "user.password",
            actor=actor,
            site=only_site(user),
            address=address,
            detail={"user": user.pk},
        )


def issue_token(
    actor: Any,
    user: User,
    name: str,
    *,
    scopes: list[str],
    sites: Iterable[Site] = (),
    days: int = TOKEN_DAYS,
    address: str = "",
) -> tuple[ApiToken, str]:
    """A token and its secret, shown once. `actor` None is the command line.

    A token reaches what its user reaches, so only superusers, the users themselves and
    administrators of every site of the user may make one. Raises NotAllowed.
    """
    sites = list(sites)
    if actor is not None and actor.pk != user.pk:
        _require_user(actor, user)
        if not sites and not actor.is_superuser:
            # Another site may take the user on later; this token must not follow there.
            sites = list(Site.objects.filter(memberships__user=user).distinct())
    if not user.is_superuser:
        own = set(user.memberships.values_list("site_id", flat=True))
        if any(site.pk not in own for site in sites):
            raise NotAllowed("A token is for sites that its user belongs to.")
    with transaction.atomic():
        token, secret = ApiToken.issue(user, name, scopes=scopes, sites=sites, days=days)
        audit.record(
            "token.created",
            actor=actor,
            site=only_site(user),
            address=address,
            detail={"token": token.pk, "user": user.pk, "scopes": scopes, "days": days},
        )
    return token, secret


def revoke_token(actor: Any, token: ApiToken, *, address: str = "") -> bool:
    """Make a token useless at once. True unless it already was. Raises NotAllowed."""
    if actor is not None and actor.pk != token.user_id:
        _require_user(actor, token.user)
    with transaction.atomic():
        if token.revoked_at is not None:
            return False
        token.revoked_at = timezone.now()
        token.save(update_fields=["revoked_at"])
        audit.record(
            "token.revoked",
            actor=actor,
            site=only_site(token.user),
            address=address,
            detail={"token": token.pk, "user": token.user_id},
        )
    return True
