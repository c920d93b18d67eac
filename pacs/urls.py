"""URL root. Pixels, uploads and DICOMweb retrieval are served by the data plane in pacs.asgi."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

from pacs.health.metrics import metrics
from pacs.health.views import healthz, readyz

urlpatterns = [
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
    path("metrics", metrics, name="metrics"),
    path("admin/", admin.site.urls),
    path("", include("pacs.accounts.urls")),
    path("", include("studies.urls")),
    path("", include("reports.urls")),
    path("", include("agents.urls")),
]

handler404 = "pacs.not_found.not_found"
