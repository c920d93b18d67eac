"""`Study.objects.visible_to`: the one way to studies."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.utils import timezone

from pacs.accounts.models import ApiToken, Membership, Role, Site, User
from pacs.accounts.principal import principal_of
from studies.models import Study, StudyGrant


def seen(who: Any) -> set[int]:
    return set(Study.objects.visible_to(who).values_list("id", flat=True))


@pytest.mark.parametrize("actor", ["radiologist", "technician", "site_admin"])
def test_people_of_the_site_see_the_site(
    request: pytest.FixtureRequest, actor: str, study: Study, other_study: Study
) -> None:
    user = request.getfixturevalue(actor)
    assert seen(user) == {study.pk}
    assert seen(principal_of(user)) == {study.pk}


def test_the_other_site_sees_its_own(stranger: User, study: Study, other_study: Study) -> None:
    assert seen(stranger) == {other_study.pk}


def test_superusers_see_all(admin: User, study: Study, other_study: Study) -> None:
    assert seen(admin) == {study.pk, other_study.pk}


def test_nobody_sees_nothing(study: Study) -> None:
    assert seen(AnonymousUser()) == set()
    assert seen(None) == set()


@pytest.mark.parametrize("actor", ["radiologist", "admin"])
def test_inactive_users_see_nothing(
    request: pytest.FixtureRequest, actor: str, study: Study
) -> None:
    user = request.getfixturevalue(actor)
    user.is_active = False
    assert seen(user) == set()


def test_without_membership_nothing_is_seen(study: Study) -> None:
    assert seen(User.objects.create_user("nowhere")) == set()


class TestReferrers:
    @pytest.fixture
    def grant(self, study: Study, referrer: User, site_admin: User) -> StudyGrant:
        return StudyGrant.objects.create(study=study, user=referrer, granted_by=site_admin)

    def test_see_nothing_by_default(self, referrer: User, study: Study) -> None:
        assert seen(referrer) == set()

    def test_see_what_is_granted(
        self, referrer: User, site: Site, grant: StudyGrant, make_study: Callable[..., Study]
    ) -> None:
        make_study(site)
        assert seen(referrer) == {grant.study_id}
        assert seen(principal_of(referrer)) == {grant.study_id}

    def test_not_after_the_grant_ends(self, referrer: User, grant: StudyGrant) -> None:
        grant.expires_at = timezone.now() + timedelta(minutes=1)
        grant.save()
        assert seen(referrer) == {grant.study_id}
        grant.expires_at = timezone.now()
        grant.save()
        assert seen(referrer) == set()

    def test_a_grant_is_for_its_user(self, site: Site, grant: StudyGrant) -> None:
        another = User.objects.create_user("another")
        Membership.objects.create(user=another, site=site, role=Role.REFERRER)
        assert seen(another) == set()

    def test_not_after_the_membership_ends(self, referrer: User, grant: StudyGrant) -> None:
        referrer.memberships.all().delete()
        assert seen(referrer) == set()

    def test_a_grant_at_a_site_that_is_not_theirs_shows_nothing(
        self, referrer: User, other_study: Study, site_admin: User
    ) -> None:
        StudyGrant.objects.create(study=other_study, user=referrer, granted_by=site_admin)
        assert seen(referrer) == set()


class TestTokens:
    @pytest.fixture
    def both_sites(self, radiologist: User, other_site: Site) -> User:
        Membership.objects.create(user=radiologist, site=other_site, role=Role.RADIOLOGIST)
        return radiologist

    def test_see_what_their_user_sees(
        self, both_sites: User, study: Study, other_study: Study
    ) -> None:
        token, _ = ApiToken.issue(both_sites, "wide")
        assert seen(principal_of(both_sites, token=token)) == {study.pk, other_study.pk}

    def test_narrowed_to_a_site(
        self, both_sites: User, site: Site, study: Study, other_study: Study
    ) -> None:
        token, _ = ApiToken.issue(both_sites, "narrow", sites=[site])
        assert seen(principal_of(both_sites, token=token)) == {study.pk}

    def test_a_superusers_token_narrows_too(
        self, admin: User, site: Site, study: Study, other_study: Study
    ) -> None:
        token, _ = ApiToken.issue(admin, "narrow", sites=[site])
        assert seen(principal_of(admin, token=token)) == {study.pk}

    def test_never_widen(self, radiologist: User, other_site: Site, other_study: Study) -> None:
        token, _ = ApiToken.issue(radiologist, "x", sites=[other_site])
        assert seen(principal_of(radiologist, token=token)) == set()


def test_radiologist_here_and_referrer_there(
    radiologist: User, other_site: Site, study: Study, other_study: Study, site_admin: User
) -> None:
    Membership.objects.create(user=radiologist, site=other_site, role=Role.REFERRER)
    assert seen(radiologist) == {study.pk}
    StudyGrant.objects.create(study=other_study, user=radiologist, granted_by=site_admin)
    assert seen(radiologist) == {study.pk, other_study.pk}
