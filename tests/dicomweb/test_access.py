"""Who gets what: permitted, other site, referrer, anonymous, revoked."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from django.conf import settings

from pacs.accounts.models import ApiToken, Membership, Scope
from studies.models import StudyGrant
from tests.dicomweb.asking import AsgiClient, Gone, ct_file, store

pytestmark = pytest.mark.django_db(transaction=True)

WAYS = ["", "/metadata", "/frames/1", "/rendered", "/thumbnail", "/bulkdata/7FE00010"]


@pytest.mark.parametrize("way", WAYS)
def test_radiologist_gets_the_site_s_images(
    client: Any, radiologist: Any, ct: Any, way: str
) -> None:
    assert client(radiologist).get(ct.path + way).status == 200


@pytest.mark.parametrize("way", WAYS)
def test_stranger_gets_404_like_the_unknown(client: Any, stranger: Any, ct: Any, way: str) -> None:
    hidden = client(stranger).get(ct.path + way)
    unknown = client(stranger).get(ct.path.replace(ct.study, "1.2.3.4") + way)
    assert hidden.status == unknown.status == 404
    assert hidden.body == unknown.body
    assert hidden.headers == unknown.headers


@pytest.mark.parametrize("way", WAYS)
def test_anonymous_gets_401(client: Any, ct: Any, way: str) -> None:
    reply = client().get(ct.path + way)
    assert reply.status == 401
    assert reply.headers["www-authenticate"].startswith("Bearer")
    assert reply.headers["cache-control"] == "no-store"


def test_session_reads_until_logout(ct: Any, radiologist: Any, logged_in: Any, plane: Any) -> None:
    browser = logged_in(radiologist)
    cookie = browser.cookies[settings.SESSION_COOKIE_NAME].value
    asking = AsgiClient(plane, {"cookie": f"{settings.SESSION_COOKIE_NAME}={cookie}"})
    assert asking.get(ct.path + "/frames/1").status == 200
    browser.logout()
    assert asking.get(ct.path + "/frames/1").status == 401


def test_wrong_token_beside_a_good_session_is_nobody(
    client: Any, ct: Any, radiologist: Any, logged_in: Any, plane: Any
) -> None:
    cookie = logged_in(radiologist).cookies[settings.SESSION_COOKIE_NAME].value
    headers = {"cookie": f"{settings.SESSION_COOKIE_NAME}={cookie}"}
    asking = AsgiClient(plane, headers)
    assert asking.get(ct.path + "/frames/1").status == 200
    assert asking.get(ct.path, headers={"authorization": "Bearer lbx_wrong"}).status == 401


def test_referrer_needs_a_grant_and_loses_it_at_once(
    client: Any, referrer: Any, radiologist: Any, ct: Any
) -> None:
    asking = client(referrer)
    assert asking.get(ct.path + "/frames/1").status == 404
    grant = StudyGrant.objects.create(study_id=ct.study_pk, user=referrer, granted_by=radiologist)
    assert asking.get(ct.path + "/frames/1").status == 200
    grant.delete()
    assert asking.get(ct.path + "/frames/1").status == 404


def test_membership_that_ends_ends_access(client: Any, radiologist: Any, ct: Any) -> None:
    asking = client(radiologist)
    assert asking.get(ct.path + "/frames/1").status == 200
    Membership.objects.get(user=radiologist).delete()
    assert asking.get(ct.path + "/frames/1").status == 404


def test_revoked_token_gets_401_at_once(client: Any, radiologist: Any, ct: Any) -> None:
    from django.utils import timezone

    asking = client(radiologist)
    assert asking.get(ct.path + "/frames/1").status == 200
    token = ApiToken.objects.get()
    token.revoked_at = timezone.now()
    token.save()
    assert asking.get(ct.path + "/frames/1").status == 401


def test_write_only_token_reads_nothing(client: Any, radiologist: Any, ct: Any) -> None:
    assert client(radiologist, scopes=[Scope.WRITE.value]).get(ct.path).status == 403


def test_token_of_another_site_of_the_same_user_sees_nothing(
    client: Any, radiologist: Any, other_site: Any, ct: Any
) -> None:
    Membership.objects.create(user=radiologist, site=other_site, role="radiologist")
    assert client(radiologist, sites=[other_site]).get(ct.path).status == 404


def test_same_uids_at_two_sites(
    client: Any, radiologist: Any, stranger: Any, site: Any, other_site: Any, admin: Any
) -> None:
    uid = "1.2.826.0.1.3680043.10.9.1.1.1"
    ours = store(site, ct_file(instance=uid, seed=1))
    theirs = store(other_site, ct_file(instance=uid, seed=2, PatientID="OTHER"))
    for user, expected in ((radiologist, ours), (stranger, theirs)):
        frame = client(user).get(ours.path + "/frames/1").parts[0].body
        assert frame == expected.dataset.PixelData
    for slug, expected in ((site.slug, ours), (other_site.slug, theirs)):
        path = ours.path.replace("/dicom-web/", f"/dicom-web/sites/{slug}/")
        assert client(admin).get(path + "/frames/1").parts[0].body == expected.dataset.PixelData
    hidden = ours.path.replace("/dicom-web/", f"/dicom-web/sites/{other_site.slug}/")
    assert client(radiologist).get(hidden).status == 404


def test_everything_else_is_the_pages(client: Any) -> None:
    for path in ("/", "/dicom-webs", "/dicom-web/sites/x/patients", "/api/dicom/other"):
        with pytest.raises(Gone):
            client().get(path)


def test_options_and_head_and_other_methods(client: Any, radiologist: Any, ct: Any) -> None:
    asking = client(radiologist)
    assert asking.get(ct.path, method="OPTIONS").headers["allow"] == "GET, HEAD, OPTIONS"
    head = asking.get(ct.path + "/frames/1", method="HEAD")
    assert head.status == 200
    assert head.body == b""
    assert int(head.headers["content-length"]) > 512
    assert asking.get(ct.path, method="DELETE").status == 405


def test_every_answer_carries_the_guards(client: Any, radiologist: Any, ct: Any) -> None:
    for path in (ct.path, ct.path + "/frames/1", ct.path + "/metadata", "/dicom-web/studies"):
        headers = client(radiologist).get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["cache-control"] in {"no-store", "private, no-cache"}


def test_warm_frames_ask_no_database(
    client: Any, radiologist: Any, ct: Any, plane: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asking = client(radiologist)
    assert asking.get(ct.path + "/frames/1").status == 200

    async def refused(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("a warm frame used the pool")

    monkeypatch.setattr(plane._authority._pool, "run", refused)
    assert asking.get(ct.path + "/frames/1").status == 200


def test_two_hundred_at_once(client: Any, radiologist: Any, stranger: Any, ct: Any) -> None:
    permitted, hidden = client(radiologist), client(stranger)

    async def all_at_once() -> list[Any]:
        return await asyncio.gather(
            *((hidden if n % 4 == 3 else permitted).ask(ct.path + "/frames/1") for n in range(200))
        )

    replies = asyncio.run(all_at_once())
    assert [reply.status for reply in replies] == [200, 200, 200, 404] * 50
    pixels = ct.dataset.PixelData
    assert all(r.parts[0].body == pixels for r in replies if r.status == 200)
