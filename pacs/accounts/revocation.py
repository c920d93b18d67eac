"""Access that was taken away is gone at once in this process, elsewhere within 5 s.

The signals here invalidate the cache of `pacs.accounts.access` and do nothing else.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth.signals import user_logged_out
from django.db import transaction
from django.db.models.signals import m2m_changed, post_delete, post_save

from pacs.accounts.access import drop_cache
from pacs.accounts.models import ApiToken, Membership, Site, User


def _changed(sender: Any, **kwargs: Any) -> None:
    if kwargs.get("update_fields") == frozenset({"last_login"}):
        return
    drop_cache()
    # A reader between this moment and the commit may have kept the old state.
    transaction.on_commit(drop_cache)


def connect() -> None:
    """Connect the signals; called once at start."""
    for model in (ApiToken, Membership, User, Site):
        uid = f"revocation-{model.__name__}"
        post_save.connect(_changed, sender=model, dispatch_uid=uid)
        post_delete.connect(_changed, sender=model, dispatch_uid=uid)
    m2m_changed.connect(_changed, sender=ApiToken.sites.through, dispatch_uid="revocation-m2m")
    user_logged_out.connect(_changed, dispatch_uid="revocation-logout")
