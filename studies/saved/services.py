"""Saving filters, and who sees and removes which."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet

from pacs import audit
from pacs.accounts.principal import Principal
from studies.errors import PermanentError
from studies.reading.people import manages, works
from studies.saved.models import LONGEST_NAME, LONGEST_QUERY, SavedFilter

MOST = 50


class NotSaved(PermanentError):
    """Why it was not saved, in `words` for people."""

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.words = words


def filters_of(who: Principal) -> QuerySet[SavedFilter]:
    """The person's own, and what is shared with the sites that the person sees whole."""
    shared = Q(site__isnull=False) if who.is_superuser else Q(site__in=who.whole_sites)
    own = Q(site=None, owner=who.user_id)
    return SavedFilter.objects.filter(own | shared).select_related("site").order_by("name", "id")


def may_remove(who: Principal, saved: SavedFilter) -> bool:
    """Its owner; of a shared one the administrators of the site, too."""
    if saved.owner_id == who.user_id:
        return True
    return saved.site_id is not None and manages(who, saved.site_id)


def save(
    who: Principal, user: Any, *, name: str, query: str, site_id: int | None = None, **origin: Any
) -> SavedFilter:
    """Keep a filter under a name; one of the same name and owner is replaced.

    With `site_id` the people of the site see it. Raises NotSaved.
    """
    name = " ".join(name.split())
    if not name:
        raise NotSaved("Give the filter a name.")
    if len(name) > LONGEST_NAME:
        raise NotSaved(f"A name has at most {LONGEST_NAME} characters.")
    if len(query) > LONGEST_QUERY:
        raise NotSaved("Too many sites and modalities are chosen for one saved filter.")
    if site_id is not None and not works(who, site_id):
        raise NotSaved("You do not work at this site.")
    try:
        with transaction.atomic():
            found = _written(who, name=name, query=query, site_id=site_id)
            audit.record(
                "worklist.filter.saved",
                actor=user,
                site=site_id,
                detail={"filter": found.pk},
                **origin,
            )
    except IntegrityError as error:
        raise NotSaved("Somebody saved a filter of this name just now. Look again.") from error
    return found


def _written(who: Principal, *, name: str, query: str, site_id: int | None) -> SavedFilter:
    same = SavedFilter.objects.filter(name=name).select_for_update()
    if site_id is None:
        found = same.filter(site=None, owner=who.user_id).first()
    else:
        found = same.filter(site=site_id).first()
    if found is None:
        if SavedFilter.objects.filter(owner=who.user_id).count() >= MOST:
            raise NotSaved(f"You have {MOST} saved filters. Remove one first.")
        return SavedFilter.objects.create(
            name=name, query=query, site_id=site_id, owner_id=who.user_id
        )
    if not may_remove(who, found):
        raise NotSaved(f"The site has a filter “{name}” of somebody else. Take another name.")
    if found.query != query:
        found.query = query
        found.save(update_fields=["query"])
    return found


def remove(who: Principal, user: Any, pk: int, **origin: Any) -> None:
    """Raises SavedFilter.DoesNotExist for one that the person does not see or may not remove."""
    with transaction.atomic():
        saved = filters_of(who).get(pk=pk)
        if not may_remove(who, saved):
            raise SavedFilter.DoesNotExist
        audit.record(
            "worklist.filter.removed",
            actor=user,
            site=saved.site_id,
            detail={"filter": pk},
            **origin,
        )
        saved.delete()
