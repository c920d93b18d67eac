"""Hanging protocols: who uses which, who changes which."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Min, Q, QuerySet

from pacs import audit
from pacs.accounts.principal import Principal
from studies.errors import PermanentError
from studies.hanging import rules as hanging_rules
from studies.hanging.builtin import BUILT_IN
from studies.hanging.models import LONGEST_NAME, HangingProtocol
from studies.reading.people import manages, works

MOST = 100


class NotKept(PermanentError):
    """Why it was not kept, in `words` for people."""

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.words = words


def visible_to(who: Principal) -> QuerySet[HangingProtocol]:
    """The person's own, and those of the sites that the person sees whole."""
    shared = Q(site__isnull=False) if who.is_superuser else Q(site__in=who.whole_sites)
    own = Q(site=None, owner=who.user_id)
    return (
        HangingProtocol.objects.filter(own | shared)
        .select_related("site", "owner")
        .order_by("position", "id")
    )


def may_change(who: Principal, protocol: HangingProtocol) -> bool:
    """Its owner, while still at the site; of a site's, its administrators, too."""
    if protocol.site_id is None:
        return protocol.owner_id == who.user_id
    if protocol.owner_id == who.user_id:
        return works(who, protocol.site_id)
    return manages(who, protocol.site_id)


def described(protocol: HangingProtocol) -> dict[str, Any]:
    """What the viewer has of a protocol."""
    return {
        "key": str(protocol.pk),
        "name": protocol.name,
        "whose": "own" if protocol.site_id is None else "site",
        "rules": protocol.rules,
    }


def offered(who: Principal, site: int) -> list[dict[str, Any]]:
    """For a study of the site, in the order in which they are tried: own, the site's, built in."""
    found = visible_to(who).filter(Q(site=None) | Q(site=site))
    made = [described(protocol) for protocol in found]
    built_in = [
        {"key": key, "name": name, "whose": "builtin", "rules": rules}
        for key, (name, rules) in BUILT_IN.items()
    ]
    return sorted(made, key=lambda each: each["whose"] != "own") + built_in


def _name(name: str) -> str:
    name = " ".join(name.split())
    if not name:
        raise NotKept("Give the protocol a name.")
    if len(name) > LONGEST_NAME:
        raise NotKept(f"A name has at most {LONGEST_NAME} characters.")
    return name


def keep(
    who: Principal, user: Any, *, name: str, rules: Any, site_id: int | None = None, **origin: Any
) -> HangingProtocol:
    """Keep rules under a name, before the others; those of the same name are replaced.

    With `site_id` the people of the site use them. Raises NotKept, WrongRules.
    """
    name = _name(name)
    rules = hanging_rules.check(rules)
    if site_id is not None and not works(who, site_id):
        raise NotKept("You do not work at this site.")
    try:
        with transaction.atomic():
            found = _written(who, name, rules, site_id)
            audit.record(
                "hanging_protocol.kept",
                actor=user,
                site=site_id,
                detail={"protocol": found.pk},
                **origin,
            )
    except IntegrityError as error:
        raise NotKept("Somebody kept a protocol of this name just now. Look again.") from error
    return found


def _written(
    who: Principal, name: str, rules: dict[str, Any], site_id: int | None
) -> HangingProtocol:
    mine = HangingProtocol.objects.filter(owner=who.user_id)
    beside = (
        mine.filter(site=None) if site_id is None else HangingProtocol.objects.filter(site=site_id)
    )
    found = beside.filter(name=name).select_for_update().first()
    if found is None:
        if mine.count() >= MOST:
            raise NotKept(f"You have {MOST} hanging protocols. Remove one first.")
        first = beside.aggregate(first=Min("position"))["first"]
        return HangingProtocol.objects.create(
            owner_id=who.user_id,
            site_id=site_id,
            name=name,
            rules=rules,
            position=(first or 0) - 1,
        )
    if not may_change(who, found):
        raise NotKept(f"The site has a protocol “{name}” of somebody else. Take another name.")
    found.rules = rules
    found.save(update_fields=["rules"])
    return found


def _change(who: Principal, pk: int) -> HangingProtocol:
    """Locked; raises HangingProtocol.DoesNotExist for what the person may not change."""
    visible = visible_to(who).select_related(None).select_for_update()
    protocol: HangingProtocol = visible.get(pk=pk)
    if not may_change(who, protocol):
        raise HangingProtocol.DoesNotExist
    return protocol


def rename(who: Principal, user: Any, pk: int, name: str, **origin: Any) -> None:
    """Raises NotKept, HangingProtocol.DoesNotExist."""
    try:
        with transaction.atomic():
            protocol = _change(who, pk)
            name = protocol.name = _name(name)
            protocol.save(update_fields=["name"])
            _audit("hanging_protocol.renamed", user, protocol, origin)
    except IntegrityError as error:
        raise NotKept(f"There is another protocol “{name}”.") from error


def rewrite(who: Principal, user: Any, pk: int, text: str, **origin: Any) -> None:
    """Other rules, as JSON text. Raises WrongRules, HangingProtocol.DoesNotExist."""
    with transaction.atomic():
        protocol = _change(who, pk)
        protocol.rules = hanging_rules.read(text)
        protocol.save(update_fields=["rules"])
        _audit("hanging_protocol.changed", user, protocol, origin)


def remove(who: Principal, user: Any, pk: int, **origin: Any) -> None:
    """Raises HangingProtocol.DoesNotExist."""
    with transaction.atomic():
        protocol = _change(who, pk)
        _audit("hanging_protocol.removed", user, protocol, origin)
        protocol.delete()


def move(who: Principal, user: Any, pk: int, *, up: bool, **origin: Any) -> None:
    """One place up or down among those it stands with; nothing at the ends."""
    with transaction.atomic():
        protocol = _change(who, pk)
        beside = (
            HangingProtocol.objects.filter(site=None, owner=protocol.owner_id)
            if protocol.site_id is None
            else HangingProtocol.objects.filter(site=protocol.site_id)
        )
        order = list(beside.select_for_update().order_by("position", "id"))
        at = next(index for index, each in enumerate(order) if each.pk == pk)
        to = at - 1 if up else at + 1
        if 0 <= to < len(order):
            order[at], order[to] = order[to], order[at]
        for position, each in enumerate(order):
            if each.position != position:
                each.position = position
                each.save(update_fields=["position"])
        _audit("hanging_protocol.moved", user, protocol, origin)


def _audit(action: str, user: Any, protocol: HangingProtocol, origin: dict[str, Any]) -> None:
    audit.record(
        action, actor=user, site=protocol.site_id, detail={"protocol": protocol.pk}, **origin
    )
