"""Who is asking, as the data plane and sockets see it."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from pacs.accounts import access, services
from pacs.accounts.models import ApiToken, Membership, Role, Site, User

Headers = dict[str, str]


def token_headers(user: User, **options: object) -> Headers:
    _, secret = ApiToken.issue(user, "test", **options)
    return {"authorization": f"Bearer {secret}"}


@pytest.fixture
def client(radiologist: User, logged_in: Callable[[User], Client]) -> Client:
    return logged_in(radiologist)


@pytest.fixture
def cookies(client: Client) -> dict[str, str]:
    return {settings.SESSION_COOKIE_NAME: client.session.session_key}


class TestResolve:
    def test_nobody(self, db: None) -> None:
        assert access.resolve({}, {}) is None
        assert access.resolve({}, {settings.SESSION_COOKIE_NAME: "x" * 32}) is None
        assert access.resolve({"authorization": "Bearer lbx_wrong"}, {}) is None

    def test_a_token(self, radiologist: User, site: Site) -> None:
        who = access.resolve(token_headers(radiologist), {})
        assert who is not None
        assert who.user_id == radiologist.pk
        assert who.whole_sites == {site.pk}
        assert who.scopes == {"read"}
        assert who.session_key.startswith("token:")

    def test_a_session(self, radiologist: User, cookies: dict[str, str]) -> None:
        who = access.resolve({}, cookies)
        assert who is not None
        assert who.user_id == radiologist.pk
        assert who.session_key == cookies[settings.SESSION_COOKIE_NAME]
        assert "write" in who.scopes

    def test_a_wrong_token_beside_a_good_session_is_nobody(self, cookies: dict[str, str]) -> None:
        assert access.resolve({"authorization": "Bearer lbx_wrong"}, cookies) is None

    @pytest.mark.parametrize("clock", ["active_at", "login_at"])
    def test_an_ended_session_is_nobody(
        self, client: Client, cookies: dict[str, str], clock: str
    ) -> None:
        session = client.session
        session[clock] = int(time.time()) - settings.SESSION_ABSOLUTE_SECONDS - 1
        session.save()
        assert access.resolve({}, cookies) is None

    def test_asking_writes_nothing(self, client: Client, cookies: dict[str, str]) -> None:
        session = client.session
        session["active_at"] = int(time.time()) - 600
        session.save()
        before = Session.objects.get().session_data
        access.resolve({}, cookies)
        assert Session.objects.get().session_data == before

    def test_a_changed_password_ends_sessions(
        self, radiologist: User, cookies: dict[str, str]
    ) -> None:
        radiologist.set_password("another-long-password")
        radiologist.save()
        assert access.resolve({}, cookies) is None

    def test_an_inactive_user_is_nobody(self, radiologist: User, cookies: dict[str, str]) -> None:
        headers = token_headers(radiologist)
        User.objects.update(is_active=False)
        assert access.resolve({}, cookies) is None
        assert access.resolve(headers, {}) is None

    def test_a_superusers_narrowed_token_is_no_superuser(
        self, admin: User, site: Site, other_site: Site
    ) -> None:
        wide = access.resolve(token_headers(admin), {})
        assert wide is not None
        assert wide.is_superuser
        narrow = access.resolve(token_headers(admin, sites=[site]), {})
        assert narrow is not None
        assert not narrow.is_superuser
        assert narrow.sites == {site.pk}


class TestCache:
    def test_believes_for_five_seconds(
        self, radiologist: User, django_assert_num_queries: Callable[..., object]
    ) -> None:
        headers = token_headers(radiologist)
        first = access.cached_principal(headers, {})
        with django_assert_num_queries(0):  # type: ignore[attr-defined]
            assert access.cached_principal(headers, {}) == first

    def test_and_no_longer(
        self, radiologist: User, cookies: dict[str, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert access.cached_principal({}, cookies) is not None
        User.objects.update(is_active=False)  # no signal: as if another process had done it
        assert access.cached_principal({}, cookies) is not None
        later = time.monotonic() + 5.01
        monkeypatch.setattr("pacs.accounts.access.time.monotonic", lambda: later)
        assert access.cached_principal({}, cookies) is None

    def test_not_beyond_the_end_of_the_token(
        self, radiologist: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        headers = token_headers(radiologist)
        ApiToken.objects.update(expires_at=timezone.now() + timedelta(seconds=1))
        assert access.cached_principal(headers, {}) is not None
        ApiToken.objects.update(expires_at=timezone.now())
        later = time.monotonic() + 1.01
        monkeypatch.setattr("pacs.accounts.access.time.monotonic", lambda: later)
        assert access.cached_principal(headers, {}) is None

    def test_a_revoked_token_is_gone_at_once(self, radiologist: User) -> None:
        headers = token_headers(radiologist)
        assert access.cached_principal(headers, {}) is not None
        services.revoke_token(None, ApiToken.objects.get())
        assert access.cached_principal(headers, {}) is None

    def test_a_revoked_role_is_gone_at_once(
        self, radiologist: User, cookies: dict[str, str]
    ) -> None:
        before = access.cached_principal({}, cookies)
        assert before is not None
        assert before.whole_sites
        Membership.objects.filter(user=radiologist).delete()
        after = access.cached_principal({}, cookies)
        assert after is not None
        assert not after.whole_sites

    def test_logout_is_gone_at_once(self, client: Client, cookies: dict[str, str]) -> None:
        assert access.cached_principal({}, cookies) is not None
        client.post("/logout/")
        assert access.cached_principal({}, cookies) is None

    def test_narrowing_a_token_counts_at_once(
        self, radiologist: User, site: Site, other_site: Site
    ) -> None:
        Membership.objects.create(user=radiologist, site=other_site, role=Role.RADIOLOGIST)
        headers = token_headers(radiologist)
        before = access.cached_principal(headers, {})
        assert before is not None
        assert before.sites == {site.pk, other_site.pk}
        ApiToken.objects.get().sites.set([site])
        after = access.cached_principal(headers, {})
        assert after is not None
        assert after.sites == {site.pk}

    def test_what_was_read_before_a_revocation_is_not_kept_after_it(
        self, radiologist: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        headers = token_headers(radiologist)
        real = access.resolve_and_end

        def revoked_meanwhile(*args: Headers) -> object:
            found = real(*args)
            services.revoke_token(None, ApiToken.objects.get())
            return found

        monkeypatch.setattr(access, "resolve_and_end", revoked_meanwhile)
        access.cached_principal(headers, {})
        monkeypatch.setattr(access, "resolve_and_end", real)
        assert access.cached_principal(headers, {}) is None

    def test_stays_small(self, radiologist: User, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(access, "CACHE_SIZE", 3)
        for _ in range(10):
            access.cached_principal(token_headers(radiologist), {})
        assert len(access._cache) <= 3
