"""What the menu of saved filters shows."""

from __future__ import annotations

from typing import Any

from pacs.accounts.models import Site
from pacs.accounts.principal import Principal
from studies.reading.people import works
from studies.saved import services


def menu_of(who: Principal, sites: list[Site]) -> dict[str, Any]:
    """The context of `_saved.html`. `sites`: the person's, as the filter bar has them."""
    found = list(services.filters_of(who))
    return {
        "own_filters": [one for one in found if one.site_id is None],
        "shared_filters": [one for one in found if one.site_id is not None],
        "removable": {one.pk for one in found if services.may_remove(who, one)},
        "share_with": [site for site in sites if works(who, site.pk)],
    }
