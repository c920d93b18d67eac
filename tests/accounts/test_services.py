from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ValidationError

from pacs.accounts import services
from pacs.accounts.errors import NotAllowed
from pacs.accounts.models import ApiToken, Membership, Role, Site, User
from pacs.audit.models import AuditEvent

PASSWORD = "another-long-password"


def actor(request: pytest.FixtureRequest, name: str) -> object:
    return AnonymousUser() if name == "anonymous" else request.getfixturevalue(name)


OUTSIDERS = ["radiologist", "technician", "referrer", "stranger", "anonymous"]


@pytest.mark.parametrize("name", ["site_admin", "admin"])
@pytest.mark.parametrize("role", Role.values)
def test_administrators_grant_and_revoke_every_role_of_the_site(
    request: pytest.FixtureRequest, technician: User, site: Site, name: str, role: str
) -> None:
    Membership.objects.filter(user=technician).exclude(role="x").exclude(role=role).delete()
    Membership.objects.get_or_create(user=technician, site=site, role=Role.REFERRER)
    who = actor(request, name)
    services.grant_role(who, technician, site, role)
    services.grant_role(who, technician, site, role)
    assert technician.memberships.filter(site=site, role=role).count() == 1
    assert services.revoke_role(who, technician, site, role)
    assert not services.revoke_role(who, technician, site, role)
    events = AuditEvent.objects.filter(action__startswith="membership.")
    assert all(event.detail["user"] == technician.pk for event in events)
    assert events.last().site_id == site.pk


@pytest.mark.parametrize("name", OUTSIDERS)
def test_others_grant_and_revoke_nothing(
    request: pytest.FixtureRequest, referrer: User, site: Site, name: str
) -> None:
    who = actor(request, name)
    with pytest.raises(NotAllowed):
        services.grant_role(who, referrer, site, Role.RADIOLOGIST)
    with pytest.raises(NotAllowed):
        services.revoke_role(who, referrer, site, Role.REFERRER)
    with pytest.raises(NotAllowed):
        services.create_user(who, "newcomer", PASSWORD, roles=[(site, Role.REFERRER)])
    if who is not referrer:
        with pytest.raises(NotAllowed):
            services.set_password(who, referrer, PASSWORD)
        with pytest.raises(NotAllowed):
            services.issue_token(who, referrer, "mine", scopes=["read"])
    assert not AuditEvent.objects.exists()
    assert not User.objects.filter(username="newcomer").exists()


def test_a_site_administrator_ends_at_the_site(
    site_admin: User, technician: User, other_site: Site, stranger: User
) -> None:
    with pytest.raises(NotAllowed):
        services.grant_role(site_admin, technician, other_site, Role.TECHNICIAN)
    with pytest.raises(NotAllowed):
        services.revoke_role(site_admin, stranger, other_site, Role.RADIOLOGIST)
    with pytest.raises(NotAllowed):
        services.set_password(site_admin, stranger, PASSWORD)


def test_an_unknown_role_is_refused(admin: User, technician: User, site: Site) -> None:
    with pytest.raises(ValueError, match="superuser"):
        services.grant_role(admin, technician, site, "superuser")


def test_an_inactive_administrator_does_nothing(
    site_admin: User, technician: User, site: Site
) -> None:
    site_admin.is_active = False
    with pytest.raises(NotAllowed):
        services.grant_role(site_admin, technician, site, Role.RADIOLOGIST)


def test_superusers_are_out_of_reach(site_admin: User, admin: User, site: Site) -> None:
    with pytest.raises(NotAllowed):
        services.grant_role(site_admin, admin, site, Role.RADIOLOGIST)
    Membership.objects.create(user=admin, site=site, role=Role.RADIOLOGIST)
    with pytest.raises(NotAllowed):
        services.revoke_role(site_admin, admin, site, Role.RADIOLOGIST)
    with pytest.raises(NotAllowed):
        services.set_password(site_admin, admin, PASSWORD)
    with pytest.raises(NotAllowed):
        services.issue_token(site_admin, admin, "mine", scopes=["read"])


