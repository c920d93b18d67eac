"""The admin's doors: who reaches which page, and what no post of a site administrator does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from pacs import audit
from pacs.accounts.models import ApiToken, Membership, Role, Site, User
from pacs.audit.models import AuditEvent
from tests.conftest import person

NEW_PASSWORD = "another-long-password"
NO_ROLES = {
    "memberships-TOTAL_FORMS": "0",
    "memberships-INITIAL_FORMS": "0",
    "memberships-MIN_NUM_FORMS": "0",
    "memberships-MAX_NUM_FORMS": "1000",
}


def roles(*pairs: tuple[Site, str]) -> dict[str, Any]:
    data: dict[str, Any] = {**NO_ROLES, "memberships-TOTAL_FORMS": str(len(pairs))}
    for number, (site, role) in enumerate(pairs):
        data[f"memberships-{number}-site"] = site.pk
        data[f"memberships-{number}-role"] = role
    return data


@pytest.fixture
def at_site(site_admin: User, logged_in: Callable[[User], Client]) -> Client:
    return logged_in(site_admin)


@pytest.fixture
def at_all(admin: User, logged_in: Callable[[User], Client]) -> Client:
    return logged_in(admin)


MODELS = [
    "accounts_site",
    "accounts_user",
    "accounts_membership",
    "accounts_apitoken",
    "audit_auditevent",
]


class TestPages:
    @pytest.mark.parametrize("model", MODELS)
    def test_open_for_administrators(
        self, at_all: Client, site_admin: User, stranger: User, model: str
    ) -> None:
        ApiToken.issue(stranger, "theirs")
        page = at_all.get(reverse(f"admin:{model}_changelist"))
        assert page.status_code == 200
        assert page.headers["Cache-Control"] == "no-store"
        assert "default-src 'none'" in page.headers["Content-Security-Policy"]

    @pytest.mark.parametrize("model", MODELS)
    def test_open_for_site_administrators(self, at_site: Client, model: str) -> None:
        assert at_site.get(reverse(f"admin:{model}_changelist")).status_code == 200

    @pytest.mark.parametrize("model", MODELS)
    @pytest.mark.parametrize("actor", ["radiologist", "technician", "referrer", "stranger"])
    def test_closed_to_others(
        self,
        request: pytest.FixtureRequest,
        logged_in: Callable[[User], Client],
        actor: str,
        model: str,
    ) -> None:
        client = logged_in(request.getfixturevalue(actor))
        page = client.get(reverse(f"admin:{model}_changelist"), follow=True)
        assert page.status_code == 403

    @pytest.mark.parametrize("model", MODELS)
    def test_anonymous_goes_to_login(self, client: Client, db: None, model: str) -> None:
        response = client.get(reverse(f"admin:{model}_changelist"), follow=True)
        assert response.redirect_chain[-1][0].startswith("/login/?next=/admin/")

    def test_the_staff_flag_alone_opens_nothing(
        self, site: Site, logged_in: Callable[[User], Client]
    ) -> None:
        client = logged_in(person("flagged", site, Role.RADIOLOGIST, is_staff=True))
        for model in MODELS:
            assert client.get(reverse(f"admin:{model}_changelist")).status_code == 403
        assert client.get(reverse("admin:accounts_user_add")).status_code == 403

    def test_typed_names_and_groups_are_not_registered(self, at_all: Client) -> None:
        page = at_all.get(reverse("admin:index"))
        assert page.status_code == 200
        assert b"/admin/axes/" not in page.content
        assert b"/admin/auth/group/" not in page.content


class TestSiteAdministratorSeesOwnSiteOnly:
    def test_users(self, at_site: Client, radiologist: User, stranger: User, admin: User) -> None:
        page = at_site.get(reverse("admin:accounts_user_changelist")).content.decode()
        assert f"/user/{radiologist.pk}/" in page
        assert f"/user/{stranger.pk}/" not in page
        assert f"/user/{admin.pk}/" not in page

    def test_names_of_other_sites_nowhere(
        self, at_site: Client, radiologist: User, stranger: User, other_site: Site
    ) -> None:
        for page in [
            reverse("admin:accounts_user_changelist"),
            reverse("admin:accounts_user_add"),
            reverse("admin:accounts_user_change", args=[radiologist.pk]),
            reverse("admin:accounts_membership_changelist"),
            reverse("admin:accounts_membership_add"),
            reverse("admin:accounts_apitoken_add"),
            reverse("admin:accounts_site_changelist"),
        ]:
            content = at_site.get(page).content.decode()
            assert other_site.name not in content, page
            assert "stranger" not in content, page

    def test_others_rows_do_not_exist(
        self, at_site: Client, stranger: User, admin: User, other_site: Site
    ) -> None:
        token, _ = ApiToken.issue(stranger, "theirs")
        membership = Membership.objects.get(user=stranger)
        for name, pk in [
            ("accounts_user", stranger.pk),
            ("accounts_user", admin.pk),
            ("accounts_site", other_site.pk),
            ("accounts_membership", membership.pk),
            ("accounts_apitoken", token.pk),
        ]:
            for view in ["change", "delete", "history"]:
                response = at_site.get(reverse(f"admin:{name}_{view}", args=[pk]))
                # Django sends to the index, saying that it does not exist, or answers 403/404.
                assert response.status_code in {302, 403, 404}, (name, view)
                assert b"stranger" not in response.content

    def test_a_colleague_of_two_sites_is_seen_and_not_changed(
        self, at_site: Client, radiologist: User, other_site: Site
    ) -> None:
        Membership.objects.create(user=radiologist, site=other_site, role=Role.RADIOLOGIST)
        change = reverse("admin:accounts_user_change", args=[radiologist.pk])
        page = at_site.get(change)
        assert page.status_code == 200
        assert other_site.name not in page.content.decode()
        assert at_site.post(change, {"username": "taken", **NO_ROLES}).status_code == 403
        assert (
            at_site.post(
                reverse("admin:auth_user_password_change", args=[radiologist.pk]),
                {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD},
            ).status_code
            == 403
        )
        radiologist.refresh_from_db()
        assert radiologist.username == "radiologist"
        assert not radiologist.check_password(NEW_PASSWORD)


class TestSiteAdministratorMay:
    def test_add_a_user_with_a_role_at_the_own_site(
        self, at_site: Client, site_admin: User, site: Site
    ) -> None:
        response = at_site.post(
            reverse("admin:accounts_user_add"),
            {
                "username": "newcomer",
                "usable_password": "true",
                "password1": NEW_PASSWORD,
                "password2": NEW_PASSWORD,
                **roles((site, Role.TECHNICIAN)),
            },
        )
        assert response.status_code == 302
        user = User.objects.get(username="newcomer")
        assert user.memberships.get().role == Role.TECHNICIAN
        assert not user.is_staff
        actions = set(
            AuditEvent.objects.filter(actor_id=site_admin.pk).values_list("action", flat=True)
        )
        assert {"admin.user.added", "membership.granted"} <= actions

    def test_change_a_user_and_the_trail_names_fields_without_values(
        self, at_site: Client, technician: User
    ) -> None:
        response = at_site.post(
            reverse("admin:accounts_user_change", args=[technician.pk]),
            {
                "username": "technician",
                "first_name": "Secretive",
                "is_active": "on",
                "memberships-TOTAL_FORMS": "1",
                "memberships-INITIAL_FORMS": "1",
                "memberships-0-id": technician.memberships.get().pk,
                "memberships-0-user": technician.pk,
            },
        )
        assert response.status_code == 302
        event = AuditEvent.objects.get(action="admin.user.changed")
        assert event.detail == {"id": str(technician.pk), "fields": ["First name"]}
        assert "Secretive" not in str(AuditEvent.objects.filter().values())

    def test_set_a_password(self, at_site: Client, technician: User) -> None:
        response = at_site.post(
            reverse("admin:auth_user_password_change", args=[technician.pk]),
            {
                "password1": NEW_PASSWORD,
                "password2": NEW_PASSWORD,
                "usable_password": "true",
                "set-password": "1",
            },
        )
        assert response.status_code == 302
        technician.refresh_from_db()
        assert technician.check_password(NEW_PASSWORD)
        assert AuditEvent.objects.filter(action="admin.user.changed").exists()

    def test_make_another_site_administrator_who_then_reaches_the_admin(
        self, at_site: Client, technician: User, site: Site
    ) -> None:
        response = at_site.post(
            reverse("admin:accounts_membership_add"),
            {"user": technician.pk, "site": site.pk, "role": Role.SITE_ADMIN},
        )
        assert response.status_code == 302
        technician.refresh_from_db()
        assert technician.is_staff

    def test_take_a_role_away(self, at_site: Client, technician: User) -> None:
        membership = technician.memberships.get()
        response = at_site.post(
            reverse("admin:accounts_membership_delete", args=[membership.pk]), {"post": "yes"}
        )
        assert response.status_code == 302
        assert not technician.memberships.exists()
        assert AuditEvent.objects.filter(action="membership.revoked").exists()

    def test_make_and_revoke_a_token(self, at_site: Client, technician: User, site: Site) -> None:
        page = at_site.post(
            reverse("admin:accounts_apitoken_add"),
            {"user": technician.pk, "name": "scanner", "scopes": ["write"], "days": "10"},
        )
        assert page.status_code == 200
        secret = page.context["secret"]
        assert secret in page.content.decode()
        assert page.headers["Cache-Control"] == "no-store"
        token = ApiToken.find(secret)
        assert token is not None
        assert list(token.sites.all()) == [site]
        assert secret not in str(AuditEvent.objects.filter().values())
        change = at_site.get(reverse("admin:accounts_apitoken_change", args=[token.pk]))
        assert change.status_code == 200
        assert secret not in change.content.decode()
        response = at_site.post(
            reverse("admin:accounts_apitoken_changelist"),
            {"action": "revoke", "_selected_action": [token.pk]},
        )
        assert response.status_code == 302
        assert ApiToken.find(secret) is None
        assert AuditEvent.objects.filter(action="token.revoked").exists()

    def test_read_what_happened_at_the_own_site(
        self, at_site: Client, technician: User, stranger: User, site: Site, other_site: Site
    ) -> None:
        for place, who in [(site, technician), (other_site, stranger)]:
            audit.record("report.read", actor=who, site=place)
        page = at_site.get(reverse("admin:audit_auditevent_changelist")).content.decode()
        assert "technician" in page
        assert "stranger" not in page
        mine, theirs = AuditEvent.objects.filter(action="report.read").order_by("id")
        view = "admin:audit_auditevent_change"
        assert at_site.get(reverse(view, args=[mine.pk])).status_code == 200
        assert at_site.get(reverse(view, args=[theirs.pk])).status_code == 302
        assert at_site.post(reverse(view, args=[mine.pk]), {"action": "x"}).status_code == 403

    def test_set_the_time_zone_of_the_own_site(self, at_site: Client, site: Site) -> None:
        response = at_site.post(
            reverse("admin:accounts_site_change", args=[site.pk]),
            {
                "name": site.name,
                "slug": "taken",
                "timezone": "Europe/Paris",
                "auto_release_minutes": "60",
            },
        )
        assert response.status_code == 302
        site.refresh_from_db()
        assert (site.timezone, site.slug) == ("Europe/Paris", "main")


class TestSiteAdministratorCannot:
    def add_user(self, client: Client, **data: Any) -> Any:
        return client.post(
            reverse("admin:accounts_user_add"),
            {
                "username": "newcomer",
                "usable_password": "true",
                "password1": NEW_PASSWORD,
                "password2": NEW_PASSWORD,
                **data,
            },
        )

    def test_add_a_user_to_another_site(self, at_site: Client, other_site: Site) -> None:
        response = self.add_user(at_site, **roles((other_site, Role.RADIOLOGIST)))
        assert response.status_code == 200
        assert not User.objects.filter(username="newcomer").exists()

    def test_add_a_user_to_both_sites(self, at_site: Client, site: Site, other_site: Site) -> None:
        pairs = roles((site, Role.RADIOLOGIST), (other_site, Role.RADIOLOGIST))
        assert self.add_user(at_site, **pairs).status_code == 200
        assert not User.objects.filter(username="newcomer").exists()

    def test_add_a_user_without_a_role(self, at_site: Client) -> None:
        assert self.add_user(at_site, **NO_ROLES).status_code == 200
        assert not User.objects.filter(username="newcomer").exists()

    def test_add_a_superuser(self, at_site: Client, site: Site) -> None:
        self.add_user(at_site, **roles((site, Role.RADIOLOGIST)), is_superuser="on", is_staff="on")
        user = User.objects.get(username="newcomer")
        assert not user.is_superuser
        assert not user.is_staff

    @pytest.mark.parametrize("who", ["site_admin", "technician"])
    def test_make_a_superuser(
        self, request: pytest.FixtureRequest, at_site: Client, who: str
    ) -> None:
        user = request.getfixturevalue(who)
        at_site.post(
            reverse("admin:accounts_user_change", args=[user.pk]),
            {
                "username": user.username,
                "is_active": "on",
                "is_superuser": "on",
                "is_staff": "on",
                "groups": "1",
                "user_permissions": "1",
                "is_demo": "on",
                "memberships-TOTAL_FORMS": "0",
                "memberships-INITIAL_FORMS": "0",
            },
        )
        user.refresh_from_db()
        assert not user.is_superuser
        assert not user.is_demo
        assert user.is_staff == (who == "site_admin")

    @pytest.mark.parametrize("who", ["admin", "stranger"])
    def test_set_the_password_of(
        self, request: pytest.FixtureRequest, at_site: Client, who: str
    ) -> None:
        user = request.getfixturevalue(who)
        response = at_site.post(
            reverse("admin:auth_user_password_change", args=[user.pk]),
            {
                "password1": NEW_PASSWORD,
                "password2": NEW_PASSWORD,
                "usable_password": "true",
                "set-password": "1",
            },
        )
        assert response.status_code in {403, 404}
        user.refresh_from_db()
        assert not user.check_password(NEW_PASSWORD)

    def test_touch_a_superuser_who_works_at_the_site(
        self, at_site: Client, admin: User, site: Site
    ) -> None:
        membership = Membership.objects.create(user=admin, site=site, role=Role.RADIOLOGIST)
        delete = reverse("admin:accounts_membership_delete", args=[membership.pk])
        assert at_site.post(delete, {"post": "yes"}).status_code in {302, 403}
        change = reverse("admin:accounts_user_change", args=[admin.pk])
        assert at_site.post(change, {"username": "taken", **NO_ROLES}).status_code in {302, 403}
        add = reverse("admin:accounts_membership_add")
        at_site.post(add, {"user": admin.pk, "site": site.pk, "role": Role.REFERRER})
        admin.refresh_from_db()
        assert admin.username == "admin"
        assert list(admin.memberships.values_list("role", flat=True)) == [Role.RADIOLOGIST]

    def test_grant_a_role_at_another_site(
        self, at_site: Client, technician: User, other_site: Site
    ) -> None:
        response = at_site.post(
            reverse("admin:accounts_membership_add"),
            {"user": technician.pk, "site": other_site.pk, "role": Role.TECHNICIAN},
        )
        assert response.status_code == 200
        assert technician.memberships.count() == 1

    def test_bring_in_a_user_of_another_site(
        self, at_site: Client, stranger: User, site: Site
    ) -> None:
        response = at_site.post(
            reverse("admin:accounts_membership_add"),
            {"user": stranger.pk, "site": site.pk, "role": Role.TECHNICIAN},
        )
        assert response.status_code == 200
        assert stranger.memberships.count() == 1

    def test_grant_a_role_that_does_not_exist(
        self, at_site: Client, technician: User, site: Site
    ) -> None:
        at_site.post(
            reverse("admin:accounts_membership_add"),
            {"user": technician.pk, "site": site.pk, "role": "superuser"},
        )
        assert technician.memberships.count() == 1

    def test_take_away_a_role_at_another_site(self, at_site: Client, stranger: User) -> None:
        membership = stranger.memberships.get()
        at_site.post(
            reverse("admin:accounts_membership_delete", args=[membership.pk]), {"post": "yes"}
        )
        at_site.post(
            reverse("admin:accounts_membership_changelist"),
            {"action": "delete_selected", "_selected_action": [membership.pk], "post": "yes"},
        )
        assert stranger.memberships.exists()

    def test_slip_another_users_row_into_the_inline(
        self, at_site: Client, technician: User, stranger: User
    ) -> None:
        at_site.post(
            reverse("admin:accounts_user_change", args=[technician.pk]),
            {
                "username": "technician",
                "is_active": "on",
                "memberships-TOTAL_FORMS": "1",
                "memberships-INITIAL_FORMS": "1",
                "memberships-0-id": stranger.memberships.get().pk,
                "memberships-0-user": stranger.pk,
                "memberships-0-DELETE": "on",
            },
        )
        assert stranger.memberships.exists()

    @pytest.mark.parametrize("who", ["admin", "stranger"])
    def test_make_a_token_for(
        self, request: pytest.FixtureRequest, at_site: Client, who: str
    ) -> None:
        user = request.getfixturevalue(who)
        response = at_site.post(
            reverse("admin:accounts_apitoken_add"),
            {"user": user.pk, "name": "mine", "scopes": ["read"], "days": "10"},
        )
        assert response.status_code == 200
        assert not ApiToken.objects.exists()

    def test_make_a_token_for_another_site(
        self, at_site: Client, technician: User, other_site: Site
    ) -> None:
        at_site.post(
            reverse("admin:accounts_apitoken_add"),
            {
                "user": technician.pk,
                "name": "mine",
                "scopes": ["read"],
                "days": "10",
                "sites": [other_site.pk],
            },
        )
        assert not ApiToken.objects.exists()

    def test_change_or_widen_a_token(
        self, at_site: Client, technician: User, site: Site, other_site: Site
    ) -> None:
        token, _ = ApiToken.issue(technician, "narrow", sites=[site])
        at_site.post(
            reverse("admin:accounts_apitoken_change", args=[token.pk]),
            {"user": technician.pk, "name": "wide", "sites": [other_site.pk], "scopes": ["write"]},
        )
        token.refresh_from_db()
        assert (token.name, token.scopes) == ("narrow", ["read"])
        assert list(token.sites.all()) == [site]

    def test_revoke_a_token_of_another_site(self, at_site: Client, stranger: User) -> None:
        token, _ = ApiToken.issue(stranger, "theirs")
        at_site.post(
            reverse("admin:accounts_apitoken_changelist"),
            {"action": "revoke", "_selected_action": [token.pk]},
        )
        token.refresh_from_db()
        assert token.revoked_at is None

    def test_add_or_delete_a_site(self, at_site: Client, site: Site) -> None:
        add = at_site.post(
            reverse("admin:accounts_site_add"), {"name": "X", "slug": "x", "timezone": "UTC"}
        )
        assert add.status_code == 403
        delete = reverse("admin:accounts_site_delete", args=[site.pk])
        assert at_site.post(delete, {"post": "yes"}).status_code == 403
        assert Site.objects.count() == 1

    def test_find_others_through_filters(self, at_site: Client, stranger: User) -> None:
        page = at_site.get(
            reverse("admin:accounts_membership_changelist"), {"user__username": "stranger"}
        )
        assert b"stranger (" not in page.content
        page = at_site.get(
            reverse("admin:accounts_user_changelist"), {"memberships__site__id__exact": "99999"}
        )
        assert b"stranger" not in page.content


class TestSuperuserMay:
    def test_make_a_superuser(self, at_all: Client, technician: User) -> None:
        response = at_all.post(
            reverse("admin:accounts_user_change", args=[technician.pk]),
            {"username": "technician", "is_active": "on", "is_superuser": "on", **NO_ROLES},
        )
        assert response.status_code == 302
        technician.refresh_from_db()
        assert technician.is_superuser
        assert technician.is_staff
        event = AuditEvent.objects.get(action="admin.user.changed")
        assert event.detail["fields"] == ["Superuser status"]

    def test_add_a_site(self, at_all: Client) -> None:
        response = at_all.post(
            reverse("admin:accounts_site_add"),
            {
                "name": "West",
                "slug": "west",
                "timezone": "Europe/Berlin",
                "auto_release_minutes": "0",
            },
        )
        assert response.status_code == 302
        assert AuditEvent.objects.get(action="admin.site.added").site_id == Site.objects.get().pk

    def test_not_delete_a_site(self, at_all: Client, site: Site) -> None:
        delete = reverse("admin:accounts_site_delete", args=[site.pk])
        assert at_all.post(delete, {"post": "yes"}).status_code == 403

    def test_change_the_own_password(self, at_all: Client, admin: User, password: str) -> None:
        response = at_all.post(
            reverse("admin:password_change"),
            {
                "old_password": password,
                "new_password1": NEW_PASSWORD,
                "new_password2": NEW_PASSWORD,
            },
        )
        assert response.status_code == 302
        assert AuditEvent.objects.filter(action="user.password", actor_id=admin.pk).exists()

    def test_log_out_through_the_admin(self, at_all: Client) -> None:
        response = at_all.post(reverse("admin:logout"))
        assert response.status_code == 302
        assert "Clear-Site-Data" in response.headers


def test_a_change_that_cannot_be_audited_does_not_happen(
    at_site: Client, technician: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("the trail is full")

    monkeypatch.setattr("pacs.audit.record", broken)
    with pytest.raises(RuntimeError):
        at_site.post(
            reverse("admin:accounts_user_change", args=[technician.pk]),
            {"username": "renamed", "is_active": "on", **NO_ROLES},
        )
    technician.refresh_from_db()
    assert technician.username == "technician"
