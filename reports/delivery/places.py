"""The rows of places: of what the portal knows by itself, made when something first goes there."""

from __future__ import annotations

from reports.delivery.models import DeliveryPlace
from reports.delivery.registry import Target

NOWHERE = Target("A place that is gone", {}, "gone", "A place that is gone")


def place_of(site_id: int, transport: str, target: Target) -> DeliveryPlace:
    """The row of the target's place; its name follows what the place is called now."""
    place, is_new = DeliveryPlace.objects.get_or_create(
        site_id=site_id,
        transport=transport,
        key=target.place_key,
        defaults={"name": target.place_name[:160]},
    )
    if not is_new and place.name != target.place_name[:160]:
        DeliveryPlace.objects.filter(pk=place.pk).update(name=target.place_name[:160])
    return place
