"""`/reports/verify/<number>/`: what the QR code on a report leads to. For everybody, no login."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from pacs.accounts.addresses import client_address
from pacs.audit import record
from pacs.limits import RateLimit
from reports.output import verification

MOST_BYTES = 30 * 2**20
asked = RateLimit(60, 300.0)
unknown = RateLimit(10, 300.0)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def verify(request: HttpRequest, token: str) -> HttpResponse:
    """200 with what there is to say; 404 for a number that no report has, whatever it looks like;
    429 for who asks too often. A POST brings a PDF to compare."""
    address = client_address(request)
    if unknown.exceeded(address) or not asked.allows(address):
        answer = _page(request, {"state": "throttled"}, 429)
        answer.headers["Retry-After"] = "300"
        return answer
    verdict = verification.verdict(token)
    if verdict is None:
        unknown.allows(address)
        record("report.verify", outcome="not-known", address=address)
        return _page(request, {"state": "unknown"}, 404)
    context = {"state": verdict.state, "verdict": verdict}
    record(
        "report.verify",
        site=verdict.site,
        study=verdict.study,
        address=address,
        detail={"version": verdict.version, "state": verdict.state},
    )
    if request.method == "POST":
        context["compared"] = _compared(request, verdict)
    return _page(request, context, 200)


def _compared(request: HttpRequest, verdict: verification.Verdict) -> str:
    file = request.FILES.get("pdf")
    if file is None or not file.size:
        return "missing"
    if file.size > MOST_BYTES:
        return "large"
    return "same" if verdict.is_the_pdf(file.read()) else "other"


def _page(request: HttpRequest, context: dict[str, object], status: int) -> HttpResponse:
    answer = render(request, "reports/verify.html", context, status=status)
    answer.headers["Referrer-Policy"] = "same-origin"
    answer.headers["X-Robots-Tag"] = "noindex"
    return answer
