"""Pages and REST of reports."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from reports.views import deliveries, delivery_api, documents, fhir, verify

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

delivery: list[URLPattern | URLResolver] = [
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

urlpatterns: list[URLPattern | URLResolver] = [*output, *delivery]
