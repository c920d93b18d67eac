"""Pages and REST of reports."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from reports.views import (
    attachment_api,
    attachments,
    documents,
    priors,
    report,
    searching,
    statistics,
    verify,
)

output: list[URLPattern | URLResolver] = [
    path("reports/verify/<str:token>/", verify.verify, name="report-verify"),
    path("reports/<int:pk>/document/", documents.report_document, name="report-document"),
    path("reports/versions/<int:pk>/", documents.version_document, name="report-version"),
    path("reports/versions/<int:pk>/report.pdf", documents.version_pdf, name="report-pdf"),
    path(
        "reports/versions/<int:pk>/pictures/<str:sha256>.png",
        documents.version_picture,
        name="report-picture",
    ),
    path(
        "reports/key-images/<uuid:pk>.png",
        documents.key_image_picture,
        name="key-image-picture",
    ),
]

finding: list[URLPattern | URLResolver] = [
    path("reports/", report.reports, name="reports"),
    path("reports/search/", searching.search_reports, name="report-search"),
    path("reports/<int:pk>/", report.report, name="report"),
    path("reports/<int:pk>/text/", report.text, name="report-text"),
    path("reports/<int:pk>/pdf/", report.report_pdf, name="report-newest-pdf"),
    path("reports/<int:pk>/diff/", report.diff, name="report-diff"),
    path("studies/<int:pk>/report/", report.study_report, name="study-report"),
    path("studies/<int:pk>/priors/", priors.priors, name="priors"),
    path("studies/<int:pk>/attachments/", attachments.dialog, name="attachments"),
    path("attachments/<uuid:pk>/", attachments.attachment_text, name="attachment"),
    path("attachments/<uuid:pk>/file/", attachments.attachment_file, name="attachment-file"),
    path(
        "api/studies/<int:pk>/attachments/",
        attachment_api.AttachmentListView.as_view(),
        name="api-attachments",
    ),
    path(
        "api/attachments/<uuid:pk>/",
        attachment_api.AttachmentView.as_view(),
        name="api-attachment",
    ),
    path("statistics/", statistics.statistics, name="statistics"),
    path("statistics/<str:name>.csv", statistics.statistics_csv, name="statistics-csv"),
]

urlpatterns: list[URLPattern | URLResolver] = [*output, *finding]
