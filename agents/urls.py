"""Pages and REST of agents."""

from __future__ import annotations

from django.urls import path

from agents.views import (
    api,
    delivered,
    discs,
    document,
    documents,
    pages,
    portable,
    print_dialog,
    releases,
    scanners,
    worklist,
)

urlpatterns = [
    path("agents/", pages.agents, name="agents"),
    path("agents/<int:pk>/", pages.agent, name="agent"),
    path("agents/<int:pk>/command/", pages.give, name="agent-give"),
    path("agents/<int:pk>/commands/<int:cid>/", pages.command, name="agent-command"),
    path("agents/<int:pk>/commands/<int:cid>/cancel/", pages.cancel, name="agent-cancel"),
    path("api/agents/enrol/", api.EnrolView.as_view(), name="api-agent-enrol"),
    path("api/agents/worklist/", worklist.WorklistView.as_view(), name="api-agent-worklist"),
    path("api/agents/", api.AgentListView.as_view(), name="api-agents"),
    path("api/agents/release/", releases.ReleaseView.as_view(), name="agent-release"),
    path(
        "api/agents/release/<int:seq>/file",
        releases.ReleaseFileView.as_view(),
        name="agent-release-file",
    ),
    path("api/agents/<int:pk>/", api.AgentView.as_view(), name="api-agent"),
    path("api/agents/<int:pk>/commands/", api.CommandListView.as_view(), name="api-commands"),
    path("api/agents/<int:pk>/commands/<int:cid>/", api.CommandView.as_view(), name="api-command"),
    path(
        "api/agents/<int:pk>/commands/<int:cid>/cancel/",
        api.CancelView.as_view(),
        name="api-command-cancel",
    ),
    path(
        "api/agents/commands/<int:cid>/document/",
        document.PrintDocumentView.as_view(),
        name="api-print-document",
    ),
    path(
        "api/agents/deliveries/<int:pk>/pdf/",
        delivered.DeliveryPdfView.as_view(),
        name="api-delivery-pdf",
    ),
    path(
        "api/agents/documents/<str:sha256>/",
        documents.AgentDocumentView.as_view(),
        name="api-agent-document",
    ),
    path("print/<str:kind>/<int:number>/", print_dialog.print_dialog, name="print-dialog"),
    path("api/agents/commands/<int:cid>/images/", discs.DiscImagesView.as_view()),
    path("api/agents/commands/<int:cid>/images/<int:pk>/", discs.DiscImageView.as_view()),
    path("studies/<int:pk>/disc/", discs.dialog, name="disc-dialog"),
    path("studies/<int:pk>/export/dicom.zip", portable.study_zip, name="study-zip"),
    path("scanners/", scanners.dialog, name="scanners"),
    path("scanners/mine/", scanners.mine, name="scanner-mine"),
    path("scanners/scans/<int:pk>/", scanners.scan, name="scanner-scan"),
    path("api/local-command", api.ShortFormView.as_view(), name="local-command"),
    path("api/local-agent/command", api.ShortFormView.as_view(), name="local-agent-command"),
]
