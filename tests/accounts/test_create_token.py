from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from pacs.accounts.models import ApiToken, Site, User
from pacs.audit.models import AuditEvent


def create(*args: str) -> tuple[str, str]:
    out, err = StringIO(), StringIO()
    call_command("create_token", *args, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_prints_the_token_alone(radiologist: User) -> None:
    out, err = create("RADIOLOGIST")
    token = ApiToken.find(out.strip())
    assert token is not None
    assert out == out.strip() + "\n"
    assert token.scopes == ["read"]
    assert 89 <= (token.expires_at - token.created_at).days <= 90
    assert out.strip() not in err
    event = AuditEvent.objects.get(action="token.created")
    assert event.actor_id is None
    assert event.detail["user"] == radiologist.pk


def test_takes_scopes_sites_name_and_days(radiologist: User, site: Site) -> None:
    out, _ = create(
        *("radiologist", "--name", "gateway", "--scope", "read", "--scope", "write"),
        *("--site", "main", "--days", "7"),
    )
    token = ApiToken.find(out.strip())
    assert token is not None
    assert (token.name, token.scopes) == ("gateway", ["read", "write"])
    assert list(token.sites.all()) == [site]
    assert 6 <= (token.expires_at - token.created_at).days <= 7


@pytest.mark.parametrize(
    "args",
    [
        ["nobody"],
        ["radiologist", "--site", "nowhere"],
        ["radiologist", "--site", "north"],
        ["radiologist", "--days", "0"],
        ["radiologist", "--scope", "everything"],
    ],
)
def test_refuses_what_makes_no_sense(radiologist: User, other_site: Site, args: list[str]) -> None:
    with pytest.raises(CommandError):
        create(*args)
    assert not ApiToken.objects.exists()
