"""Pages and REST of reports."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from reports.views import drafts, writing

urlpatterns: list[URLPattern | URLResolver] = []

# Writing: drafts and the panel.
urlpatterns += [
    path("reports/<int:pk>/write/", writing.write, name="write-report"),
    path("reports/logged-in/", writing.logged_in, name="report-logged-in"),
    path("api/studies/<int:pk>/report/", drafts.StudyReportView.as_view(), name="study-report"),
    path("api/reports/<int:pk>/draft/", drafts.DraftView.as_view(), name="report-draft"),
]
