"""Pages and REST of reports."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from reports.views import templates_api

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

urlpatterns: list[URLPattern | URLResolver] = [*template_urls]
