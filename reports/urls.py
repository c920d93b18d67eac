"""Pages and REST of reports."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from reports.views import (
    attachment_api,
    attachments,
    critical,
    critical_api,
    deliveries,
    delivery_api,
    documents,
    drafts,
    fhir,
    priors,
    report,
    searching,
    sign_dialogs,
    signing,
    statistics,
    templates,
    templates_api,
    verify,
    writing,
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
    path("fhir/metadata", fhir.MetadataView.as_view()),
    path("fhir/DiagnosticReport", fhir.DiagnosticReportSearchView.as_view(), name="fhir-reports"),
    path("fhir/DiagnosticReport/<int:pk>", fhir.DiagnosticReportView.as_view(), name="fhir-report"),
    path("fhir/ImagingStudy/<int:pk>", fhir.ImagingStudyView.as_view(), name="fhir-study"),
    path("fhir/Binary/<int:pk>", fhir.BinaryView.as_view(), name="fhir-binary"),
]

urlpatterns: list[URLPattern | URLResolver] = [*output]

# Writing: drafts and the panel.
urlpatterns += [
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

# Signing.
urlpatterns += [
    path("reports/<int:pk>/sign/", sign_dialogs.sign, name="report-sign"),
    path("reports/<int:pk>/withdraw/", sign_dialogs.withdraw, name="report-withdraw"),
    path("reports/<int:pk>/addendum/", sign_dialogs.addendum, name="report-addendum"),
    path("studies/<int:pk>/report-actions/", sign_dialogs.actions, name="report-actions"),
    path("api/reports/<int:pk>/sign/", signing.SignView.as_view(), name="api-report-sign"),
    path("api/reports/<int:pk>/cosign/", signing.CosignView.as_view(), name="api-report-cosign"),
    path(
        "api/reports/<int:pk>/addendum/",
        signing.AddendumView.as_view(),
        name="api-report-addendum",
    ),
    path(
        "api/reports/<int:pk>/withdraw/",
        signing.WithdrawView.as_view(),
        name="api-report-withdraw",
    ),
]

urlpatterns += [
    path("deliveries/", deliveries.deliveries, name="deliveries"),
    path("deliveries/<int:pk>/row/", deliveries.row, name="delivery-row"),
    path("deliveries/<int:pk>/<str:action>/", deliveries.act, name="delivery-act"),
    path("reports/<int:pk>/deliveries/", deliveries.of_report, name="report-deliveries"),
    path("reports/<int:pk>/deliver/", deliveries.dialog, name="report-deliver"),
    path(
        "api/reports/<int:pk>/deliveries/",
        delivery_api.ReportDeliveriesView.as_view(),
        name="api-report-deliveries",
    ),
    path("api/deliveries/<int:pk>/cancel/", delivery_api.DeliveryCancelView.as_view()),
    path("api/deliveries/<int:pk>/retry/", delivery_api.DeliveryRetryView.as_view()),
]

# Critical results.
urlpatterns += [
    path("critical/", critical.results, name="critical"),
    path("critical/<int:pk>/", critical.result, name="critical-result"),
    path("studies/<int:pk>/critical/", critical.mark, name="critical-mark"),
    path(
        "api/critical-results/",
        critical_api.CriticalListView.as_view(),
        name="api-critical-results",
    ),
    path(
        "api/critical-results/<int:pk>/acknowledge/",
        critical_api.CriticalAcknowledgeView.as_view(),
        name="api-critical-acknowledge",
    ),
    path(
        "api/critical-results/<int:pk>/close/",
        critical_api.CriticalCloseView.as_view(),
        name="api-critical-close",
    ),
]

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

urlpatterns += template_urls

# Finding: pages, search, priors, attachments, statistics.
urlpatterns += [
    path("reports/", report.reports, name="reports"),
    path("reports/search/", searching.search_reports, name="report-search"),
    path("reports/<int:pk>/", report.report, name="report"),
    path("reports/<int:pk>/text/", report.text, name="report-text"),
    path("reports/<int:pk>/pdf/", report.report_pdf, name="report-newest-pdf"),
    path("reports/<int:pk>/diff/", report.diff, name="report-diff"),
    path("studies/<int:pk>/report/", report.study_report, name="report-of-study"),
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
