"""Pages and REST of studies."""

from __future__ import annotations

from django.urls import path

from studies.api_schema import SchemaView
from studies.views import (
    arrival,
    corrections,
    export,
    marks,
    order_api,
    patient,
    preview,
    quarantine,
    reading,
    reading_api,
    safety,
    saved,
    send_api,
    sends,
    status,
    together,
    viewer,
    worklist,
)
from studies.webhooks import OrthancWebhookView

urlpatterns = [
    path("", worklist.worklist, name="worklist"),
    path("worklist/table/", worklist.table, name="worklist-table"),
    path("worklist/row/<int:pk>/", worklist.row, name="worklist-row"),
    path("worklist/export/", export.export, name="worklist-export"),
    path("worklist/saved/", saved.save, name="worklist-filter-save"),
    path("worklist/saved/<int:pk>/remove/", saved.remove, name="worklist-filter-remove"),
    path("patients/<int:pk>/", patient.patient, name="patient"),
    path("studies/<int:pk>/view/", viewer.view_study, name="view-study"),
    path("studies/<int:pk>/preview/", preview.preview, name="study-preview"),
    path("studies/<int:pk>/send/", sends.dialog, name="send-dialog"),
    path("sends/", sends.sends, name="sends"),
    path("sends/<int:pk>/row/", sends.row, name="send-row"),
    path("sends/<int:pk>/<str:action>/", sends.act, name="send-act"),
    path("status/", status.status, name="status"),
    path("quarantine/", quarantine.quarantine, name="quarantine"),
    path("quarantine/<uuid:pk>/", quarantine.file, name="quarantined-file"),
    path("quarantine/<uuid:pk>/<str:action>/", quarantine.act, name="quarantine-act"),
    path("corrections/", corrections.corrections, name="corrections"),
    path("corrections/<int:pk>/", corrections.correction, name="correction"),
    path("corrections/<int:pk>/undo/", corrections.undo, name="correction-undo"),
    path("corrections/proposals/<int:pk>/dismiss/", corrections.dismiss, name="proposal-dismiss"),
    path("studies/<int:pk>/correct/", corrections.desk, name="correct-study"),
    path("studies/<int:pk>/corrected/", corrections.notice, name="corrected-notice"),
    path("api/studies/<int:pk>/complete/", arrival.CompleteView.as_view(), name="study-complete"),
    path("studies/<int:pk>/notes/", reading.notes_dialog, name="notes-dialog"),
    path("studies/<int:pk>/lost/", reading.lost, name="reading-lost"),
    path("api/studies/next-unread/", reading_api.NextUnreadView.as_view(), name="api-next-unread"),
    path("api/studies/together/", together.TogetherView.as_view(), name="api-together"),
    path("api/studies/<int:pk>/claim/", reading_api.ClaimView.as_view(), name="api-claim"),
    path(
        "api/studies/<int:pk>/take-over/", reading_api.TakeOverView.as_view(), name="api-take-over"
    ),
    path("api/studies/<int:pk>/seen/", reading_api.SeenView.as_view(), name="api-seen"),
    path("api/studies/<int:pk>/assign/", reading_api.AssignView.as_view(), name="api-assign"),
    path("api/studies/<int:pk>/priority/", reading_api.PriorityView.as_view(), name="api-priority"),
    path("api/studies/<int:pk>/notes/", reading_api.NotesView.as_view(), name="api-notes"),
    path("api/studies/<int:pk>/safety/", safety.SafetyView.as_view(), name="study-safety"),
    path("api/schema/", SchemaView.as_view(), name="api-schema"),
    path("api/orders/", order_api.OrderListView.as_view(), name="api-orders"),
    path(
        "api/orders/unordered-studies/",
        order_api.UnorderedView.as_view(),
        name="api-unordered-studies",
    ),
    path("api/orders/<int:pk>/", order_api.OrderView.as_view(), name="api-order"),
    path("api/orders/<int:pk>/link/", order_api.OrderLinkView.as_view(), name="api-order-link"),
    path("api/destinations/", send_api.DestinationListView.as_view(), name="destinations"),
    path("api/sends/", send_api.SendListView.as_view(), name="api-sends"),
    path("api/sends/<int:pk>/", send_api.SendView.as_view(), name="api-send"),
    path("api/sends/<int:pk>/cancel/", send_api.SendCancelView.as_view(), name="api-send-cancel"),
    path("api/sends/<int:pk>/retry/", send_api.SendRetryView.as_view(), name="api-send-retry"),
    path("api/orthanc/webhook/", OrthancWebhookView.as_view(), name="orthanc-webhook"),
    path(
        "api/studies/<int:pk>/measurements/",
        marks.MeasurementListView.as_view(),
        name="measurements",
    ),
    path(
        "api/studies/<int:pk>/measurements/<uuid:annotation>/",
        marks.MeasurementView.as_view(),
        name="measurement",
    ),
    path(
        "api/studies/<int:pk>/annotations/store/",
        marks.StoreMarksView.as_view(),
        name="annotations-store",
    ),
    path(
        "api/studies/<int:pk>/key-images/",
        marks.KeyImageListView.as_view(),
        name="key-images",
    ),
    path(
        "api/studies/<int:pk>/key-images/<uuid:annotation>/",
        marks.KeyImageView.as_view(),
        name="key-image",
    ),
]
