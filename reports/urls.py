"""Pages and REST of reports."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from reports.views import templates, templates_api

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
    path("reports/templates/", templates.templates, name="report-templates"),
    path("reports/templates/new/", templates.edit_template, name="report-template-new"),
    path("reports/templates/<int:pk>/", templates.template, name="report-template"),
    path("reports/templates/<int:pk>/edit/", templates.edit_template, name="report-template-edit"),
    *(
        path(
            f"reports/templates/<int:pk>/{action}/",
            templates.act_on_template,
            {"action": action},
            name=f"report-template-{action}",
        )
        for action in ("copy", "retire", "restore")
    ),
    path("reports/macros/", templates.macros, name="report-macros"),
    path("reports/macros/new/", templates.edit_macro, name="report-macro-new"),
    path("reports/macros/<int:pk>/edit/", templates.edit_macro, name="report-macro-edit"),
    *(
        path(
            f"reports/macros/<int:pk>/{action}/",
            templates.act_on_macro,
            {"action": action},
            name=f"report-macro-{action}",
        )
        for action in ("copy", "delete")
    ),
    path("api/macros/", templates_api.MacrosView.as_view(), name="api-macros"),
]

urlpatterns: list[URLPattern | URLResolver] = [*template_urls]
