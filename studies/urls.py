"""Pages and REST of studies."""

from __future__ import annotations

from django.urls import path

from studies.views import arrival, quarantine, viewer, worklist
from studies.webhooks import OrthancWebhookView

urlpatterns = [
    path("", worklist.worklist, name="worklist"),
    path("worklist/table/", worklist.table, name="worklist-table"),
    path("worklist/row/<int:pk>/", worklist.row, name="worklist-row"),
    path("studies/<int:pk>/view/", viewer.view_study, name="view-study"),
    path("quarantine/", quarantine.quarantine, name="quarantine"),
    path("api/studies/<int:pk>/complete/", arrival.CompleteView.as_view(), name="study-complete"),
    path("api/orthanc/webhook/", OrthancWebhookView.as_view(), name="orthanc-webhook"),
]
