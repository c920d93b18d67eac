"""Pages and REST of reports."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from reports.views import drafts, templates_api, writing

template_urls: list[URLPattern | URLResolver] = [
    path(
        "api/studies/<int:pk>/report-templates/",
        templates_api.StudyTemplatesView.as_view(),
        name="api-study-report-templates",
    ),
    path(
        "api/report-templates/<int:pk>/start/",
        templates_api.TemplateStartView.as_view(),
        name="api-report-template-start",
    ),
    path(
        "api/report-templates/<int:pk>/versions/<int:seq>/",
        templates_api.TemplateVersionView.as_view(),
        name="api-report-template-version",
    ),
    path("api/macros/", templates_api.MacrosView.as_view(), name="api-macros"),
]

# Writing: drafts and the panel.
writing_urls: list[URLPattern | URLResolver] = [
    path("reports/<int:pk>/write/", writing.write, name="write-report"),
    path("reports/logged-in/", writing.logged_in, name="report-logged-in"),
    path("api/studies/<int:pk>/report/", drafts.StudyReportView.as_view(), name="study-report"),
    path(
        "api/studies/<int:pk>/report/material/",
        drafts.MaterialView.as_view(),
        name="report-material",
    ),
    path("api/reports/<int:pk>/draft/", drafts.DraftView.as_view(), name="report-draft"),
]

urlpatterns: list[URLPattern | URLResolver] = [*template_urls, *writing_urls]
