"""Pages and REST of reports."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from reports.views import deliveries, delivery_api

urlpatterns: list[URLPattern | URLResolver] = []

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
