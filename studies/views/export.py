"""The worklist as a CSV file."""

from __future__ import annotations

from collections import Counter

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_POST

from pacs import audit
from pacs.accounts.addresses import page_origin
from studies.services.spreadsheet import as_csv
from studies.tables import COUNT_CAP, database_order, ranked
from studies.views.worklist import asked, signed_in

TOO_MANY = (
    f"More than {COUNT_CAP:,} studies match. Narrow the filters, then export again."
    " Nothing was exported."
)


@require_POST
@signed_in
def export(request: HttpRequest) -> HttpResponse:
    """Every study that the filters show, ordered as the list and with its columns.

    422 for more than COUNT_CAP. A POST: the free text may name a patient. The audit gets one
    event for each site.
    """
    wanted = asked(request)
    order = database_order(wanted.sort)
    found = list(
        ranked(wanted.filters.matching(), order)
        .order_by(*order)
        .select_related("site", "reader", "assigned_to")[: COUNT_CAP + 1]
    )
    if len(found) > COUNT_CAP:
        return HttpResponse(TOO_MANY, status=422, content_type="text/plain; charset=utf-8")
    origin = page_origin(request)
    by_site = Counter(study.site_id for study in found)
    audit.record_together(
        [
            audit.event(
                "worklist.exported",
                actor=request.user,
                site=site,
                detail={"studies": number, "words": len(wanted.filters.words)},
                **origin,
            )
            for site, number in (sorted(by_site.items()) or [(None, 0)])
        ]
    )
    return HttpResponse(
        as_csv(found, wanted.columns),
        content_type="text/csv; charset=utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="worklist-{timezone.localdate()}.csv"',
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        },
    )