def test_a_user_of_two_sites_is_changed_by_superusers_only(
    site_admin: User, admin: User, technician: User, other_site: Site
) -> None:
    services.grant_role(admin, technician, other_site, Role.TECHNICIAN)
    with pytest.raises(NotAllowed):
        services.set_password(site_admin, technician, PASSWORD)
    services.set_password(admin, technician, PASSWORD)
    assert technician.check_password(PASSWORD)


def test_the_admin_opens_and_closes_with_the_role(
    admin: User, technician: User, site: Site
) -> None:
    services.grant_role(admin, technician, site, Role.SITE_ADMIN)
    assert User.objects.get(pk=technician.pk).is_staff
    services.revoke_role(admin, technician, site, Role.SITE_ADMIN)
    assert not User.objects.get(pk=technician.pk).is_staff


class TestCreateUser:
    def test_with_roles(self, site_admin: User, site: Site) -> None:
        user = services.create_user(
            site_admin, "newcomer", PASSWORD, roles=[(site, Role.RADIOLOGIST)]
        )
        assert user.check_password(PASSWORD)
        assert user.memberships.get().role == Role.RADIOLOGIST
        assert PASSWORD not in str(AuditEvent.objects.filter().values())

    def test_without_a_role_by_superusers_only(self, site_admin: User, admin: User) -> None:
        with pytest.raises(NotAllowed):
            services.create_user(site_admin, "newcomer", PASSWORD, roles=[])
        assert services.create_user(admin, "newcomer", PASSWORD, roles=[]).pk

    def test_all_or_nothing(self, site_admin: User, site: Site, other_site: Site) -> None:
        roles = [(site, Role.RADIOLOGIST), (other_site, Role.RADIOLOGIST)]
        with pytest.raises(NotAllowed):
            services.create_user(site_admin, "newcomer", PASSWORD, roles=roles)
        assert not User.objects.filter(username="newcomer").exists()

    def test_a_weak_password_or_a_taken_name_is_refused(
        self, admin: User, technician: User
    ) -> None:
        with pytest.raises(ValidationError):
            services.create_user(admin, "newcomer", "short", roles=[])
        with pytest.raises(ValidationError):
            services.create_user(admin, "TECHNICIAN", PASSWORD, roles=[])


class TestTokens:
    def test_one_for_oneself(self, radiologist: User) -> None:
        token, secret = services.issue_token(radiologist, radiologist, "own", scopes=["read"])
        assert ApiToken.find(secret) == token
        assert not token.sites.exists()
        assert AuditEvent.objects.get().action == "token.created"
        assert secret not in str(AuditEvent.objects.filter().values())

    def test_one_by_the_site_administrator_stays_at_the_site(
        self, site_admin: User, technician: User, site: Site
    ) -> None:
        token, _ = services.issue_token(site_admin, technician, "scanner", scopes=["write"])
        assert list(token.sites.all()) == [site]

    def test_not_for_a_site_the_user_does_not_belong_to(
        self, admin: User, technician: User, other_site: Site
    ) -> None:
        with pytest.raises(NotAllowed):
            services.issue_token(admin, technician, "x", scopes=["read"], sites=[other_site])

    def test_unknown_scope_is_refused(self, radiologist: User) -> None:
        with pytest.raises(ValidationError):
            services.issue_token(radiologist, radiologist, "x", scopes=["everything"])
        assert not AuditEvent.objects.exists()

    def test_revoked_by_the_owner_once(self, radiologist: User, stranger: User) -> None:
        token, secret = services.issue_token(radiologist, radiologist, "own", scopes=["read"])
        with pytest.raises(NotAllowed):
            services.revoke_token(stranger, token)
        assert services.revoke_token(radiologist, token)
        assert not services.revoke_token(radiologist, token)
        assert ApiToken.find(secret) is None
        assert AuditEvent.objects.filter(action="token.revoked").count() == 1
