"""The demo's sites and people."""

from __future__ import annotations

import secrets

from django.db import transaction

from pacs.accounts.models import Membership, Role, Site, User
from studies.models import Priority, Turnaround

HOSPITAL = ("Demo Hospital", "demo-hospital", "Europe/Berlin")
CLINIC = ("North Clinic", "north-clinic", "Europe/Oslo")
PEOPLE = (
    ("radiologist", "Ada", "Reader", Role.RADIOLOGIST, "demo-hospital"),
    ("technician", "Tom", "Imager", Role.TECHNICIAN, "demo-hospital"),
    ("referrer", "Rita", "Referrer", Role.REFERRER, "demo-hospital"),
    ("stranger", "Stig", "Nordby", Role.RADIOLOGIST, "north-clinic"),
)

TURNAROUNDS = ((Priority.STAT, 30), (Priority.URGENT, 120), (Priority.ROUTINE, 1440))


def _site(name: str, slug: str, zone: str) -> Site:
    return Site.objects.get_or_create(slug=slug, defaults={"name": name, "timezone": zone})[0]


@transaction.atomic
def create(password: str) -> tuple[Site, str | None]:
    """Make what is missing. Returns the first site and the password if accounts were made.

    `password` empty: a random one. Accounts that exist keep theirs, unless `password` is given.
    """
    hospital = _site(*HOSPITAL)
    for priority, minutes in TURNAROUNDS:
        Turnaround.objects.get_or_create(
            site=hospital, priority=priority, defaults={"minutes": minutes}
        )
    sites = {hospital.slug: hospital, CLINIC[1]: _site(*CLINIC)}
    chosen = password or secrets.token_urlsafe(9)
    changed = False
    for username, first, last, role, slug in PEOPLE:
        user, made = User.objects.get_or_create(
            username=username,
            defaults={"first_name": first, "last_name": last, "is_demo": True},
        )
        if made:
            Membership.objects.create(user=user, site=sites[slug], role=role)
        changed |= _set_password(user, made, password, chosen)
    admin, made = User.objects.get_or_create(
        username="admin",
        defaults={
            "first_name": "Alex",
            "last_name": "Admin",
            "is_staff": True,
            "is_superuser": True,
            "is_demo": True,
        },
    )
    changed |= _set_password(admin, made, password, chosen)
    return hospital, chosen if changed else None


def _set_password(user: User, made: bool, wanted: str, chosen: str) -> bool:
    if not made and (not user.is_demo or not wanted or user.check_password(wanted)):
        return False
    user.set_password(chosen)
    user.save(update_fields=["password"])
    return True
